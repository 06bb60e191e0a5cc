# SPDX-License-Identifier: MIT
"""Mapping through the mount is mapping the segment: same pages, no copy."""

import mmap
import os
import re

import numpy as np
import pytest

from support import h5
from support.place import map_array

MEBIBYTES = 256


@pytest.fixture
def large(place):
    """An array of zeros; the file itself is tiny."""
    with h5.writing(place.files / "large.h5") as file:
        file.create_dataset("x", (MEBIBYTES << 17,), "f8", chunks=(1 << 17,))
    place.load("large", place.files / "large.h5").succeeded()


def test_a_store_through_the_mount_is_seen_on_the_segment_at_once(mount, place, sample):
    through = map_array(mount / "p/a", "int64", (3, 4), "r+")
    direct = place.array("p", "a")
    through[1, 2] = 4711
    assert direct[1, 2] == 4711


def test_a_store_on_the_segment_is_seen_through_the_mount_at_once(mount, place, sample):
    through = map_array(mount / "p/a", "int64", (3, 4))
    direct = place.array("p", "a", mode="r+")
    assert through[1, 2] == 6
    direct[1, 2] = 4711
    assert through[1, 2] == 4711


def test_read_and_write_are_coherent_with_mappings(mount, place, sample):
    direct = place.array("p", "a", mode="r+")
    fd = os.open(mount / "p/a", os.O_RDWR)
    assert os.pread(fd, 8, 0) == (0).to_bytes(8, "little")
    direct[0, 0] = 5
    assert os.pread(fd, 8, 0) == (5).to_bytes(8, "little")
    os.pwrite(fd, (6).to_bytes(8, "little"), 8)
    assert direct[0, 1] == 6
    os.close(fd)


def test_two_openings_see_each_other(mount, sample):
    first = map_array(mount / "p/a", "int64", (3, 4), "r+")
    second = map_array(mount / "p/a", "int64", (3, 4), "r+")
    first[0, 0], second[0, 1] = 10, 11
    assert (second[0, 0], first[0, 1]) == (10, 11)


def test_a_private_mapping_changes_nothing(mount, place, sample):
    private = map_array(mount / "p/a", "int64", (3, 4), "c")
    private[0, 0] = 99
    assert place.array("p", "a")[0, 0] == 0


def test_a_mapping_is_memory_of_the_segment_not_of_the_file_cache(mount, large):
    """256 MiB touched: as shared memory they cost nothing; as cached file pages they would exist twice."""
    with open(mount / "large/x", "rb") as file:
        assert file.read(8) == bytes(8)
        before = resident()
        mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        assert sum(mapped[:: mmap.PAGESIZE]) == 0
        after = resident()
    assert after["RssShmem"] - before["RssShmem"] >= (MEBIBYTES - 1) << 10
    assert after["RssFile"] - before["RssFile"] < 8 << 10
    assert after["RssAnon"] - before["RssAnon"] < 8 << 10


def resident():
    """KiB of this process by kind."""
    with open("/proc/self/status", encoding="ascii") as status:
        return {key: int(number) for key, number in re.findall(r"(Rss\w+):\s+(\d+) kB", status.read())}


def test_mapping_and_reading_reserve_nothing_more(mount, place, large):
    segment = place.segment("large", "x").stat()
    map_array(mount / "large/x", "f8", (MEBIBYTES << 17,))[:].sum()
    assert place.segment("large", "x").stat().st_blocks == segment.st_blocks == (mount / "large/x").stat().st_blocks
    assert len(place.segments()) == 1


def test_a_mapping_outlives_the_removal_of_its_project(mount, sample):
    through = map_array(mount / "p/a", "int64", (3, 4), "r+")
    os.unlink(mount / "p/a")
    assert np.array_equal(through, np.arange(12).reshape(3, 4))
    through[0, 0] = 3
    assert through[0, 0] == 3


def test_a_mapping_outlives_the_replacement_of_its_project(mount, place, sample):
    through = map_array(mount / "p/a", "int64", (3, 4))
    place.load("p", h5.simple(place.files / "new.h5", a=np.zeros((3, 4), "i8")), "-o").succeeded()
    assert np.array_equal(through, np.arange(12).reshape(3, 4))


def test_read_only_opens_cannot_write(mount, sample):
    fd = os.open(mount / "p/a", os.O_RDONLY)
    with pytest.raises(OSError):
        os.write(fd, b"x")
    with pytest.raises(PermissionError):
        mmap.mmap(fd, 0, prot=mmap.PROT_WRITE)
    os.close(fd)


def test_unaligned_and_partial_reads(mount, sample):
    expected = h5.read(sample, "b", "b1").tobytes()
    fd = os.open(mount / "p/b/b1", os.O_RDONLY)
    for start, length in ((0, 1), (3, 5), (399, 10), (400, 10), (1000, 1), (0, 4096)):
        assert os.pread(fd, length, start) == expected[start : start + length]
    os.close(fd)
