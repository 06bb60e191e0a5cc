# SPDX-License-Identifier: MIT
"""--if-missing and --if-newer: of many that want a project one loads, and only what is not there yet."""

import errno
import fcntl
import os
import shutil
import signal
import time

import numpy as np
import pytest

from support import gate, h5, users
from support.processes import alive, children, has_open
from support.waiting import wait_until

RANKS = 32


@pytest.fixture
def closed(place):
    """A gate that loads of `gated` stand at, until it is opened."""
    made = gate.Gate(place.base)
    yield made
    made.open()


@pytest.fixture
def gated(place):
    return gate.file(place.files / "gated.h5")


@pytest.fixture
def sample(place):
    return h5.sample(place.files / "sample.h5")


def start(place, closed, file, *options, **how):
    return place.start("cute-shm-hdf5", *(options or ["--if-missing"]), "p", file, env=closed.environment, **how)


def start_loader(place, closed, file, *options):
    process = start(place, closed, file, *options)
    closed.reached()
    return process


def start_waiters(place, closed, file, count):
    """They wait: each has sent a child to wait in flock()."""
    made = [start(place, closed, file) for _ in range(count)]
    wait_until(lambda: all(children(process.pid) for process in made), "those who wait", 30)
    return made


def outcomes(processes):
    """(status, stdout, stderr) of each."""
    ended = []
    for process in processes:
        out, err = process.communicate(timeout=120)
        ended.append((process.returncode, out.decode(), err.decode()))
    return ended


def has_loaded(outcome):
    return outcome[0] == 0 and "Datasets transferred: " in outcome[1]


def has_found(outcome):
    return outcome[0] == 0 and outcome[1].startswith("p is there already") and outcome[1].count("\n") == 1


def assert_is_gated(place):
    assert np.array_equal(place.array("p", "before"), np.arange(1000))
    assert np.array_equal(place.array("p", "gate"), np.arange(10))


def identity(place):
    """Changes whenever the project is published again."""
    manifest = place.manifest_path("p").stat()
    return manifest.st_ino, manifest.st_mtime_ns


def loads(place, *words):
    """Whether the command loaded rather than found it there."""
    result = place.run("cute-shm-hdf5", *words).succeeded()
    found = result.out.startswith("p is there already")
    assert found != ("Datasets transferred: " in result.out), result
    return not found


# --- many at once -----------------------------------------------------------------------------------------------------


def test_of_many_started_together_one_loads(place, closed, gated):
    ranks = [start(place, closed, gated) for _ in range(RANKS)]
    closed.reached()
    wait_until(lambda: all(children(rank.pid) for rank in ranks), "all to load or wait", 60)
    closed.open()
    ended = outcomes(ranks)
    assert sorted(map(has_loaded, ended)) == [False] * (RANKS - 1) + [True], ended
    assert sum(map(has_found, ended)) == RANKS - 1, ended
    assert_is_gated(place)
    place.assert_consistent()


def test_with_if_newer_too(place, closed, gated):
    ranks = [start(place, closed, gated, "--if-newer") for _ in range(5)]
    closed.reached()
    wait_until(lambda: all(children(rank.pid) for rank in ranks), "all to load or wait", 30)
    closed.open()
    ended = outcomes(ranks)
    assert sorted(map(has_loaded, ended)) == [False] * 4 + [True], ended


def kill_child(process, number):
    (child,) = children(process.pid)
    os.kill(child, number)


KILLS = {
    "killed": lambda process: process.kill(),
    "terminated": lambda process: process.terminate(),
    "interrupted": lambda process: process.send_signal(signal.SIGINT),
    "child killed": lambda process: kill_child(process, signal.SIGKILL),
    "child crashed": lambda process: kill_child(process, signal.SIGABRT),
}


@pytest.mark.parametrize("how", KILLS)
def test_another_takes_over_from_a_loader_that_is_gone(place, closed, gated, how):
    loader = start_loader(place, closed, gated)
    waiters = start_waiters(place, closed, gated, 3)
    KILLS[how](loader)
    assert outcomes([loader])[0][0] != 0
    closed.open()
    ended = outcomes(waiters)
    assert sorted(map(has_loaded, ended)) == [False, False, True], ended
    assert sum(map(has_found, ended)) == 2, ended
    assert_is_gated(place)
    place.assert_consistent()


