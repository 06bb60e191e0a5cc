# SPDX-License-Identifier: MIT
"""cute-shm-hdf5 --into (several files, one project) and --free-first."""

import os
import random
import resource
import signal
import subprocess
import time

import h5py
import numpy as np
import pytest

from support import fsnames, h5, programs
from support.processes import is_locked
from support.users import NOBODY, Identity
from support.waiting import wait_until


@pytest.fixture
def sample(place):
    return h5.sample(place.files / "sample.h5")


@pytest.fixture
def other(place):
    path = place.files / "other.h5"
    with h5.writing(path) as file:
        file["a"] = np.arange(5.0)
        file["c/x"] = np.arange(3, dtype="i2")
        file.attrs["origin"] = "elsewhere"
    return path


def picture(place, project="p"):
    """Everything by which a change would show."""
    manifest = place.manifest_path(project)
    segments = {name: (place.shm / name).stat().st_ino for name in place.segments()}
    return manifest.stat().st_ino, manifest.stat().st_mtime_ns, manifest.read_bytes(), segments


def assert_holds(place, file, group, project="p"):
    """All datasets of the file are below the group, bit for bit."""
    with h5py.File(file) as opened:
        names = []
        opened.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        for name in names:
            expected = opened[name][()]
            there = place.array(project, *group, *name.split("/"))
            assert (there.dtype, there.shape) == (expected.dtype, expected.shape)
            assert there.tobytes() == expected.tobytes()


@pytest.mark.parametrize("spelling", ["run2", "/run2", "run2/", "runs/second"])
def test_a_second_file_joins_the_project(place, sample, other, spelling):
    place.load("p", sample).succeeded()
    before = {path: place.segment("p", *path) for path in h5.SAMPLE_ARRAYS}
    inodes = {path: segment.stat().st_ino for path, segment in before.items()}
    place.load("p", other, "--into", spelling).silent()
    group = tuple(filter(None, spelling.split("/")))
    assert_holds(place, sample, ())
    assert_holds(place, other, group)
    assert {path: place.segment("p", *path) for path in h5.SAMPLE_ARRAYS} == before
    assert {path: segment.stat().st_ino for path, segment in before.items()} == inodes
    manifest = place.manifest("p")
    assert manifest.node()["attrs"] == {"title": "sample"}
    assert manifest.node(*group)["attrs"] == {"origin": "elsewhere"}
    assert manifest.node("b")["attrs"] == {"note": "a group"}
    assert manifest.project["source"].endswith("sample.h5")
    place.assert_consistent()


def test_the_project_and_the_group_are_made(place, other):
    place.load("p", other, "--into", "deep/er").silent()
    assert_holds(place, other, ("deep", "er"))
    assert place.manifest("p").node("deep", "er")["attrs"] == {"origin": "elsewhere"}
    assert place.manifest("p").project["persistent"] is True
    place.assert_consistent()


def test_the_top_of_the_project_is_a_group_too(place, other):
    h5.simple(place.files / "f.h5", z=np.arange(9))
    place.load("p", place.files / "f.h5").succeeded()
    place.load("p", other, "--into", "/").silent()
    assert set(place.manifest("p").tree) == {"z", "a", "c"}
    assert place.manifest("p").node()["attrs"] == {"origin": "elsewhere"}


def test_what_is_there_is_refused_by_name_and_nothing_changes(place, sample, other):
    place.load("p", sample).succeeded()
    before = picture(place)
    line = place.load("p", other, "--into", "/").failed()
    assert "/a is there already" in line
    assert picture(place) == before


def test_overwrite_replaces_just_those_entries(place, sample, other):
    place.load("p", sample).succeeded()
    place.load("p", other, "--into", "b").succeeded()
    kept = {place.segment("p", *path) for path in h5.SAMPLE_ARRAYS}
    freed = {place.segment("p", "b", "a"), place.segment("p", "b", "c", "x")}
    with h5.writing(place.files / "new.h5") as file:
        file["a"] = np.arange(7)
        file["c/y"] = 1
        file.attrs["origin"] = "new"
    mapped = place.array("p", "b", "a")
    place.load("p", place.files / "new.h5", "-o", "--into", "b").silent()
    assert set(place.manifest("p").at("b")) == {"b1", "deep", "a", "c"}
    assert set(place.manifest("p").at("b", "c")) == {"y"}
    assert place.manifest("p").node("b")["attrs"] == {"note": "a group", "origin": "new"}
    assert all(segment.exists() for segment in kept) and not any(segment.exists() for segment in freed)
    assert np.array_equal(mapped, np.arange(5.0))
    assert_holds(place, place.files / "new.h5", ("b",))
    place.assert_consistent()


