# SPDX-License-Identifier: MIT
"""rm, rm -r, rmdir and their kin end with status 0, say nothing, and give the memory back."""

import errno
import fcntl
import os
import shutil
import time

import numpy as np
import pytest

from support import h5, tools
from support.place import map_array
from support.waiting import patience


@pytest.fixture
def flat(place):
    """A project without groups, which rm p/* empties."""
    with h5.writing(place.files / "flat.h5") as file:
        for number in range(20):
            file[f"x{number}"] = np.arange(number)
            file[f"x{number}"].attrs["n"] = number
    place.load("flat", place.files / "flat.h5").succeeded()


WAYS = {
    "rm -r": lambda top: tools.silent("rm", "-r", "p", cwd=top),
    "rm -rf": lambda top: tools.silent("rm", "-rf", "p", cwd=top),
    "find -delete": lambda top: tools.silent("find", "p", "-delete", cwd=top),
    "find -exec rm": lambda top: tools.shell("find p ! -type d -exec rm {} + && find p -depth -type d -exec rmdir {} +", top),
    "shutil.rmtree": lambda top: shutil.rmtree(top / "p"),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_a_project_goes_with_all_it_has(mount, place, sample, way):
    WAYS[way](mount.path)
    assert not (mount / "p").exists()
    place.assert_nothing_published()


def test_rm_r_of_many_arrays(mount, place):
    place.load("many", h5.many(place.files / "many.h5", 500)).succeeded()
    mount.eventually(lambda: (mount / "many").is_dir(), "the project")
    tools.silent("rm", "-r", "many", cwd=mount.path)
    place.assert_nothing_published()


def test_rm_star_then_rmdir(mount, place, flat):
    """The shell names arrays and sidecars; those that went with their array must not be complained about."""
    tools.shell("rm flat/*", mount.path)
    assert place.segments() == set()
    assert [name for name in os.listdir(mount / "flat") if name != ".meta"] == []
    tools.silent("rmdir", "flat", cwd=mount.path)
    place.assert_nothing_published()


def test_rm_of_sidecars_first(mount, place, flat):
    tools.shell("rm flat/*.meta && rm flat/x?  flat/x??", mount.path)
    assert place.segments() == set()
    tools.silent("rmdir", "flat", cwd=mount.path)


def test_removing_one_array_leaves_the_others(mount, place, sample):
    gone = place.segment("p", "a")
    tools.silent("rm", "a", cwd=mount / "p")
    assert not (mount / "p/a").exists()
    assert "a.meta" not in os.listdir(mount / "p")
    assert not gone.exists()
    assert set(place.manifest("p").leaves()) == h5.SAMPLE_ARRAYS - {("a",)}
    assert (mount / "p/b/b1").read_bytes() == h5.read(sample, "b", "b1").tobytes()
    place.assert_consistent()


def test_removing_an_array_keeps_attributes_of_all_else(mount, place, sample):
    before = place.manifest("p")
    os.unlink(mount / "p/a")
    after = place.manifest("p")
    assert after.nodes == before.nodes
    assert after.at("b") == before.at("b")


def test_removing_a_group(mount, place, sample):
    tools.silent("rm", "-r", "p/b", cwd=mount.path)
    assert set(place.manifest("p").leaves()) == {("a",), ("one",)}
    assert "b" not in place.manifest("p").tree
    assert place.manifest("p").node("b") == {}
    place.assert_consistent()


def test_removing_a_sidecar_drops_the_attributes_and_keeps_the_array(mount, place, sample):
    os.unlink(mount / "p/a.meta")
    leaf = place.manifest("p").at("a")
    assert (leaf["attrs"], leaf["dtype"], leaf["shape"]) == ({}, "int64", [3, 4])
    assert np.array_equal(np.fromfile(mount / "p/a", "i8"), np.arange(12))


def test_rmdir_needs_an_empty_directory(mount, place, sample):
    for path in ("p", "p/b"):
        with pytest.raises(OSError) as caught:
            os.rmdir(mount / path)
        assert caught.value.errno == errno.ENOTEMPTY
    assert set(place.manifest("p").leaves()) == h5.SAMPLE_ARRAYS


def test_rmdir_of_a_directory_that_has_only_a_sidecar(mount, place, sample):
    os.unlink(mount / "p/b/b1")
    tools.silent("rm", "-r", mount / "p/b/deep")
    os.rmdir(mount / "p/b")
    assert "b" not in place.manifest("p").tree


def test_wrong_kinds_are_refused(mount, place, sample):
    with pytest.raises(NotADirectoryError):
        os.rmdir(mount / "p/a")
    with pytest.raises(IsADirectoryError):
        os.unlink(mount / "p/b")
    with pytest.raises(FileNotFoundError):
        os.unlink(mount / "p/nothing")
    with pytest.raises(FileNotFoundError):
        os.rmdir(mount / "q")


def test_the_old_sidecar_name_is_gone_for_everybody_else(mount, sample):
    """For two seconds the process that removed an array may read and remove its sidecar too; nobody may write it."""
    text = (mount / "p/a.meta").read_bytes()
    os.unlink(mount / "p/a")
    assert tools.run("cat", mount / "p/a.meta").returncode != 0
    assert tools.run("rm", mount / "p/a.meta").returncode != 0
    assert (mount / "p/a.meta").read_bytes() == text
    with pytest.raises(OSError) as caught:
        open(mount / "p/a.meta", "r+b")
    assert caught.value.errno in (errno.ENOENT, errno.ESTALE)
    assert not (mount / "p/a.meta").exists()
    assert tools.run("stat", mount / "p/one.meta").returncode == 0


def test_open_files_go_on_after_removal(mount, sample):
    with open(mount / "p/a", "rb") as file:
        os.unlink(mount / "p/a")
        assert file.read() == np.arange(12).tobytes()


@pytest.mark.shm_size(64)
def test_memory_is_given_back(mount, place):
    """Also when the array was read and mapped before: nothing in the daemon may hold on to it."""
    empty = os.statvfs(place.shm).f_bfree
    file = h5.simple(place.files / "f.h5", x=np.ones(2 << 20))
    for _ in range(3):  # 16 MiB each
        place.load("q", file).succeeded()
        mount.eventually(lambda: (mount / "q/x").exists(), "the project")
        assert map_array(mount / "q/x", "f8", [2 << 20]).sum() == 2 << 20
        tools.silent("rm", "-r", mount / "q")
        mount.eventually(lambda: os.statvfs(place.shm).f_bfree == empty, "free memory")


@pytest.mark.shm_size(64)
def test_memory_removed_outside_is_given_back_once_closed(mount, place):
    empty = os.statvfs(place.shm).f_bfree
    place.load("q", h5.simple(place.files / "f.h5", x=np.ones(2 << 20))).succeeded()
    mount.eventually(lambda: (mount / "q/x").exists(), "the project")
    with open(mount / "q/x", "rb") as file:
        place.unlink("q").succeeded()
        assert len(file.read()) == 16 << 20
        assert os.statvfs(place.shm).f_bfree < empty
    mount.eventually(lambda: os.statvfs(place.shm).f_bfree == empty, "free memory")


OPEN = {"an array": "q/x", "an empty array": "q/none", "a sidecar": "q/x.meta", "a group's sidecar": "q/.meta"}


@pytest.mark.parametrize("what", OPEN)
def test_fstat_of_what_is_open_answers_after_its_removal(mount, place, what):
    """As on tmpfs, for as long as it is open."""
    if mount.symlinks and not OPEN[what].endswith(".meta"):
        pytest.skip("a link leads to the segment itself")
    place.load("q", h5.simple(place.files / "f.h5", x=np.arange(5), none=np.zeros(0))).succeeded()
    mount.eventually(lambda: (mount / "q/x").exists(), "the project")
    with open(mount / OPEN[what], "rb") as file:
        before = os.fstat(file.fileno())
        content = file.read()
        place.unlink("q").succeeded()
        mount.eventually(lambda: os.fstat(file.fileno()).st_nlink == 0, "that it is gone")
        after = os.fstat(file.fileno())
        assert (after.st_size, after.st_mode, after.st_ino) == (before.st_size, before.st_mode, before.st_ino)
        assert after.st_size == len(content)
    mount.eventually(lambda: not (mount / "q").exists(), "the project's end")


@pytest.mark.parametrize("what", OPEN)
def test_fstat_of_what_is_open_answers_after_its_replacement(mount, place, what):
    if mount.symlinks and not OPEN[what].endswith(".meta"):
        pytest.skip("a link leads to the segment itself")
    place.load("q", h5.simple(place.files / "f.h5", x=np.arange(5), none=np.zeros(0))).succeeded()
    mount.eventually(lambda: (mount / "q/x").exists(), "the project")
    with open(mount / OPEN[what], "rb") as file:
        before = os.fstat(file.fileno())
        place.load("q", h5.simple(place.files / "g.h5", y=np.arange(6)), "-o").succeeded()
        mount.eventually(lambda: (mount / "q/y").exists() and not (mount / "q/x").exists(), "the new project")
        if what == "a group's sidecar":  # is there still, and says something else
            assert os.fstat(file.fileno()).st_nlink == 1
        else:
            mount.eventually(lambda: os.fstat(file.fileno()).st_nlink == 0, "that it is gone")
            assert os.fstat(file.fileno()).st_size == before.st_size


def test_a_shared_segment_goes_with_its_last_name(mount, place):
    with h5.writing(place.files / "links.h5") as file:
        file["x"] = np.arange(5)
        file["y"] = file["x"]
    place.load("q", place.files / "links.h5").succeeded()
    mount.eventually(lambda: (mount / "q").is_dir(), "the project")
    os.unlink(mount / "q/x")
    assert np.array_equal(np.fromfile(mount / "q/y", "i8"), np.arange(5))
    assert len(place.segments()) == 1
    os.unlink(mount / "q/y")
    assert place.segments() == set()


def test_a_held_lock_is_etimedout_and_nothing_is_removed(mount, place, sample, access):
    if access.name == "root-passthrough":
        pytest.skip("takes 5 s, and does not depend on how arrays are shown")
    with open(place.registry / ".lock", "a+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        started = time.monotonic()
        with pytest.raises(OSError) as caught:
            os.unlink(mount / "p/a")
        assert caught.value.errno == errno.ETIMEDOUT
        assert 4 < time.monotonic() - started < 5 + 3 * patience()
        assert (mount / "p/one").exists()
    assert set(place.manifest("p").leaves()) == h5.SAMPLE_ARRAYS
    os.unlink(mount / "p/a")
