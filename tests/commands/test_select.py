# SPDX-License-Identifier: MIT
"""cute-shm-hdf5 --select: parts of a file."""

import h5py
import numpy as np
import pytest

from support import fsnames, h5, programs

ODD = {
    "with space": "with space",
    "a.b": "a.b",
    "grün": "grün",
    "%": "%25",
    "50%2F": "50%252F",
    "x.meta": "x%2Emeta",
    "x.npy": "x%2Enpy",
    "new\nline": "new\nline",
}


@pytest.fixture
def sample(place):
    return h5.sample(place.files / "sample.h5")


def arrays(place, project="p"):
    return set(place.manifest(project).leaves())


def assert_like_the_file(place, file):
    for path in arrays(place):
        expected = h5.read(file, *path)
        there = place.array("p", *path)
        assert (there.dtype, there.shape, there.tobytes()) == (expected.dtype, expected.shape, expected.tobytes())


@pytest.mark.parametrize(
    "paths, expected",
    [
        (["a"], {("a",)}),
        (["/a"], {("a",)}),
        (["b"], {("b", "b1"), ("b", "deep", "flags")}),
        (["/b/"], {("b", "b1"), ("b", "deep", "flags")}),
        (["b//b1"], {("b", "b1")}),
        (["b/deep"], {("b", "deep", "flags")}),
        (["b/deep/flags", "one"], {("b", "deep", "flags"), ("one",)}),
        (["b", "b/b1"], {("b", "b1"), ("b", "deep", "flags")}),
        (["b/b1", "b"], {("b", "b1"), ("b", "deep", "flags")}),
        (["one", "one"], {("one",)}),
        (["/"], h5.SAMPLE_ARRAYS),
        (["/", "a"], h5.SAMPLE_ARRAYS),
    ],
    ids=lambda item: str(sorted(item)),  # sets have another order in each process
)
def test_only_what_is_selected_is_loaded(place, sample, paths, expected):
    place.load("p", sample, *(f"--select={path}" for path in paths)).silent()
    assert arrays(place) == expected
    assert_like_the_file(place, sample)
    place.assert_consistent()


def test_groups_above_and_the_root_keep_their_attributes(place, sample):
    place.load("p", sample, "--select", "b/b1").silent()
    manifest = place.manifest("p")
    assert manifest.node()["attrs"] == {"title": "sample"}
    assert manifest.node("b")["attrs"] == {"note": "a group"}
    assert manifest.at("b", "b1")["attrs"] == {"scale": [1.0, 2.5]}


def test_an_empty_group_can_be_selected(place):
    with h5.writing(place.files / "f.h5") as file:
        file.create_group("g/empty")
        file["g/x"] = 1
    place.load("p", place.files / "f.h5", "--select", "g/empty").silent()
    assert place.manifest("p").tree == {"g": {"empty": {}}}


@pytest.mark.parametrize("options", [[], ["--skip-errors"]], ids=str)
@pytest.mark.parametrize("path", ["nothing", "b/nothing", "a/below", "nothing/at/all", "b/../a", ".", "x" * 300])
def test_a_path_that_is_not_there_is_an_error_by_name(place, sample, path, options):
    line = place.load("p", sample, "--select", "b", "--select", path, *options).failed()
    assert f": {path}: no such " in line
    place.assert_nothing_published()


def test_a_field_is_no_dataset(place):
    h5.simple(place.files / "f.h5", c=np.zeros(3, [("x", "f4"), ("y", "i2")]))
    place.load("p", place.files / "f.h5", "--select", "c/x").failed()
    place.load("p", place.files / "f.h5", "--select", "c").silent()
    assert arrays(place) == {("c", "x"), ("c", "y")}


def test_a_committed_type_is_no_dataset(place):
    with h5.writing(place.files / "f.h5") as file:
        file["t"] = np.dtype("f4")
    assert ": t: " in place.load("p", place.files / "f.h5", "--select", "t").failed()