def test_a_segment_that_other_names_share_is_kept(place):
    with h5.writing(place.files / "f.h5") as file:
        file["x"] = np.arange(3)
        file["y"] = file["x"]
    h5.simple(place.files / "x.h5", x=np.arange(4))
    place.load("p", place.files / "f.h5").succeeded()
    place.load("p", place.files / "x.h5", "-o", "--into", "/").silent()
    assert np.array_equal(place.array("p", "y"), np.arange(3))
    place.assert_consistent()
    with h5.writing(place.files / "both.h5") as file:
        file["x"], file["y"] = 1, 2
    place.load("p", place.files / "both.h5", "-o", "--into", "/").silent()
    place.assert_consistent()


def test_an_attribute_with_another_value_is_refused(place, other):
    place.load("p", other).succeeded()
    with h5.writing(place.files / "f.h5") as file:
        file["z"] = 1
        file.attrs["origin"] = "elsewhere"
    place.load("p", place.files / "f.h5", "--into", "/").silent()
    with h5.writing(place.files / "g.h5") as file:
        file["w"] = 1
        file.attrs["origin"] = "nowhere"
    before = picture(place)
    assert "origin" in place.load("p", place.files / "g.h5", "--into", "/").failed()
    assert picture(place) == before
    place.load("p", place.files / "g.h5", "--into", "/", "-o").silent()
    assert place.manifest("p").node()["attrs"] == {"origin": "nowhere"}


def test_only_a_group_can_be_added_to(place, sample, other):
    with h5.writing(place.files / "f.h5") as file:
        file["c"] = np.zeros(3, [("x", "f4")])
        file["a"] = 1
    place.load("p", place.files / "f.h5").succeeded()
    before = picture(place)
    for group in ("a", "a/below", "c", "c/x", "c/below"):
        for options in ([], ["-o"]):
            place.load("p", other, "--into", group, *options).failed()
    assert picture(place) == before


@pytest.mark.parametrize("group", ["..", "a/..", "x.meta", "a%2E", "x" * 251, "l" * 200 + "%~0123456789abcdef"])
def test_a_path_that_no_group_can_have_is_refused(place, other, group):
    place.load("p", other, "--into", group).failed()
    place.assert_nothing_published()


def test_names_are_spelt_as_on_the_mount(place, other):
    place.load("p", other, "--into", "50%%2F/x%2Emeta/ä b").silent()
    assert_holds(place, other, ("50%/", "x.meta", "ä b"))


def test_a_name_too_long_for_an_entry_is_said_by_its_hash(place, other):
    long = "l" * 300
    with h5.writing(place.files / "f.h5") as file:
        file.create_group(long)
    place.load("p", place.files / "f.h5").succeeded()
    entry = "l" * 200 + f"%~{fsnames.fnv1a(long.encode()):016x}"
    place.load("p", other, "--into", entry + "/x").silent()
    assert_holds(place, other, (long, "x"))


def test_references_name_the_place_in_the_project(place):
    with h5.writing(place.files / "f.h5") as file:
        file["x"] = 1
        file.create_dataset("refs", (2,), h5py.ref_dtype)
        file["refs"][0] = file["x"].ref
        file["refs"][1] = file.ref
        file["refs"].attrs["x"] = file["x"].ref
    place.load("p", place.files / "f.h5", "--into", "g/h").silent()
    assert list(place.array("p", "g", "h", "refs")) == [b"/g/h/x", b"/g/h"]
    assert place.manifest("p").at("g", "h", "refs")["attrs"] == {"x": "!ref /g/h/x"}


def test_parts_of_a_file_into_a_project(place, sample, other):
    place.load("p", sample).succeeded()
    place.load("p", other, "--into", "more", "--select", "c").silent()
    assert place.manifest("p").at("more").keys() == {"c"}


