# SPDX-License-Identifier: MIT
"""Many at once."""

import concurrent.futures
import os

import numpy as np

from support import h5, tools
from support.place import map_array

OPENS = 300


def test_two_threads_opening_the_same_and_different_arrays(mount, place):
    with h5.writing(place.files / "f.h5") as file:
        for number in range(10):
            file[f"x{number}"] = np.full(500, number)
    place.load("p", place.files / "f.h5").succeeded()
    mount.eventually((mount / "p").is_dir, "the project")

    def reader(start):
        for turn in range(OPENS):
            number = (start * turn) % 10
            assert np.array_equal(np.fromfile(mount / f"p/x{number}", "i8"), np.full(500, number))
            assert map_array(mount / "p/x3", "i8", [500])[turn] == 3
        return OPENS

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        assert list(pool.map(reader, (1, 3))) == [OPENS, OPENS]


def test_many_descriptors_of_one_array(mount, sample):
    files = [open(mount / "p/a", "rb") for _ in range(200)]
    assert {file.read() for file in files} == {np.arange(12).tobytes()}
    for file in files:
        file.close()


def test_readers_and_writers_together(mount, place, sample):
    """Opening for reading while it is open for writing, and the reverse."""
    with open(mount / "p/a", "r+b", buffering=0) as writer, open(mount / "p/a", "rb", buffering=0) as reader:
        writer.write(b"\x07")
        assert reader.read(1) == b"\x07"
        with open(mount / "p/a", "rb") as third:
            assert third.read(1) == b"\x07"
    assert place.array("p", "a")[0, 0] == 7


def test_removing_in_two_threads(mount, place):
    place.load("p", h5.many(place.files / "many.h5", 200)).succeeded()
    mount.eventually((mount / "p").is_dir, "the project")

    def remove(numbers):
        for number in numbers:
            os.unlink(mount / f"p/{number:05d}")

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(remove, (range(0, 200, 2), range(1, 200, 2))))
    assert place.segments() == set()
    assert place.manifest("p").leaves() == {}
    os.rmdir(mount / "p")


def test_listing_while_projects_come_and_go(mount, place, sample):
    """What stays is in every listing; nothing is there twice."""
    file = h5.simple(place.files / "x.h5", x=np.arange(3))

    def churn():
        for number in range(6):
            place.load(f"q{number % 2}", file, "-o").succeeded()
        place.unlink("q0", "q1").succeeded()

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        churning = pool.submit(churn)
        while not churning.done():
            names = os.listdir(mount.path)
            assert "p" in names
            assert len(names) == len(set(names))
            assert (mount / "p/a").read_bytes() == np.arange(12).tobytes()
        churning.result()
    mount.eventually(lambda: os.listdir(mount.path) == ["p"], "the end of it")


def test_rm_r_while_somebody_reads(mount, place):
    place.load("p", h5.many(place.files / "many.h5", 200)).succeeded()
    mount.eventually((mount / "p").is_dir, "the project")
    opened = [open(mount / f"p/{number:05d}", "rb") for number in range(0, 200, 10)]
    tools.silent("rm", "-r", "p", cwd=mount.path)
    assert [int.from_bytes(file.read(), "little") for file in opened] == list(range(0, 200, 10))
    for file in opened:
        file.close()
