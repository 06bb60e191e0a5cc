# SPDX-License-Identifier: MIT
"""Loads that end in the middle leave nothing: killed, interrupted, or with the parsing child gone."""

import fcntl
import os
import random
import signal
import subprocess
import time

import h5py
import numpy as np
import pytest

from support import gate, h5, programs
from support.processes import alive, children, has_open, is_locked
from support.waiting import wait_until

TRIES = 6


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("killed")
    return {
        "big": h5.big(folder / "big.h5", 192),
        "many": h5.many(folder / "many.h5", 1500),
        "small": h5.simple(folder / "small.h5", x=np.arange(3)),
    }


def moments(place, file):
    """From the very start of a load to its end, as long as one takes here."""
    started = time.monotonic()
    place.load("warm", file).succeeded()
    seconds = time.monotonic() - started
    place.unlink("warm").succeeded()
    chance = random.Random(20)
    return [seconds * (number + chance.random()) / TRIES for number in range(TRIES)]


def kill_after(process, seconds, victim=None):
    """Waits for the loader's own end that long, then kills. Whether it was still running."""
    try:
        process.wait(seconds)
        return False
    except subprocess.TimeoutExpired:
        pass
    try:
        os.kill(victim or process.pid, signal.SIGKILL)
    except ProcessLookupError:  # the child is through, its parent not yet
        return False
    return True


def assert_old_or_new(place, project, file):
    """Published whole or not at all; the next command has removed what a dead writer wrote down."""
    place.load("next", file["small"]).succeeded()
    if project in place.projects():
        assert len(place.manifest(project).leaves()) >= 1
    place.assert_consistent()
    place.unlink("next", *({project} & place.projects())).succeeded()
    place.assert_nothing_published()


@pytest.mark.parametrize("kind", ["big", "many"])
def test_killing_the_loader_leaves_nothing(place, files, kind):
    killed = 0
    for moment in moments(place, files[kind]):
        process = place.start("cute-shm-hdf5", "p", files[kind])
        kids = wait_until(lambda: children(process.pid) or process.poll() is not None, "the parsing child")
        killed += kill_after(process, moment)
        process.communicate()
        for kid in kids if kids is not True else []:
            wait_until(lambda kid=kid: not alive(kid), "the end of the child")
        wait_until(lambda: not is_locked(place.registry / ".loading.p"), "the end of its threads")
        assert_old_or_new(place, "p", files)
    assert killed


def test_killing_the_loader_leaves_the_old_project(place, files):
    """While it overwrites: afterwards there is the old project or the new one."""
    place.load("p", files["small"]).succeeded()
    for moment in moments(place, files["many"]):
        process = place.start("cute-shm-hdf5", "-o", "p", files["many"])
        kill_after(process, moment)
        process.communicate()
        wait_until(lambda: not is_locked(place.registry / ".loading.p"), "the end of the child")
        place.load("next", files["small"], "-o").succeeded()
        leaves = place.manifest("p").leaves()
        assert len(leaves) in (1, 1500)
        assert all((place.shm / leaf["shm_name"]).stat().st_size == leaf_bytes(leaf) for leaf in leaves.values())
        place.assert_consistent()
        place.load("p", files["small"], "-o").succeeded()


def leaf_bytes(leaf):
    return int(np.prod(leaf["shape"])) * np.dtype(leaf["dtype"]).itemsize


def test_killing_the_parsing_child_is_one_line_and_leaves_nothing_at_once(place, files):
    killed = 0
    for moment in moments(place, files["big"]):
        process = place.start("cute-shm-hdf5", "p", files["big"])
        kids = wait_until(lambda: children(process.pid) or process.poll() is not None, "the parsing child")
        if kids is True or not kill_after(process, moment, kids[0]):
            process.communicate()
            place.unlink("p").succeeded()
            continue
        killed += 1
        _, err = process.communicate(timeout=30)
        if process.returncode == 0:  # it was done already
            place.unlink("p").succeeded()
            continue
        assert process.returncode == 1
        line = err.decode()
        assert line.startswith(f"cute-shm-hdf5: {files['big']}: ") and line.count("\n") == 1, line
        place.assert_nothing_published()
    assert killed


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_load_leaves_nothing_at_once(place, files, number):
    process = place.start("cute-shm-hdf5", "p", files["big"])
    kids = wait_until(lambda: children(process.pid), "the parsing child")
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode != 0
    assert err.count(b"\n") <= 1
    place.assert_nothing_published()
    wait_until(lambda: not any(alive(kid) for kid in kids), "the end of the child", 5)


@pytest.fixture
def stuck(place):
    """A file that libhdf5 never ends to read: its data is in a fifo that nobody writes to."""
    fifo, file = place.files / "fifo", place.files / "stuck.h5"
    with h5.writing(file) as made:
        made.create_dataset("stuck", (100,), "i4", external=[(str(fifo), 0, 400)])
    os.mkfifo(fifo)
    yield file
    os.close(os.open(fifo, os.O_RDWR))  # whoever still waits there comes loose