def test_a_project_of_the_peer_stays_the_peers(place, other):
    tree = place.publish("p", {"x": np.arange(6), "g": {"y": np.zeros((2, 3), "f4")}}, mode=0o640)
    place.load("p", other, "--into", "g/new").silent()
    manifest = place.manifest("p")
    assert manifest.project.keys() <= {"generation"}
    assert manifest.at("x") == tree["x"] and manifest.at("g", "y") == tree["g"]["y"]
    assert np.array_equal(place.array("p", "x"), np.arange(6))
    assert_holds(place, other, ("g", "new"))
    assert oct(place.manifest_path("p").stat().st_mode & 0o7777) == "0o640"
    place.assert_consistent()


def test_the_mode_of_the_manifest_is_kept_and_new_arrays_have_theirs(place, sample, other):
    place.load("p", sample, "--mode", "0644").succeeded()
    place.load("p", other, "--into", "g", "--mode", "0640").silent()
    assert oct(place.manifest_path("p").stat().st_mode & 0o7777) == "0o644"
    assert oct(place.segment("p", "g", "a").stat().st_mode & 0o7777) == "0o640"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("descriptors", [None, (64, 64)])
def test_what_root_adds_to_anothers_project_is_that_owners(place, sample, descriptors):
    """Also segments that were linked early, for want of descriptors."""
    place.load("p", sample).succeeded()
    for file in [place.manifest_path("p"), *(place.shm / name for name in place.segments())]:
        os.chown(file, NOBODY, NOBODY)
    many = h5.many(place.files / "many.h5", 200)
    limited = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, descriptors)} if descriptors else {}
    place.load("p", many, "--into", "g", **limited).silent()
    files = [place.manifest_path("p"), *(place.shm / name for name in place.segments())]
    assert {file.stat().st_uid for file in files} == {NOBODY}
    assert len(place.manifest("p").at("g")) == 200
    place.assert_consistent()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_another_users_project_is_refused(place, sample, other):
    place.load("p", sample, "--mode", "0644").succeeded()
    place.registry.chmod(0o1777)
    before = picture(place)
    other.chmod(0o644)
    line = place.load("p", other, "--into", "g", identity=Identity(NOBODY, NOBODY)).failed()
    assert "another user" in line
    assert picture(place) == before


def test_a_damaged_project_is_refused(place, other):
    place.damage("p")
    before = place.manifest_path("p").read_bytes()
    for options in ([], ["-o"]):
        assert "damaged" in place.load("p", other, "--into", "g", *options).failed()
    assert place.manifest_path("p").read_bytes() == before
    assert place.segments() == set()


def test_a_broken_file_changes_nothing(place, sample, other):
    place.load("p", sample).succeeded()
    before = picture(place)
    broken = place.files / "broken.h5"
    broken.write_bytes(other.read_bytes()[:1500])
    place.load("p", broken, "--into", "g").failed()
    assert picture(place) == before


def test_what_others_did_meanwhile_is_merged_with(place, sample, other):
    """Two loads into one project at once: both are there afterwards."""
    big = h5.big(place.files / "big.h5", 64)
    place.load("p", sample).succeeded()
    slow = place.start("cute-shm-hdf5", "--into", "slow", "p", big)
    place.load("p", other, "--into", "quick").silent()
    _, err = slow.communicate(timeout=60)
    assert (slow.returncode, err) == (0, b"")
    assert set(place.manifest("p").tree) == {"a", "b", "one", "slow", "quick"}
    place.assert_consistent()


def test_killed_while_loading_the_old_project_is_intact(place, sample, other):
    big = h5.big(place.files / "big.h5", 512)
    place.load("p", sample).succeeded()
    before = picture(place)
    process = place.start("cute-shm-hdf5", "-o", "--into", "b", "p", big)
    wait_until(lambda: holds_nameless(place) or process.poll() is not None, "a segment", 30)
    assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.communicate()
    wait_until(lambda: not holds_nameless(place), "the end of the child")
    assert picture(place) == before
    place.load("p", other, "--into", "b").succeeded()
    place.assert_consistent()