def test_a_file_that_cannot_be_loaded_is_an_error_for_each(place, closed):
    bad = gate.file(place.files / "bad.h5", after=[("undecodable", np.arange(3), gate.NO_FILTER)])
    loader = start_loader(place, closed, bad)
    waiters = start_waiters(place, closed, bad, 3)
    closed.open()
    for status, out, err in outcomes([loader, *waiters]):
        lines = [line for line in err.splitlines() if "waiting for " not in line]
        assert (status, out, len(lines)) == (1, "", 1), err
        assert "/undecodable: " in lines[0]
    place.assert_nothing_published()


def test_a_plain_load_is_waited_for_but_waits_for_nobody(place, closed, gated, sample):
    plain = start_loader(place, closed, gated, "--mode=0600")
    waiters = start_waiters(place, closed, gated, 1)
    place.run("cute-shm-hdf5", "-o", "q", sample).succeeded()
    closed.open()
    ended = outcomes([plain, *waiters])
    assert has_loaded(ended[0]) and has_found(ended[1]), ended


def test_a_plain_load_beside_another_is_as_ever(place, closed, gated, sample):
    slow = start_loader(place, closed, gated)
    place.load("p", sample).succeeded()
    closed.open()
    assert has_found(outcomes([slow])[0])  # somebody was faster
    assert "a" in place.manifest("p").tree


def test_other_projects_are_not_waited_for(place, closed, gated, sample):
    slow = start_loader(place, closed, gated)
    place.run("cute-shm-hdf5", "--if-missing", "q", sample).succeeded()
    closed.open()
    outcomes([slow])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_waiting_can_be_interrupted(place, closed, gated, number):
    loader = start_loader(place, closed, gated)
    (waiter,) = start_waiters(place, closed, gated, 1)
    helper = children(waiter.pid)
    waiter.send_signal(number)
    status, out, _ = outcomes([waiter])[0]
    assert (status, out) == (-number, "")
    assert not any(alive(pid) for pid in helper)
    closed.open()
    assert has_loaded(outcomes([loader])[0])


def test_whoever_waits_says_for_whom(place, closed, gated):
    loader = start_loader(place, closed, gated)
    (waiter,) = start_waiters(place, closed, gated, 1)
    line = waiter.stderr.readline().decode()
    assert line.startswith(f"cute-shm-hdf5: waiting for process {loader.pid} of user ")
    assert line.endswith(", which is loading p\n")
    closed.open()
    assert has_found(outcomes([waiter])[0])
    outcomes([loader])


# --- what counts as there ---------------------------------------------------------------------------------------------


def test_the_second_time_nothing_is_loaded(place, sample):
    assert loads(place, "--if-missing", "p", sample)
    before = identity(place)
    result = place.run("cute-shm-hdf5", "--if-missing", "p", sample).silent()
    assert result.out.startswith(f"p is there already, loaded from {sample} at 20"), result
    assert identity(place) == before


def test_a_project_that_is_there_needs_no_file(place, sample):
    place.load("p", sample).succeeded()
    assert not loads(place, "--if-missing", "p", place.files / "gone.h5")


def test_a_project_of_another_file_is_there(place, sample):
    place.load("p", sample).succeeded()
    result = place.run("cute-shm-hdf5", "--if-missing", "p", place.files / "other.h5").silent()
    assert str(sample) in result.out


def test_a_project_of_the_peer_is_there(place, sample):
    place.publish("p", {"x": np.arange(3)})
    assert place.run("cute-shm-hdf5", "--if-missing", "p", sample).silent().out == "p is there already\n"


def test_a_project_whose_memory_is_gone_is_loaded_again(place, sample):
    """As after a reboot: the registry is often on a disk."""
    place.load("p", sample).succeeded()
    for name in place.segments():
        (place.shm / name).unlink()
    result = place.run("cute-shm-hdf5", "--if-missing", "p", sample).succeeded()
    assert len(result.warnings) == 1 and "the segment is gone" in result.warnings[0], result
    assert np.array_equal(place.array("p", "a"), h5.read(sample, "a"))
    place.assert_consistent()


@pytest.mark.parametrize("kept", [0, 3000])
def test_a_large_project_whose_memory_is_gone_is_loaded_again(place, kept):
    file = h5.many(place.files / "many.h5", 3500)
    place.load("p", file).succeeded()
    assert not loads(place, "--if-missing", "p", file)
    assert not loads(place, "--if-newer", "p", file)
    leaves = list(place.manifest("p").leaves().values())
    for leaf in leaves[kept:]:
        (place.shm / leaf["shm_name"]).unlink()
    assert loads(place, "--if-missing", "p", file)
    place.assert_consistent()


