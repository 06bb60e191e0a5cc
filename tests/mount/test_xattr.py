# SPDX-License-Identifier: MIT
"""-o xattr: attributes as extended attributes."""

import errno
import os
import shutil
import tomllib

import h5py
import numpy as np
import pytest
from support import h5, toml_text, tools, users

STRINGS = {
    "units": "m/s", "empty": "", "spaces": "  two  ", "quoted": '"x"', "lines": "a\nb = 2", "grün": "größe", "bang": "!!wow",
}  # fmt: skip
LOOKS_ELSE = {"int": "42", "float": "1.5", "bool": "true", "date": "1979-05-27", "list": "[1, 2]", "text": '"42"', "nan": "nan"}


@pytest.fixture
def mounted(unstarted, place):
    """A project p of an HDF5 file with attributes, on a mount with -o xattr."""

    def make():
        with h5.writing(place.files / "x.h5") as file:
            file["a"] = np.arange(6.0).reshape(2, 3)
            file["plain"] = np.arange(3)
            file["g/b"] = np.arange(3)
            file["null"] = h5py.Empty("f4")
            file.attrs["title"] = "project"
            file["g"].attrs["note"] = "group"
            for name, value in {**STRINGS, **LOOKS_ELSE}.items():
                file["a"].attrs[name] = value
            file["a"].attrs["scale"] = np.array([1, 2.5], "f4")
            file["a"].attrs["count"] = np.int16(7)
            file["a"].attrs["cuteshm.dtype"] = "a trap"
            file["a"].attrs["x" * 251] = "too long a name"
            file["a"].attrs.create("long", np.arange(8000) + 10**9)
        place.load("p", place.files / "x.h5").succeeded()
        unstarted.start("-o", "xattr")

    place.identity.run(make) if place.identity else make()
    return unstarted


def attrs(path):
    return tomllib.loads(path.read_text()).get("attrs", {})


def get(path, name):
    return os.getxattr(path, name).decode()


def array(mount):
    """Where the array's attributes are: links have none, their sidecars do."""
    return mount / ("p/a.meta" if mount.symlinks else "p/a")


def test_dtype_shape_and_segment_are_answered_by_name(mounted, place):
    a = array(mounted)
    assert get(a, "user.cuteshm.dtype") == "float64"
    assert get(a, "user.cuteshm.shape") == "[2, 3]"
    assert get(a, "user.cuteshm.segment") == place.manifest("p").at("a")["shm_name"]
    assert not [name for name in os.listxattr(a) if "cuteshm" in name]
    assert get(mounted / "p/null.meta", "user.cuteshm.shape") == "null"
    with pytest.raises(OSError) as raised:
        os.getxattr(a, "user.cuteshm.other")
    assert raised.value.errno == errno.ENODATA
    for name in ("dtype", "shape", "segment", "other"):
        with pytest.raises(PermissionError):
            os.setxattr(a, f"user.cuteshm.{name}", b"x")
        with pytest.raises(PermissionError):
            os.removexattr(a, f"user.cuteshm.{name}")


def test_every_attribute_is_read_as_the_sidecar_says_it(mounted):
    a = array(mounted)
    for name, value in STRINGS.items():
        if name not in ("quoted", "bang"):
            assert get(a, f"user.{name}") == value, name
    assert get(a, "user.quoted") == r'"\"x\""'
    assert get(a, "user.bang") == "!!!wow"
    for name, value in LOOKS_ELSE.items():
        assert tomllib.loads("v = " + get(a, f"user.{name}")) == {"v": value}, name
    assert get(a, "user.scale") == "[1.0, 2.5]"
    assert get(a, "user.count") == "7"
    assert get(mounted / "p", "user.title") == "project"
    assert get(mounted / "p/g", "user.note") == "group"
    assert get(mounted / "p/g/.meta", "user.note") == "group"
    with pytest.raises(OSError) as raised:
        os.getxattr(a, "user.nothing")
    assert raised.value.errno == errno.ENODATA


