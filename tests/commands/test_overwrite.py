# SPDX-License-Identifier: MIT
"""cute-shm-hdf5 -o: an existing project is swapped as a whole, or not touched."""

import numpy as np
import pytest

from support import h5


@pytest.fixture
def files(place):
    old = h5.simple(place.files / "old.h5", x=np.arange(1000), gone=np.ones(3))
    new = h5.simple(place.files / "new.h5", x=np.arange(1000) * 2, fresh=np.zeros(5))
    place.load("p", old).succeeded()
    return old, new


def picture(place):
    """Everything by which a change would show."""
    manifest = place.manifest_path("p")
    segments = {name: (place.shm / name).stat().st_ino for name in place.segments()}
    return manifest.stat().st_ino, manifest.stat().st_mtime_ns, manifest.read_bytes(), segments


def test_without_overwrite_an_existing_project_is_refused_and_not_touched(place, files):
    before = picture(place)
    line = place.load("p", files[1]).failed()
    assert "p" in line.split(": ", 1)[1]
    assert picture(place) == before


def test_overwrite_replaces_everything(place, files):
    place.load("p", files[1], "-o").succeeded()
    assert set(place.manifest("p").tree) == {"x", "fresh"}
    assert np.array_equal(place.array("p", "x"), np.arange(1000) * 2)
    place.assert_consistent()


@pytest.mark.parametrize("option", ["-o", "--overwrite", "-overwrite"])
def test_overwrite_may_be_spelt_long_and_with_one_dash(place, files, option):
    place.load("p", files[1], option).succeeded()
    assert "fresh" in place.manifest("p").tree


def test_readers_of_the_old_keep_their_mapping(place, files):
    old = place.array("p", "x")
    place.load("p", files[1], "-o").succeeded()
    assert np.array_equal(old, np.arange(1000))


def test_overwrite_makes_new_segments_and_frees_the_old(place, files):
    before = place.segments()
    place.load("p", files[1], "-o").succeeded()
    assert not before & place.segments()


def test_overwrite_of_what_is_not_there_simply_loads(place, files):
    place.load("q", files[1], "-o").succeeded()
    assert place.projects() == {"p", "q"}


def test_a_failed_overwrite_leaves_the_old(place, files):
    before = picture(place)
    broken = place.files / "broken.h5"
    broken.write_bytes(files[1].read_bytes()[:1500])
    place.load("p", broken, "-o").failed()
    assert picture(place) == before


def test_overwrite_works_on_a_project_whose_segments_are_gone(place, files):
    place.segment("p", "x").unlink()
    place.load("p", files[1], "-o").succeeded()
    place.assert_consistent()


def test_overwrite_works_on_a_damaged_manifest(place, files):
    """Also its segments go: they are known by the exact form of their names."""
    place.damage("p")
    place.load("p", files[1], "-o").succeeded()
    place.assert_consistent()