def test_a_damaged_project_is_replaced(place, sample):
    place.load("p", sample).succeeded()
    place.damage("p")
    result = place.run("cute-shm-hdf5", "--if-missing", "p", sample).succeeded()
    assert len(result.warnings) == 1 and "is damaged" in result.warnings[0], result
    assert "a" in place.manifest("p").tree
    place.assert_consistent()


def test_a_project_that_the_peer_is_writing_is_waited_for(place, sample):
    """It writes in place: what does not parse may be half of it, for two seconds after the last change."""
    place.publish("p", {"x": np.arange(3)})
    whole = place.manifest_path("p").read_bytes()
    place.write_manifest("p", whole[: len(whole) // 2])
    os.utime(place.manifest_path("p"), (time.time() + 1.5,) * 2)
    process = place.start("cute-shm-hdf5", "--if-missing", "p", sample)
    wait_until(lambda: has_open(process.pid, place.registry), "a process about to look")
    place.write_manifest("p", whole)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, b"p is there already\n", b"")


def test_a_group_that_is_there_is_not_loaded_into_again(place, sample):
    assert loads(place, "--if-missing", "--into", "one", "p", sample)
    assert not loads(place, "--if-missing", "--into", "one", "p", sample)
    assert loads(place, "--if-missing", "--into", "two/three", "p", sample)
    assert not loads(place, "--if-missing", "--into", "two", "p", sample)
    assert set(place.manifest("p").tree) == {"one", "two"}


def test_a_group_whose_memory_is_gone_is_loaded_again(place, sample):
    place.run("cute-shm-hdf5", "--into", "one", "p", sample).succeeded()
    place.run("cute-shm-hdf5", "--into", "two", "p", sample).succeeded()
    kept = place.segment("p", "two", "a")
    place.segment("p", "one", "a").unlink()
    assert not loads(place, "--if-missing", "--into", "two", "p", sample)
    assert loads(place, "--if-missing", "--into", "one", "p", sample)
    assert place.segment("p", "two", "a") == kept
    place.assert_consistent()


def test_another_users_private_project_is_an_error(place, sample):
    if not users.is_root():
        pytest.skip("needs root to be two users")
    place.load("p", sample).succeeded()
    sample.chmod(0o644)
    result = place.run("cute-shm-hdf5", "--if-missing", "p", sample, identity=users.nobody)
    assert "Permission denied" in result.failed()


# --- --if-newer -------------------------------------------------------------------------------------------------------


def touch(path, seconds):
    """Moves its time by so much."""
    st = path.stat()
    os.utime(path, ns=(st.st_atime_ns, st.st_mtime_ns + int(seconds * 1e9)))


def test_if_newer_loads_what_is_missing_and_not_again(place, sample):
    assert loads(place, "--if-newer", "p", sample)
    before = identity(place)
    assert not loads(place, "--if-newer", "p", sample)
    assert identity(place) == before


@pytest.mark.parametrize("seconds", [1e-6, 1, -3600])
def test_a_file_with_another_time_is_loaded_again(place, sample, seconds):
    place.load("p", sample).succeeded()
    touch(sample, seconds)
    assert loads(place, "--if-newer", "p", sample)
    assert not loads(place, "--if-newer", "p", sample)
    place.assert_consistent()


def test_a_file_that_was_replaced_is_loaded_and_readers_keep_the_old(place, sample):
    place.load("p", sample).succeeded()
    old = place.array("p", "a")
    h5.simple(place.files / "new.h5", a=np.arange(5), fresh=np.ones(2)).rename(sample)
    assert loads(place, "--if-newer", "p", sample)
    assert np.array_equal(place.array("p", "a"), np.arange(5))
    assert np.array_equal(old, np.arange(12).reshape(3, 4))
    place.assert_consistent()


def test_another_file_is_loaded_even_if_it_is_older(place, sample):
    other = h5.simple(place.files / "other.h5", x=np.arange(3))
    touch(other, -86400)
    place.load("p", sample).succeeded()
    assert loads(place, "--if-newer", "p", other)
    assert set(place.manifest("p").tree) == {"x"}


def test_the_same_file_by_another_path_is_the_same(place, sample):
    (place.files / "link.h5").symlink_to(sample)
    (place.files / "folder").mkdir()
    place.load("p", sample).succeeded()
    assert not loads(place, "--if-newer", "p", place.files / "link.h5")
    assert not loads(place, "--if-newer", "p", place.files / "folder" / ".." / "sample.h5")
    relative = place.run("cute-shm-hdf5", "--if-newer", "p", "sample.h5", cwd=place.files).silent()
    assert relative.out.startswith("p is there already")


def test_another_selection_is_loaded(place, sample):
    assert loads(place, "--if-newer", "--select=b", "p", sample)
    assert not loads(place, "--if-newer", "--select=b", "p", sample)
    assert loads(place, "--if-newer", "--select=a", "--select=one", "p", sample)
    assert loads(place, "--if-newer", "p", sample)
    assert not loads(place, "--if-newer", "p", sample)


@pytest.mark.parametrize("seconds,newer", [(-60, False), (60, True)])
def test_a_project_of_the_peer_is_held_against_the_files_age(place, sample, seconds, newer):
    place.publish("p", {"x": np.arange(3)})
    touch(sample, seconds)
    assert loads(place, "--if-newer", "p", sample) == newer
    place.assert_consistent()


def test_a_newer_file_that_cannot_be_loaded_leaves_the_project(place, sample):
    place.load("p", sample).succeeded()
    before = identity(place)
    sample.write_bytes(sample.read_bytes()[:1500])
    place.run("cute-shm-hdf5", "--if-newer", "p", sample).failed()
    assert identity(place) == before
    place.assert_consistent()


def test_if_newer_needs_the_file(place, sample):
    place.load("p", sample).succeeded()
    sample.unlink()
    assert "No such file" in place.run("cute-shm-hdf5", "--if-newer", "p", sample).failed()


# --- options and neighbours -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words", [["--if-missing", "-o"], ["--if-newer", "--into", "g"], ["--if-missing", "--free-first"]]
)
def test_what_makes_no_sense_together_is_refused(place, sample, words):
    place.run("cute-shm-hdf5", *words, "p", sample).failed(2)
    place.assert_nothing_published()


