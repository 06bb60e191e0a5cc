# SPDX-License-Identifier: MIT
"""cute-shm-unlink: manifest and memory go, nobody else's do."""

import fcntl
import os
import time

import numpy as np
import pytest

from support import h5, toml_text
from support.waiting import patience


@pytest.fixture
def file(place):
    return h5.sample(place.files / "sample.h5")


def test_unlink_removes_manifest_and_segments(place, file):
    place.load("p", file).succeeded()
    place.unlink("p").silent()
    place.assert_nothing_published()


def test_a_missing_project_is_one_line(place, file):
    place.load("p", file).succeeded()
    assert "nowhere" in place.unlink("nowhere").failed()


def test_without_a_registry_a_missing_project_is_one_line(place):
    assert "nowhere" in place.unlink("nowhere").failed()


def test_several_projects_with_one_missing(place, file):
    for project in ("a", "b", "c"):
        place.load(project, file).succeeded()
    assert "nowhere" in place.unlink("a", "nowhere", "b").failed()
    assert place.projects() == {"c"}
    place.assert_consistent()


def test_live_mappings_go_on(place, file):
    place.load("p", file).succeeded()
    mapped = place.array("p", "a")
    place.unlink("p").succeeded()
    assert np.array_equal(mapped, np.arange(12).reshape(3, 4))


def test_missing_segments_do_not_hinder(place, file):
    place.load("p", file).succeeded()
    place.segment("p", "a").unlink()
    place.unlink("p").succeeded()
    place.assert_nothing_published()


def test_a_damaged_manifest_and_its_segments_go(place):
    own = place.new_segment("d", b"own")
    other = place.new_segment("d.x", b"of another project")
    place.damage("d")
    place.unlink("d").succeeded()
    assert place.segments() == {other}
    assert own not in place.segments()
    (place.shm / other).unlink()


def test_a_damaged_manifest_leaves_segments_that_another_names(place):
    """A moved array keeps the name of its segment."""
    moved = place.new_segment("d", np.arange(3).tobytes())
    leaf = place.leaf("q", np.arange(3))
    (place.shm / leaf["shm_name"]).unlink()
    leaf["shm_name"] = moved
    place.write_manifest("q", toml_text.document({"x": leaf}))
    place.damage("d")
    place.unlink("d").succeeded()
    assert place.segments() == {moved}


def test_a_shared_segment_goes_with_its_project(place):
    tree = place.lay_out("p", {"x": np.arange(3)})
    tree["y"] = dict(tree["x"])
    place.write_manifest("p", toml_text.document(tree))
    place.unlink("p").succeeded()
    place.assert_nothing_published()


def test_what_the_peer_wrote_goes_too(place):
    """Without extension document, without anything of ours."""
    place.publish("p", {"a": np.arange(3), "g": {"b": np.ones((2, 2)), "empty": {}}})
    place.unlink("p").silent()
    place.assert_nothing_published()


def test_a_held_lock_is_waited_for_five_seconds_at_most(place, file):
    place.load("p", file).succeeded()
    with open(place.registry / ".lock", "a+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        started = time.monotonic()
        place.unlink("p").failed()
        assert 4 < time.monotonic() - started < 5 + 3 * patience()
    assert place.projects() == {"p"}
    place.assert_consistent()


def test_a_segment_removed_from_its_name_only_frees_memory_with_the_last_mapping(place, file):
    place.load("p", file).succeeded()
    fd = os.open(place.segment("p", "a"), os.O_RDONLY)
    place.unlink("p").succeeded()
    assert os.fstat(fd).st_nlink == 0
    os.close(fd)