@pytest.mark.parametrize("name", ODD)
def test_any_name_can_be_said_as_the_mount_spells_it(place, name):
    with h5.writing(place.files / "f.h5") as file:
        group = file.create_group("g")
        for key in ODD:
            group[key] = 1
    place.load("p", place.files / "f.h5", "--select", "g/" + ODD[name]).silent()
    assert arrays(place) == {("g", name)}


def test_names_that_are_not_utf8_and_names_too_long_for_an_entry(place):
    odd, long = b"caf\xe9", b"l" * 300
    with h5.writing(place.files / "f.h5") as file:
        file[odd + b"/x"] = 1
        file[long + b"/x"] = 2
        file["y"] = 3
    place.load("p", place.files / "f.h5", "--select", odd + b"/x").silent()
    assert arrays(place) == {("caf%E9", "x")}
    place.unlink("p").succeeded()
    hashed = "l" * 200 + f"%~{fsnames.fnv1a(long):016x}"
    place.load("p", place.files / "f.h5", "--select", hashed).silent()
    assert arrays(place) == {(long.decode(), "x")}


@pytest.fixture
def linked(place):
    with h5.writing(place.files / "other.h5") as other:
        other["g/x"] = np.arange(4)
        other["g/y"] = 1
    with h5.writing(place.files / "linked.h5") as file:
        file["real/x"] = np.arange(3)
        file["real/y"] = 1
        file["real"].attrs["note"] = "real"
        file["soft"] = h5py.SoftLink("/real")
        file["external"] = h5py.ExternalLink("other.h5", "/g")
        file["dangling"] = h5py.SoftLink("/nowhere")
        file["real/up"] = h5py.SoftLink("/")
        file["same"] = file["real/x"]
    return place.files / "linked.h5"


@pytest.mark.parametrize("path", ["soft/x", "external/x", "same"])
def test_links_are_followed(place, linked, path):
    place.load("p", linked, "--select", path).silent()
    keys = tuple(path.split("/"))
    assert arrays(place) == {keys}
    assert np.array_equal(place.array("p", *keys), np.arange(4 if "external" in path else 3))


def test_groups_passed_by_a_link_keep_their_attributes(place, linked):
    place.load("p", linked, "--select", "soft/x", "--select", "real/x").silent()
    manifest = place.manifest("p")
    assert manifest.node("soft")["attrs"] == manifest.node("real")["attrs"] == {"note": "real"}
    assert len(manifest.segments()) == 1
    place.assert_consistent()


@pytest.mark.parametrize("path", ["dangling", "real/up", "real/up/same", "dangling/x"])
def test_links_that_walking_leaves_out_lead_nowhere(place, linked, path):
    assert path in place.load("p", linked, "--select", path).failed()


@pytest.fixture
def broken(place):
    """A dataset whose data cannot be read, and a good one."""
    path = place.files / "broken.h5"
    with h5.writing(path) as file:
        file["good/x"] = np.arange(5)
        bad = file.create_dataset("bad/x", (10,), "i4", chunks=(10,), compression="gzip")
        bad[:] = 1
        bad.id.write_direct_chunk((0,), b"this is no zlib stream")
    return path


def test_what_is_not_selected_does_no_harm(place, broken):
    place.load("p", broken).failed()
    place.load("p", broken, "--select", "good").silent()
    assert arrays(place) == {("good", "x")}


def test_a_selected_dataset_that_cannot_be_read_is_skipped_like_any(place, broken):
    place.load("p", broken, "--select", "bad/x").failed()
    words = ["--select", "bad/x", "--select", "good/x", "--skip-errors"]
    assert "/bad/x: " in place.load("p", broken, *words).failed(programs.IN_PART)
    assert arrays(place) == {("good", "x")}


def test_an_empty_path_is_wrong_usage(place, sample):
    place.load("p", sample, "--select", "").failed(programs.USAGE)
    place.assert_nothing_published()


def test_many_paths(place):
    file = h5.many(place.files / "many.h5", 1000)
    place.load("p", file, *(f"--select={number:05d}" for number in range(0, 1000, 2))).silent()
    assert arrays(place) == {(f"{number:05d}",) for number in range(0, 1000, 2)}
