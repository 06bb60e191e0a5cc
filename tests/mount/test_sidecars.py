# SPDX-License-Identifier: MIT
"""Sidecars: the text beside each array."""

import os
import pathlib
import tomllib

import h5py
import numpy as np
from support import h5, tools


def read(path):
    """Its document; the size that stat tells is exact, so that cp and tar get all of it."""
    text = path.read_bytes()
    assert path.stat().st_size == len(text)
    return tomllib.loads(text.decode("utf-8"))


def test_a_sidecar_says_dtype_shape_bytes_segment_and_attributes(mount, place, sample):
    document = read(mount / "p/b/b1.meta")
    assert document["array"] == {
        "dtype": "float32", "shape": [100], "nbytes": 400, "segment": place.manifest("p").at("b", "b1")["shm_name"],
    }  # fmt: skip
    assert document["attrs"] == {"scale": [1.0, 2.5]}
    assert document["attr_types"] == {"scale": "float32"}


def test_it_starts_with_its_path_and_has_one_key_per_line(mount, sample):
    lines = (mount / "p/b/b1.meta").read_text().splitlines()
    assert lines[0] == "# /p/b/b1"
    for line in lines:
        assert line == "" or line[0] in "#[" or tomllib.loads(line)


def test_a_scalar_has_an_empty_shape(mount, sample):
    assert read(mount / "p/one.meta")["array"]["shape"] == []


def test_the_sidecar_of_a_group_has_its_totals_and_attributes(mount, sample):
    document = read(mount / "p/b/.meta")
    assert {key: document["group"][key] for key in ("arrays", "groups", "nbytes")} == {
        "arrays": 2, "groups": 1, "nbytes": 403,
    }  # fmt: skip
    assert document["attrs"] == {"note": "a group"}


def test_the_sidecar_of_a_project_tells_where_it_came_from(mount, place, sample):
    document = read(mount / "p/.meta")
    assert {key: document["group"][key] for key in ("arrays", "groups", "nbytes")} == {
        "arrays": 4, "groups": 2, "nbytes": 96 + 400 + 3 + 8,
    }  # fmt: skip
    assert os.path.basename(document["group"]["source"]) == "sample.h5"
    assert document["group"]["created"] == place.manifest("p").project["created"]
    assert document["group"]["owner"]
    assert document["attrs"] == {"title": "sample"}


def test_a_compound_says_so(mount, place):
    with h5.writing(place.files / "f.h5") as file:
        file["table"] = np.zeros((2, 3), [("a", "i4"), ("b", "f8")])
    place.load("q", place.files / "f.h5").succeeded()
    mount.eventually(lambda: (mount / "q").is_dir(), "the project")
    group = read(mount / "q/table/.meta")["group"]
    assert (group["kind"], group["shape"]) == ("compound", [2, 3])
    assert read(mount / "q/table/b.meta")["array"]["shape"] == [2, 3]


def test_strings_say_their_encoding(mount, place):
    with h5.writing(place.files / "f.h5") as file:
        file["s"] = np.array([b"abc"], "S3")
    place.load("q", place.files / "f.h5").succeeded()
    mount.eventually(lambda: (mount / "q").is_dir(), "the project")
    assert read(mount / "q/s.meta")["array"]["encoding"] == "ascii"


def test_tools_read_all_of_it(mount, sample):
    path = mount / "p/a.meta"
    text = path.read_text()
    assert tools.silent("cat", path) == text
    assert tools.silent("dd", f"if={path}", "bs=7", "status=none") == text
    assert tools.silent("tail", "-c", "20", path) == text[-20:]
    assert int(tools.silent("wc", "-c", path).split()[0]) == len(text)


def test_it_can_be_read_from_any_place(mount, sample):
    path = mount / "p/a.meta"
    text = path.read_bytes()
    with open(path, "rb") as file:
        for start in (0, 5, len(text) - 1, len(text), len(text) + 10):
            file.seek(start)
            assert file.read() == text[start:]


def test_it_changes_with_its_project(mount, place, sample):
    read(mount / "p/a.meta")
    place.load("p", h5.simple(place.files / "new.h5", a=np.zeros((5, 7), "f4")), "-o").succeeded()
    document = mount.eventually(lambda: _with_shape(mount / "p/a.meta", [5, 7]), "the new shape")
    assert document["array"]["dtype"] == "float32"
    assert "attrs" not in document or document["attrs"] == {}


def _with_shape(path, shape):
    try:
        document = read(path)
    except (FileNotFoundError, AssertionError):  # between old and new
        return None
    return document if document["array"]["shape"] == shape else None