def test_killed_at_any_moment_there_is_the_old_or_the_new(place, sample):
    many = h5.many(place.files / "many.h5", 1500)
    started = time.monotonic()
    place.load("warm", many).succeeded()
    seconds = time.monotonic() - started
    place.unlink("warm").succeeded()
    chance = random.Random(7)
    for number in range(8):
        place.load("p", sample, "-o").succeeded()
        process = place.start("cute-shm-hdf5", "-o", "--into", "b", "p", many)
        try:
            process.wait(seconds * (number + chance.random()) / 7)
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate()
        wait_until(lambda: not is_locked(place.registry / ".loading.p"), "the end of the child")
        place.load("next", sample, "-o").succeeded()
        assert len(place.manifest("p").leaves()) in (4, 1504)
        assert_holds(place, sample, ())
        place.assert_consistent()


def holds_nameless(place):
    """Whether anybody holds a nameless segment in the test's shared memory directory."""
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            held = [os.readlink(f"/proc/{entry}/fd/{fd}") for fd in os.listdir(f"/proc/{entry}/fd")]
        except OSError:
            continue
        if any(target.startswith(str(place.shm)) and target.endswith("(deleted)") for target in held):
            return True
    return False


def test_an_empty_group_is_wrong_usage(place, other):
    place.load("p", other, "--into", "").failed(programs.USAGE)
    place.assert_nothing_published()


# --- --free-first -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [["--free-first"], ["--free-first", "-o", "--into", "g"], ["--free-first", "--into", "g"]])
def test_free_first_needs_overwrite_alone(place, other, words):
    place.load("p", other, *words).failed(programs.USAGE)
    place.assert_nothing_published()


def test_free_first_of_nothing_simply_loads(place, other):
    place.load("p", other, "-o", "--free-first").silent()
    assert_holds(place, other, ())


def test_free_first_replaces(place, sample, other):
    place.load("p", sample).succeeded()
    place.load("p", other, "-o", "--free-first").silent()
    assert set(place.manifest("p").tree) == {"a", "c"}
    assert_holds(place, other, ())
    place.assert_consistent()


@pytest.mark.shm_size(16)
def test_free_first_makes_room_for_what_does_not_fit_beside(place):
    old, new = h5.big(place.files / "old.h5", 10), h5.big(place.files / "new.h5", 12)
    place.load("p", old).succeeded()
    place.load("p", new, "-o").failed()
    place.load("p", new, "-o", "--free-first").silent()
    assert place.manifest("p").at("big")["shape"][0] == 12


@pytest.mark.shm_size(16)
def test_what_will_never_fit_frees_nothing(place):
    place.load("p", h5.big(place.files / "old.h5", 10)).succeeded()
    before = picture(place)
    huge = place.files / "huge.h5"
    with h5.writing(huge) as file:
        file.create_dataset("huge", (1 << 40,), "f8", chunks=(1 << 10,))
    line = place.load("p", huge, "-o", "--free-first").failed()
    assert "freed" not in line
    assert picture(place) == before


def test_a_file_that_cannot_be_walked_frees_nothing(place, sample, other):
    place.load("p", sample).succeeded()
    before = picture(place)
    broken = place.files / "broken.h5"
    broken.write_bytes(other.read_bytes()[:1500])
    line = place.load("p", broken, "-o", "--free-first").failed()
    assert "freed" not in line
    place.load("p", other, "-o", "--free-first", "--select", "nothing").failed()
    assert picture(place) == before


def test_an_error_after_that_says_that_the_project_is_gone(place, sample):
    place.load("p", sample).succeeded()
    bad = place.files / "bad.h5"
    with h5.writing(bad) as file:
        data = file.create_dataset("x", (10,), "i4", chunks=(10,), compression="gzip")
        data[:] = 1
        data.id.write_direct_chunk((0,), b"this is no zlib stream")
    line = place.load("p", bad, "-o", "--free-first").failed()
    assert "/x: " in line and "freed first" in line
    place.assert_nothing_published()


def test_free_first_works_on_a_damaged_project(place, sample, other):
    place.load("p", sample).succeeded()
    place.damage("p")
    place.load("p", other, "-o", "--free-first").silent()
    place.assert_consistent()
