# SPDX-License-Identifier: MIT
"""cute-shm-hdf5: what a load makes."""

import os
import resource
import shutil

import h5py
import numpy as np
import pytest

from support import h5


@pytest.fixture
def sample(place):
    return h5.sample(place.files / "sample.h5")


def test_values_are_those_of_the_file(place, sample):
    place.load("p", sample).succeeded()
    assert set(place.manifest("p").leaves()) == h5.SAMPLE_ARRAYS
    for path in h5.SAMPLE_ARRAYS:
        expected = h5.read(sample, *path)
        there = place.array("p", *path)
        assert (there.dtype, there.shape) == (expected.dtype, expected.shape)
        assert there.tobytes() == expected.tobytes()


def test_segments_are_exactly_as_long_as_their_arrays(place, sample):
    place.load("p", sample).succeeded()
    for path in h5.SAMPLE_ARRAYS:
        assert place.segment("p", *path).stat().st_size == h5.read(sample, *path).nbytes


def test_an_empty_array_has_a_segment_of_one_byte(place):
    h5.simple(place.files / "f.h5", empty=np.zeros((3, 0), "f4"))
    place.load("p", place.files / "f.h5").succeeded()
    assert place.segment("p", "empty").stat().st_size == 1
    assert place.manifest("p").at("empty")["shape"] == [3, 0]


def test_a_scalar_has_no_dimensions(place, sample):
    place.load("p", sample).succeeded()
    assert place.manifest("p").at("one")["shape"] == []


def test_segment_names_have_the_peers_form(place, sample):
    place.load("p", sample).succeeded()
    for leaf in place.manifest("p").leaves().values():
        assert leaf["shm_private_name"] == "/" + leaf["shm_name"]
        prefix, project, suffix = leaf["shm_name"].split(".")
        assert (prefix, project, len(suffix), suffix.isalnum()) == ("cute-shm", "p", 10, True)


def test_every_leaf_has_attrs_even_without_any(place, sample):
    place.load("p", sample).succeeded()
    assert place.manifest("p").at("one")["attrs"] == {}


def test_attributes_of_datasets_groups_and_the_file_are_kept(place, sample):
    place.load("p", sample).succeeded()
    manifest = place.manifest("p")
    assert manifest.at("a")["attrs"] == {"units": "m"}
    assert manifest.at("b", "b1")["attrs"] == {"scale": [1.0, 2.5]}
    assert manifest.at("b", "b1")["attr_types"] == {"scale": "float32"}
    assert manifest.node("b")["attrs"] == {"note": "a group"}
    assert manifest.node()["attrs"] == {"title": "sample"}


def test_the_extension_document_says_where_it_came_from(place, sample):
    place.load("p", sample).succeeded()
    project = place.manifest("p").project
    assert os.path.basename(project["source"]) == "sample.h5"
    assert project["created"]


def test_only_groups_and_leaves_stand_in_the_toml_proper(place, sample):
    """The peer walks every other table as a group and would stumble over anything else."""
    place.load("p", sample).succeeded()
    groups = [place.manifest("p").tree]
    while groups:
        for item in groups.pop().values():
            assert isinstance(item, dict)
            if "shm_name" not in item:
                groups.append(item)


def test_memory_and_manifest_are_private_by_default(place, sample):
    place.load("p", sample).succeeded()
    files = [place.manifest_path("p")] + [place.segment("p", *path) for path in h5.SAMPLE_ARRAYS]
    assert {oct(file.stat().st_mode & 0o7777) for file in files} == {"0o600"}


def test_mode_sets_that_of_segments_and_manifest(place, sample):
    place.load("p", sample, "--mode", "0644").succeeded()
    files = [place.manifest_path("p")] + [place.segment("p", *path) for path in h5.SAMPLE_ARRAYS]
    assert {oct(file.stat().st_mode & 0o7777) for file in files} == {"0o644"}


def test_the_umask_does_not_weaken_the_mode(place, sample):
    place.load("p", sample, "--mode", "0664", umask=0o077).succeeded()
    assert oct(place.segment("p", "a").stat().st_mode & 0o7777) == "0o664"


def test_memory_is_reserved_not_only_sized(place):
    """A store into a mapping must never meet a full directory: also what the file never wrote has its pages."""
    with h5.writing(place.files / "f.h5") as file:
        file.create_dataset("zeros", (4 * h5.MEBIBYTE,), "u1", chunks=(h5.MEBIBYTE,))
    place.load("p", place.files / "f.h5").succeeded()
    assert place.segment("p", "zeros").stat().st_blocks * 512 == 4 * h5.MEBIBYTE


def test_a_load_ends_with_manifest_datasets_bytes_time_and_rate(place, sample):
    said = place.load("p", sample).silent().out
    assert str(place.manifest_path("p")) in said
    assert "4" in said.split()
    for word in ("bytes", "s", "/s"):
        assert word in said


def test_several_names_of_one_project_name_start_stay_apart(place, sample):
    for project in ("p", "p.x", "p.x.y"):
        place.load(project, sample).succeeded()
    place.unlink("p").succeeded()
    assert place.projects() == {"p.x", "p.x.y"}
    place.assert_consistent()


def test_a_file_found_by_a_relative_path_and_with_odd_names_loads(place, sample):
    odd = place.files / "with space\nand newline.h5"
    shutil.copy(sample, odd)
    place.load("p", odd.name, cwd=place.files).succeeded()
    assert place.projects() == {"p"}


@pytest.mark.parametrize(
    "project", ["P", "a b", "grün", "p.x", "UPPER_lower-1", "x" * 200, "日本" * 33, "a%2Fb", "-dash"]
)
def test_good_project_names_work_everywhere(place, sample, project):
    place.run("cute-shm-hdf5", "--", project, sample).succeeded()
    assert place.projects() == {project}
    place.run("cute-shm-list", "--", project).silent()
    place.run("cute-shm-unlink", "--", project).silent()
    place.assert_nothing_published()


def test_names_of_keys_reach_the_manifest_unchanged(place):
    keys = ["with space", "a.b", "grün", "x.meta", '"q"', "new\nline", "shm_name", "attrs", "", "100%"]
    with h5.writing(place.files / "f.h5") as file:
        for key in filter(None, keys):
            file[key] = 1
    place.load("p", place.files / "f.h5").succeeded()
    assert {path[0] for path in place.manifest("p").leaves()} == set(filter(None, keys))


def test_order_is_that_of_the_file(place):
    with h5py.File(place.files / "f.h5", "w", track_order=True) as file:
        for name in ("zebra", "apple", "mango"):
            file[name] = 1
    place.load("p", place.files / "f.h5").succeeded()
    assert list(place.manifest("p").tree) == ["zebra", "apple", "mango"]


def test_verbose_tells_each_segment_made_and_removed(place, sample):
    loaded = place.load("p", sample, "-v")
    names = place.manifest("p").segments()
    for name in names:
        assert sum(name in line for line in loaded.err.splitlines()) >= 1
    removed = place.unlink("-v", "p")
    for name in names:
        assert sum(name in line for line in removed.err.splitlines()) >= 1


def test_more_arrays_than_descriptors_load(place):
    """More arrays than the hard limit of open files: those beyond it are linked early."""
    file = h5.many(place.files / "many.h5", 300)
    place.run("cute-shm-hdf5", "p", file, preexec_fn=lambda: _limit_descriptors(64)).succeeded()
    assert len(place.manifest("p").leaves()) == 300
    assert int(place.array("p", "00299")[()]) == 299


def _limit_descriptors(count):
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))