def test_its_time_stays_while_its_text_does(mount, place, sample):
    before = (mount / "p/a.meta").stat().st_mtime_ns
    place.array("p", "a", mode="r+")[0, 0] = 77
    os.utime(place.segment("p", "a"), (10, 20))
    mount.eventually(lambda: (mount / "p/a").stat().st_mtime == 20, "the time of the data")
    assert (mount / "p/a.meta").stat().st_mtime_ns == before


def test_a_segment_longer_than_its_array_has_a_rest(mount, place, sample):
    with open(place.segment("p", "a"), "ab") as segment:
        segment.write(b"12345")
    mount.eventually(lambda: (mount / "p/a").stat().st_size == 101, "the size")
    document = mount.eventually(
        lambda: "rest" in read(mount / "p/a.meta")["array"] and read(mount / "p/a.meta"), "rest"
    )
    assert document["array"]["rest"] == 5
    assert document["array"]["shape"] == [3, 4]
    assert "state" not in document["array"]


def test_any_text_survives_as_attribute(mount, place):
    texts = ['tab\t newline\n quote" backslash\\ \x7f \x01', "!bang", "grün", "", "x" * 30_000]
    with h5.writing(place.files / "f.h5") as file:
        file["x"] = 1
        for number, text in enumerate(texts):
            file["x"].attrs[f"it {number}"] = text
    place.load("q", place.files / "f.h5").succeeded()
    mount.eventually(lambda: (mount / "q").is_dir(), "the project")
    there = read(mount / "q/x.meta")["attrs"]
    for number, text in enumerate(texts):
        assert there[f"it {number}"] == ("!" + text if text.startswith("!") else text)


# --- the sums of groups -----------------------------------------------------------------------------------------------


def nested(path, sizes):
    """Groups in groups, each with an attribute (so that it has a sidecar) and an array of so many bytes."""
    with h5py.File(path, "w") as file:
        for names, size in sizes.items():
            group = file.require_group(names)
            group.attrs["is"] = names
            group["x"] = np.zeros(size, "u1")
    return path


def sums(mount):
    """What each group's sidecar says of arrays, groups and bytes, by path."""
    found = {}
    for folder, _, files in os.walk(mount / "p"):
        if ".meta" not in files:
            continue
        group = read(pathlib.Path(folder, ".meta"))["group"]
        found[os.path.relpath(folder, mount.path)] = [group[key] for key in ("arrays", "groups", "nbytes")]
    return found


def counted(mount):
    """The same of all groups, counted by walking."""
    found = {}
    for folder, folders, files in os.walk(mount / "p", topdown=False):
        arrays = [os.path.join(folder, name) for name in files if not name.endswith(".meta")]
        below = [found[os.path.relpath(os.path.join(folder, name), mount.path)] for name in folders]
        own = [len(arrays), len(folders), sum(map(os.path.getsize, arrays))]
        found[os.path.relpath(folder, mount.path)] = [sum(column) for column in zip(own, *below, strict=True)]
    return found


def test_the_sums_after_changes_by_everybody(mount, place):
    sizes = {"g": 1, "g/h": 20, "g/h/i": 300, "k": 4000, "k/l": 50000}
    file = h5.simple(place.files / "one.h5", y=np.arange(6))
    place.load("p", nested(place.files / "nested.h5", sizes)).succeeded()
    mount.eventually(lambda: sums(mount)["p"] == [5, 5, 54321], "the sums")
    assert sums(mount).items() <= counted(mount).items()
    os.unlink(mount / "p/g/h/x")  # a change of our own, then those of others
    mount.eventually(lambda: sums(mount)["p/g"] == [2, 2, 301], "less")
    place.load("p", file, "--into", "/g/h/i").succeeded()
    mount.eventually(lambda: sums(mount)["p/g/h"] == [2, 1, 348], "more")
    tools.run("rm", "-r", "k", cwd=mount / "p")
    mount.eventually(lambda: sums(mount)["p"] == [3, 3, 349], "fewer groups")
    assert sums(mount).items() <= counted(mount).items()
    place.load("p", nested(place.files / "other.h5", {"g/h": 7, "k/l/m": 8}), "-o").succeeded()
    mount.eventually(lambda: sums(mount)["p"] == [2, 5, 15], "the new project")
    place.load("p", file, "--into", "/k/n").succeeded()
    mount.eventually(lambda: sums(mount)["p"] == [3, 6, 63], "a new group")
    assert sums(mount).items() <= counted(mount).items()