def test_they_are_listed_but_not_at_sidecars_and_not_what_cannot_be_read(mounted):
    expected = {f"user.{name}" for name in [*STRINGS, *LOOKS_ELSE, "scale", "count"]}
    if not mounted.symlinks:
        assert set(os.listxattr(mounted / "p/a")) == expected
    assert os.listxattr(mounted / "p") == ["user.title"]
    assert os.listxattr(mounted / "p/g") == ["user.note"]
    for name in ("p/a.meta", "p/.meta", "p/a.npy"):
        assert os.listxattr(mounted / name) == []


def test_set_and_remove_reach_the_sidecar_and_the_manifest(mounted, place):
    a = array(mounted)
    values = {"s": ("text", "text"), "i": ("42", 42), "f": ("2.5", 2.5), "t": ('"42"', "42"), "l": ("[1, [2]]", [1, [2]]),
              "n": ("1\nx = 2", "1\nx = 2"), "e": ("", ""), "b": ("true", True)}  # fmt: skip
    for name, (text, value) in values.items():
        os.setxattr(a, f"user.{name}", text.encode())
        assert get(a, f"user.{name}") == text
        assert attrs(mounted / "p/a.meta")[name] == value
    os.setxattr(mounted / "p", "user.title", b"other")
    os.setxattr(mounted / "p/g", "user.more", b"1")
    os.removexattr(mounted / "p/g", "user.note")
    assert attrs(mounted / "p/.meta") == {"title": "other"}
    assert attrs(mounted / "p/g/.meta") == {"more": 1}
    os.removexattr(a, "user.s")
    assert "s" not in attrs(mounted / "p/a.meta")

    def said():
        return place.manifest("p").at("a")["attrs"]

    mounted.eventually(lambda: said().get("i") == 42 and "s" not in said(), "the manifest")


def test_an_undeclared_array_that_has_one_has_a_sidecar(mounted, place):
    if mounted.symlinks:
        pytest.skip("links have none")
    place.write_manifest("u", toml_text.document({"x": place.leaf("u", np.zeros(3, "u1"), declared=False)}))
    mounted.eventually(lambda: (mounted / "u/x").exists(), "the project")
    assert not (mounted / "u/x.meta").exists()
    os.setxattr(mounted / "u/x", "user.units", b"m")
    assert attrs(mounted / "u/x.meta") == {"units": "m"}
    os.removexattr(mounted / "u/x", "user.units")
    assert not (mounted / "u/x.meta").exists()


def test_a_number_stays_of_its_type(mounted):
    a = array(mounted)
    os.setxattr(a, "user.count", b"9")
    document = tomllib.loads((mounted / "p/a.meta").read_text())
    assert (document["attrs"]["count"], document["attr_types"]["count"]) == (9, "int16")
    os.setxattr(a, "user.count", b"nine")
    document = tomllib.loads((mounted / "p/a.meta").read_text())
    assert document["attrs"]["count"] == "nine" and "count" not in document["attr_types"]


def test_bytes_that_are_no_text_are_kept(mounted):
    os.setxattr(array(mounted), "user.raw", b"\x47\xc3")
    assert get(array(mounted), "user.raw") == "!bytes 47c3"


def test_create_replace_range_and_other_spaces(mounted):
    a = array(mounted)
    cases = [
        (lambda: os.setxattr(a, "user.units", b"x", os.XATTR_CREATE), errno.EEXIST),
        (lambda: os.setxattr(a, "user.new", b"x", os.XATTR_REPLACE), errno.ENODATA),
        (lambda: os.removexattr(a, "user.new"), errno.ENODATA),
        (lambda: os.setxattr(a, "user.big", b"x" * 65537), errno.E2BIG),
    ]
    for action, error in cases:
        with pytest.raises(OSError) as raised:
            action()
        assert raised.value.errno == error
    os.setxattr(a, "user.new", b"x", os.XATTR_CREATE)
    os.setxattr(a, "user.new", b"y", os.XATTR_REPLACE)
    assert get(a, "user.new") == "y"
    os.setxattr(a, "user.big", b"x" * 65536)
    assert len(os.getxattr(a, "user.big")) == 65536
    if mounted.access.as_root:
        with pytest.raises(OSError) as raised:
            os.setxattr(a, "trusted.x", b"x")
        assert raised.value.errno == errno.EOPNOTSUPP