def test_a_read_that_never_ends_is_given_up(place, stuck):
    """Without progress for --stall seconds."""
    process = place.start("cute-shm-hdf5", "--stall", "1", "p", stuck)
    kids = wait_until(lambda: children(process.pid), "the parsing child")
    _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert err.decode().startswith(f"cute-shm-hdf5: {stuck}: /stuck: ") and err.count(b"\n") == 1, err
    place.assert_nothing_published()
    wait_until(lambda: not alive(kids[0]), "the end of the child", 5)


def test_the_parsing_child_ends_with_its_parent(place, stuck):
    process = place.start("cute-shm-hdf5", "p", stuck)
    kids = wait_until(lambda: children(process.pid), "the parsing child")
    process.kill()
    process.communicate()
    wait_until(lambda: not alive(kids[0]), "the end of the child", 5)
    assert place.segments() == set()
    assert place.in_registry() <= {".lock", ".loading.p"}  # that, too, goes with the next load
    place.load("next", h5.sample(place.files / "sample.h5")).succeeded()
    place.assert_consistent()


# --- Every way to end, at every stage -----------------------------------------------------------------------------------


class Load:
    """One that replaces a project and stands still at a stage until it is let go."""

    def __init__(self, place, stage):
        self.place, self.stage = place, stage
        self.gate = gate.Gate(place.base)
        self.lock = place.registry / ".lock"
        self.held = None
        file = gate.file(place.files / "new.h5")
        if stage == "walking":
            self.add_external_links(file)
        if stage == "publishing":
            self.gate.open()
            self.held = open(self.lock, "rb")
            fcntl.flock(self.held, fcntl.LOCK_EX)
        # So everything is read once before anything is reserved.
        options = ["--skip-errors"] if stage == "measuring" else []
        self.process = place.start("cute-shm-hdf5", "-o", *options, "p", file, env=self.gate.environment)
        (self.child,) = wait_until(lambda: children(self.process.pid), "the parsing child")
        if self.held:
            wait_until(lambda: has_open(self.child, self.lock), "a load that publishes", 30)
        else:
            self.gate.reached()
        if stage == "walking":
            self.gate.close()

    def add_external_links(self, file):
        """Opening a fifo waits for its writer: the test's makes the first link fail, the next waits."""
        with h5py.File(file, "a") as made:
            for number in range(50):
                made[f"elsewhere{number}"] = h5py.ExternalLink(str(self.gate.path), "/")

    def let_go(self):
        self.gate.open()
        if self.held:
            self.held.close()


ENDINGS = {
    "SIGINT": lambda load: load.process.send_signal(signal.SIGINT),
    "SIGTERM": lambda load: load.process.send_signal(signal.SIGTERM),
    "SIGHUP": lambda load: load.process.send_signal(signal.SIGHUP),
    "SIGKILL": lambda load: load.process.kill(),
    "child killed": lambda load: os.kill(load.child, signal.SIGKILL),
    "child crashed": lambda load: os.kill(load.child, signal.SIGABRT),
    "child terminated": lambda load: os.kill(load.child, signal.SIGTERM),
}


@pytest.mark.parametrize("stage", ["walking", "measuring", "filling", "publishing"])
@pytest.mark.parametrize("ending", ENDINGS)
def test_whatever_ends_a_load_at_any_stage_the_old_project_stays(place, ending, stage):
    """But where a signal finds it publishing: what is begun is finished."""
    place.load("p", h5.simple(place.files / "old.h5", x=np.arange(1000))).succeeded()
    mapped = place.array("p", "x")
    before = place.manifest_path("p").read_bytes(), place.segments()
    load = Load(place, stage)
    ENDINGS[ending](load)
    finishes = stage == "publishing" and (ending.startswith("SIG") and ending != "SIGKILL" or ending == "child terminated")
    if not finishes:
        wait_until(lambda: not alive(load.child), "the end of the child")
    load.let_go()
    _, err = load.process.communicate(timeout=60)
    assert np.array_equal(mapped, np.arange(1000))
    errors = [line for line in err.decode().splitlines() if not programs.is_warning(line)]
    if finishes:
        assert (load.process.returncode, errors) == (0, [])
    elif ending.startswith("SIG"):
        assert (load.process.returncode, errors) == (-getattr(signal, ending), [])
    else:
        assert (load.process.returncode, len(errors)) == (1, 1), err
    if finishes:
        assert "gate" in place.manifest("p").tree
    else:
        assert (place.manifest_path("p").read_bytes(), place.segments()) == before
    left = {".lock", "cute-shm.p.toml"} | ({".loading.p"} if ending == "SIGKILL" else set())
    assert place.in_registry() == left
    place.load("next", place.files / "old.h5").succeeded()
    place.assert_consistent()
