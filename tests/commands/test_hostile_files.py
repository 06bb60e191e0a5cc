# SPDX-License-Identifier: MIT
"""Files that are broken, lie, or do not fit: one line, status 1, nothing left."""

import os
import random

import h5py
import numpy as np
import pytest

from support import h5, programs, users


@pytest.fixture
def good(place):
    return h5.sample(place.files / "good.h5").read_bytes()


def refused(place, file):
    line = place.load("p", file).failed()
    assert str(file) in line
    place.assert_nothing_published()
    return line


def test_a_missing_file(place):
    assert "No such file" in refused(place, place.files / "nowhere.h5")


def test_a_file_that_is_not_hdf5(place):
    (place.files / "text.h5").write_text("hello\n" * 1000)
    refused(place, place.files / "text.h5")


def test_an_empty_file(place):
    (place.files / "empty.h5").touch()
    refused(place, place.files / "empty.h5")


def test_a_directory(place):
    refused(place, place.files)


def test_a_file_that_may_not_be_read(place):
    if not users.is_root():
        pytest.skip("needs root")
    file = h5.sample(place.files / "private.h5")
    file.chmod(0o600)
    line = place.load("p", file, identity=users.stranger).failed()
    assert "ermission" in line
    place.assert_nothing_published()


def test_a_file_that_somebody_is_writing_gets_a_clear_word(place):
    for swmr in (False, True):
        file = place.files / f"written-{swmr}.h5"
        with h5py.File(file, "w", libver="latest") as writer:
            writer.create_dataset("x", data=np.arange(4), maxshape=(None,))
            writer.flush()
            if swmr:
                writer.swmr_mode = True
            assert "open for writing" in refused(place, file)
        place.load("p", file, "-o").succeeded()
        place.unlink("p").succeeded()


def test_locking_can_be_switched_off_for_file_systems_without_locks(place):
    file = place.files / "written.h5"
    with h5py.File(file, "w") as writer:
        writer["x"] = 1
        writer.flush()
        place.load("p", file, env={"HDF5_USE_FILE_LOCKING": "FALSE"}).succeeded()


def test_truncated_files(place, good):
    file = place.files / "cut.h5"
    for part in range(1, 10):
        file.write_bytes(good[: len(good) * part // 10])
        refused(place, file)


def test_corrupt_files_load_or_are_refused_but_never_more(place, good):
    """Bytes flipped at random: libhdf5 may crash on such files, the loader may not."""
    chance = random.Random(7)
    file = place.files / "flipped.h5"
    for _ in range(24):
        damaged = bytearray(good)
        for _ in range(chance.choice((1, 8, 64))):
            damaged[chance.randrange(8, len(damaged))] = chance.randrange(256)
        file.write_bytes(damaged)
        result = place.load("p", file, "--stall=10")
        if result.status == programs.DONE:
            place.assert_consistent()
            place.unlink("p").succeeded()
        else:
            result.failed()
            place.assert_nothing_published()
    for report in place.reports.iterdir():  # of libhdf5's crashes in the child
        report.unlink()


def test_a_chunk_that_does_not_decode_is_named(place):
    file = place.files / "bad chunk.h5"
    with h5.writing(file) as made:
        made["fine"] = np.arange(3)
        data = made.create_dataset("group/bad", (100,), "i4", chunks=(10,), compression="gzip")
        data[:] = 1
        data.id.write_direct_chunk((20,), b"this is not deflate")
    assert refused(place, file).startswith(f"cute-shm-hdf5: {file}: /group/bad: ")


@pytest.mark.parametrize("shape", [(2**60,), (2**40, 2**22), (2**62, 2**62)], ids=str)
def test_a_small_file_declaring_exabytes_is_refused(place, shape):
    file = place.files / "huge.h5"
    with h5.writing(file) as made:
        made.create_dataset("huge", shape, "f8", chunks=(1024,) * len(shape) if len(shape) == 1 else (1, 1024))
    assert file.stat().st_size < 10_000
    refused(place, file)


def test_many_datasets_that_only_together_are_too_much_are_refused(place):
    """The sum counts, before anything is reserved."""
    free = os.statvfs(place.shm)
    each = free.f_bavail * free.f_frsize // 3
    file = place.files / "sum.h5"
    with h5.writing(file) as made:
        for number in range(4):
            made.create_dataset(f"part{number}", (each,), "u1", chunks=(1 << 20,))
    refused(place, file)


@pytest.mark.shm_size(16)
def test_a_full_directory_is_a_clean_error(place):
    file = h5.simple(place.files / "f.h5", x=np.ones(4 << 20))
    refused(place, file)
    assert os.statvfs(place.shm).f_bfree == os.statvfs(place.shm).f_blocks


@pytest.mark.shm_size(16)
def test_what_does_not_fit_beside_the_old_leaves_the_old(place):
    place.load("p", h5.simple(place.files / "old.h5", x=np.ones(1 << 20))).succeeded()
    larger = h5.simple(place.files / "new.h5", x=np.ones(3 << 19))
    place.load("p", larger, "-o").failed()
    assert np.array_equal(place.array("p", "x"), np.ones(1 << 20))


@pytest.mark.shm_size(16)
def test_memory_is_given_back_by_unlink(place):
    empty = os.statvfs(place.shm).f_bfree
    file = h5.simple(place.files / "f.h5", x=np.ones(1 << 20))
    for _ in range(4):  # 8 MiB each: a leak would not leave room for the next
        place.load("p", file).succeeded()
        place.unlink("p").succeeded()
        assert os.statvfs(place.shm).f_bfree == empty


def test_names_from_the_file_cannot_break_the_error_line(place):
    file = place.files / "odd.h5"
    with h5.writing(file) as made:
        made.create_dataset("new\nline\x1b[31m", (2**60,), "f8", chunks=(1024,))
        data = made.create_dataset("esc\x1b[31m\n", (100,), "i4", chunks=(10,), compression="gzip")
        data.id.write_direct_chunk((0,), b"this is not deflate")
    refused(place, file)