def test_if_newer_may_free_first(place, sample):
    place.load("p", sample).succeeded()
    touch(sample, 1)
    assert loads(place, "--if-newer", "--free-first", "p", sample)


@pytest.mark.parametrize("made", ["symlink", "directory", "fifo"])
def test_what_is_no_file_in_its_place_is_an_error_not_a_trap(place, sample, made):
    place.registry.mkdir(mode=0o1777)
    lock, victim = place.registry / ".loading.p", place.base / "victim"
    victim.write_bytes(b"precious")
    {"symlink": lambda: lock.symlink_to(victim), "directory": lock.mkdir, "fifo": lambda: os.mkfifo(lock)}[made]()
    assert ".loading.p" in place.run("cute-shm-hdf5", "--if-missing", "p", sample).failed()
    place.load("p", sample).succeeded()  # who waits for nobody does not mind
    assert victim.read_bytes() == b"precious"
    shutil.rmtree(lock) if made == "directory" else lock.unlink()


def test_a_second_name_of_a_file_in_its_place_does_it_no_harm(place, sample):
    place.registry.mkdir(mode=0o1777)
    victim = place.base / "victim"
    victim.write_bytes(b"precious")
    os.link(victim, place.registry / ".loading.p")
    assert loads(place, "--if-missing", "p", sample)
    assert victim.read_bytes() == b"precious"


def test_what_a_killed_loader_left_goes_with_the_next_load(place, closed, gated, sample):
    loader = start_loader(place, closed, gated)
    (child,) = children(loader.pid)
    loader.kill()
    outcomes([loader])
    wait_until(lambda: not alive(child), "the end of the child")
    assert place.in_registry() - {".lock"} == {".loading.p"}
    place.load("q", sample).succeeded()
    place.assert_consistent()


def test_another_users_lock_is_respected_but_waiting_for_it_is_told(place, sample):
    if not users.is_root():
        pytest.skip("needs root to be two users")
    place.registry.mkdir()
    place.registry.chmod(0o1777)
    lock = place.registry / ".loading.p"
    lock.write_text("1\n")
    os.chown(lock, users.STRANGER, users.STRANGER)
    lock.chmod(0o644)
    place.shm.chmod(0o1777)
    sample.chmod(0o644)
    with open(lock, "rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        process = place.start("cute-shm-hdf5", "--if-missing", "p", sample, identity=users.nobody)
        assert b"is loading p" in process.stderr.readline()
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0 and b"Datasets transferred" in out, err
    assert lock.exists()  # it cannot be removed by nobody
    place.load("q", sample).succeeded()  # but by root
    assert not lock.exists()


def test_errors_of_the_registry_are_told(place, sample):
    if users.is_root():
        reader = {"identity": users.nobody}
    else:
        reader = {}
    place.registry.mkdir(mode=0o555)
    place.registry.chmod(0o555)
    sample.chmod(0o644)
    line = place.run("cute-shm-hdf5", "--if-missing", "p", sample, **reader).failed()
    assert os.strerror(errno.EACCES) in line
