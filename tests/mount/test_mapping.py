# SPDX-License-Identifier: MIT
"""Mapping through the mount is mapping the segment: same pages, no copy."""

import contextlib
import mmap
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest

from support import h5, tools
from support.place import map_array
from support.waiting import wait_until

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


# --- another process, since a mapping may end it ----------------------------------------------------------------------

MAP_AND_TOUCH = """
import mmap, os, sys
path, how, *places = sys.argv[1:]
writes = how == "store"
fd = os.open(path, os.O_RDWR if writes else os.O_RDONLY)
mapped = mmap.mmap(fd, 0, prot=mmap.PROT_READ | (mmap.PROT_WRITE if writes else 0))
os.close(fd)
if how == "load again":
    sum(mapped[::4096])
print("mapped", flush=True)
for asked in sys.stdin:
    for place in map(int, places):
        if writes:
            mapped[place] = 1
        else:
            print(mapped[place], flush=True)
"""


class Another:
    """A process that has the file mapped, and touches these bytes whenever it is asked to."""

    def __init__(self, path, how, *places):
        words = [sys.executable, "-c", MAP_AND_TOUCH, path, how, *(str(at) for at in places)]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "mapped\n"

    def touches(self):
        """Its status and the bytes that it saw."""
        out = self.process.communicate("\n", timeout=20)[0]
        return self.process.returncode, [int(word) for word in out.split()]

    def ends(self):
        """Whether touching them has ended it."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        return self.process.poll() is not None


@pytest.fixture
def another():
    started = []

    def start(*words):
        started.append(Another(*words))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.communicate()


@pytest.mark.parametrize("how", ["load", "load again"])
def test_a_mapping_of_a_view_beyond_the_end_of_a_shorter_array_is_sigbus(mount, place, another, how):
    """Whether its pages were looked at before or not: those are dropped as soon as the kernel has been told."""
    place.publish("q", {"x": np.arange(4096)})
    mount.eventually((mount / "q/x.npy").exists, "the array")
    size = (mount / "q/x.npy").stat().st_size
    assert size > 8 * 4096
    reader = another(mount / "q/x.npy", how, size - 1)
    os.truncate(mount / "q/x", 1024)
    wait_until(reader.ends, "the end of who looks beyond the end")
    assert reader.process.returncode == -signal.SIGBUS


@pytest.mark.shm_size(16)
def test_a_store_into_a_hole_in_a_full_memory_is_sigbus_and_the_daemon_serves_on(mount, place, sample, another):
    """As on tmpfs: what a program punched is not reserved any more."""
    size = 4 << 20
    (mount / "p/x.meta").write_text(f'[array]\ndtype = "uint8"\nshape = [{size}]\n')
    tools.silent("fallocate", "--punch-hole", "--offset=4096", f"--length={size - 4096}", mount / "p/x")
    assert (mount / "p/x").stat().st_blocks * 512 == 4096
    writer = another(mount / "p/x", "store", 0, size - 1)
    fill(place)
    assert writer.touches()[0] == -signal.SIGBUS
    assert (mount / "p/x").read_bytes()[:2] == b"\1\0"
    assert (mount / "p/a").read_bytes() == np.arange(12).tobytes()
    (place.shm / "filling").unlink()
    (mount / "p/y.meta").write_text('[array]\ndtype = "uint8"\nshape = [1048576]\n')
    assert (mount / "p/y").read_bytes() == bytes(1 << 20)
    assert mount.process.poll() is None


def fill(place):
    """All that is free in the shared memory directory."""
    space = os.statvfs(place.shm)
    place.foreign.add("filling")
    with open(place.shm / "filling", "wb") as file:
        os.posix_fallocate(file.fileno(), 0, space.f_bfree * space.f_bsize)


@pytest.mark.parametrize("rows", [1, 5000])
def test_whoever_has_mapped_what_its_sidecar_resizes_keeps_the_old_bytes(mount, place, another, rows):
    """It was never opened for writing, so it may be resized; nobody who reads it is ended by that."""
    (mount / "q").mkdir()
    (mount / "q/x.meta").write_text('[array]\ndtype = "int32"\nshape = [2000, 3]\n')
    mount.eventually(lambda: (mount / "q/x").stat().st_size == 24000, "the array")
    reader = another(mount / "q/x", "load", 0, 23999)
    (mount / "q/x.meta").write_text(f'[array]\ndtype = "int32"\nshape = [{rows}, 3]\n')
    mount.eventually(lambda: (mount / "q/x").stat().st_size == 12 * rows, "the size")
    assert place.array("q", "x").shape == (rows, 3)
    assert reader.touches() == (0, [0, 0])