def test_another_user_may_not_set_what_he_may_not_write(mounted):
    if not mounted.access.as_root:
        pytest.skip("nobody else gets in")
    for name in ("p", "p/g", "p/a.meta") + (() if mounted.symlinks else ("p/a",)):
        with pytest.raises(PermissionError):
            users.stranger.run(lambda: os.setxattr(mounted / name, "user.mine", b"x"))


def test_getfattr_and_setfattr(mounted):
    if not shutil.which("setfattr"):
        pytest.skip("attr is not installed")
    tools.silent("setfattr", "-n", "user.colour", "-v", "blue", array(mounted))
    assert tools.silent("getfattr", "--absolute-names", "--only-values", "-n", "user.colour", array(mounted)) == "blue"


def test_tar_carries_them(mounted, place):
    tools.silent("tar", "--xattrs", "-cf", place.files / "g.tar", "-C", mounted / "p", "g")
    target = place.files / "out"
    target.mkdir()
    tools.silent("tar", "--xattrs", "-xf", place.files / "g.tar", "-C", target)
    try:
        carried = os.getxattr(target / "g", "user.note")
    except OSError as error:
        if error.errno in (errno.ENOTSUP, errno.ENODATA):
            pytest.skip("the file system of the temporary directory has no user attributes")
        raise
    assert carried == b"group"


def test_rsync_carries_them(mounted, place):
    if not shutil.which("rsync") or mounted.symlinks:
        pytest.skip("rsync of what are links carries links")
    target = place.shm / "out"
    tools.silent("rsync", "-aX", f"{mounted / 'p'}/", target)
    try:
        assert os.getxattr(target / "a", "user.units") == b"m/s"
        assert os.getxattr(target / "a", "user.int") == b'"42"'
        assert os.getxattr(target / "g", "user.note") == b"group"
    finally:
        shutil.rmtree(target)


def test_writing_does_not_ask_for_each_write(mounted):
    if mounted.symlinks:
        pytest.skip("it is the segment itself")
    mounted.stop()
    mounted.start("-o", "xattr", "-d")
    with open(mounted / "p/a", "r+b", buffering=0) as file:
        for _ in range(50):
            file.seek(0)
            file.write(b"12345678")
    assert mounted.text().count("GETXATTR") <= 2


def test_without_the_option_there_are_none(unstarted, place):
    def make():
        place.publish("p", {"a": np.arange(3)})
        unstarted.start()

    place.identity.run(make) if place.identity else make()
    for action in (
        lambda: os.getxattr(unstarted / "p", "user.x"),
        lambda: os.setxattr(unstarted / "p", "user.x", b"x"),
        lambda: os.listxattr(unstarted / "p"),
    ):
        with pytest.raises(OSError) as raised:
            action()
        assert raised.value.errno == errno.EOPNOTSUPP


def test_without_the_option_the_kernel_asks_once(unstarted, place):
    """And then answers by itself: `ls -l` of very many arrays does not come here for each."""
    names = [f"x{number}" for number in range(30)]

    def make():
        place.publish("p", {name: np.arange(3) for name in names})
        unstarted.start("-d")

    place.identity.run(make) if place.identity else make()
    for name in names:
        for what in ("user.x", "security.capability"):
            with pytest.raises(OSError):
                os.getxattr(unstarted / f"p/{name}.meta", what)
    assert unstarted.text().count("opcode: GETXATTR ") == 1
    unstarted.stop()
