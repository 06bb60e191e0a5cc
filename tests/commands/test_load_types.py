# SPDX-License-Identifier: MIT
"""cute-shm-hdf5: what types and attributes become, spelt out (the corpus suite compares everything)."""

import h5py
import numpy as np
import pytest

from support import h5, programs


def loaded(place, make):
    with h5.writing(place.files / "f.h5") as file:
        make(file)
    place.load("p", place.files / "f.h5").succeeded()
    return place.manifest("p")


@pytest.mark.parametrize(
    "dtype, name",
    [("i1", "int8"), ("u1", "uint8"), ("<i2", "int16"), (">i2", ">i2"), ("<u4", "uint32"), (">u8", ">u8"), ("<i8", "int64"),
     ("<f2", "float16"), (">f2", ">f2"), ("<f4", "float32"), (">f4", ">f4"), ("<f8", "float64"), (">f8", ">f8"),
     ("longdouble", "float128"), ("c8", "complex64"), (">c8", ">c8"), ("c16", "complex128"), ("clongdouble", "complex256"),
     ("?", "bool"), ("S7", "|S7")],
)  # fmt: skip
def test_dtype_is_as_numpy_prints_it_and_bytes_are_the_same(place, dtype, name):
    data = np.array([[1, 0, 2], [0, 3, 1]]).astype(dtype)
    manifest = loaded(place, lambda file: file.create_dataset("x", data=data))
    assert manifest.at("x")["dtype"] == name
    there = place.array("p", "x")
    assert (there.dtype, there.shape) == (data.dtype, (2, 3))
    assert np.array_equal(there, data)


def test_fixed_strings_say_their_charset(place):
    def make(file):
        file["plain"] = np.array([b"a", b"bcd"], "S5")
        file["unicode"] = np.array(["grün".encode()], h5py.string_dtype("utf-8", 8))

    manifest = loaded(place, make)
    assert manifest.at("plain")["encoding"] == "ascii"
    assert manifest.at("unicode")["encoding"] == "utf-8"
    assert place.array("p", "plain").tobytes() == b"a\0\0\0\0bcd\0\0"


def test_a_compound_is_a_group_of_its_fields(place):
    data = np.array([(1, (0.5, 1.5)), (2, (2.5, 3.5))], [("id", "<i4"), ("at", [("x", "f4"), ("y", "f4")])])

    def make(file):
        file["table"] = data
        file["table"].attrs["units"] = "mixed"

    manifest = loaded(place, make)
    assert list(manifest.at("table")) == ["id", "at"]
    assert manifest.node("table")["kind"] == "compound"
    assert manifest.node("table")["shape"] == [2]
    assert manifest.node("table")["attrs"] == {"units": "mixed"}
    assert manifest.node("table", "at")["kind"] == "compound"
    assert place.array("p", "table", "id").tolist() == [1, 2]
    assert place.array("p", "table", "at", "y").tolist() == [1.5, 3.5]


@pytest.mark.parametrize(
    "value, text, kind",
    [(3, 3, None), (-(2**63), -(2**63), None), (np.int16(3), 3, "int16"), (np.uint8([1, 2]), [1, 2], "uint8"),
     (1.5, 1.5, None), (np.float32(0.5), 0.5, "float32"), (True, True, None), ([True, False], [True, False], None),
     ("text", "text", None), (["a", ""], ["a", ""], None), ("!bang", "!!bang", None), (np.bytes_(b"seven77"), "seven77", "S7"),
     (np.bytes_(b"G\xc3"), "!bytes 47c3", "S2"), (np.uint64(2**64 - 1), "!uint64 18446744073709551615", "uint64"),
     (1 + 2j, "!complex128 (1+2j)", "complex128"), (np.longdouble(1.5), "!float128 0x1.8p+0", "float128"),
     ([[1, 2], [3, 4]], [[1, 2], [3, 4]], None), (np.array([1, 2], ">i4"), [1, 2], ">i4")],
)  # fmt: skip
def test_attribute_forms(place, value, text, kind):
    """The forms of the format's table, on a dataset, a group and the file alike."""

    def make(file):
        file["x"] = 1
        for where in (file, file["x"], file.create_group("g")):
            where.attrs["it"] = value

    manifest = loaded(place, make)
    for where in (manifest.node(), manifest.node("g"), manifest.at("x")):
        there = where["attrs"]["it"]
        assert same_long_double(there, text) if "float128" in str(kind) else (there, type(there)) == (text, type(text))
        said = where.get("attr_types", {}).get("it")
        assert kind in said if kind else said is None


def same_long_double(there, text):
    """A hexadecimal number may be written with any leading digit."""
    word, number = there.split(" ")
    return word == text.split(" ")[0] and float.fromhex(number) == float.fromhex(text.split(" ")[1])


def test_special_floats_in_attributes_are_toml_floats(place):
    manifest = loaded(place, lambda file: file.attrs.create("it", [np.inf, -np.inf, np.nan, -0.0]))
    there = manifest.node()["attrs"]["it"]
    assert there[:2] == [np.inf, -np.inf]
    assert np.isnan(there[2])
    assert np.signbit(there[3])


def test_attributes_with_control_characters_stay_inside_their_comment_lines(place):
    manifest = loaded(place, lambda file: file.attrs.create("it", 'tab\t new\nline \x7f \x01 " \\'))
    assert manifest.node()["attrs"]["it"] == 'tab\t new\nline \x7f \x01 " \\'
    lines = manifest.text.split("\n")
    assert all(line.isprintable() for line in lines if line.startswith("#~"))


def test_large_attributes_are_kept(place):
    manifest = loaded(place, lambda file: file.attrs.create("it", "x" * 40_000))
    assert manifest.node()["attrs"]["it"] == "x" * 40_000


# --- what a loader may not know yet: named, never skipped -------------------------------------------------------------

TYPES = {
    "variable strings": lambda file: file.create_dataset("g/x", data=["a", "bc"], dtype=h5py.string_dtype()),
    "sequences": lambda file: file.create_dataset("g/x", (2,), dtype=h5py.vlen_dtype("i4")),
    "references": lambda file: file.create_dataset("g/x", data=[file.ref], dtype=h5py.ref_dtype),
    "enumerations": lambda file: file.create_dataset("g/x", data=[1], dtype=h5py.enum_dtype({"A": 1})),
    "opaque": lambda file: file.create_dataset("g/x", data=np.zeros(2, "V3")),
    "null": lambda file: file.create_dataset("g/x", data=h5py.Empty("f8")),
}


@pytest.mark.parametrize("name", TYPES)
def test_what_is_not_handled_is_refused_by_name(place, name):
    """Loaded in some form or refused with its path; the corpus suite says whether the form is right."""
    file = place.files / "f.h5"
    with h5.writing(file) as made:
        made["before"] = np.arange(3)
        TYPES[name](made)
    result = place.load("p", file)
    if result.status == programs.DONE:
        manifest = place.manifest("p")
        known = [path for path in list(manifest.leaves()) + list(manifest.nodes) if path[:2] == ("g", "x")]
        assert known, "neither loaded nor refused"
        return
    line = result.failed()
    assert line.startswith(f"cute-shm-hdf5: {file}: /g/x: ")
    place.assert_nothing_published()


def test_an_attribute_that_is_not_handled_is_refused_with_its_object(place):
    file = place.files / "f.h5"
    with h5.writing(file) as made:
        made["x"] = np.arange(3)
        made["x"].attrs.create("strange", np.zeros(2, [("r", "f4"), ("s", "S2")]))
    result = place.load("p", file)
    if result.status == programs.DONE:
        assert "strange" in place.manifest("p").at("x")["attrs"]
        return
    line = result.failed()
    assert line.startswith(f"cute-shm-hdf5: {file}: /x")
    assert "strange" in line
    place.assert_nothing_published()
