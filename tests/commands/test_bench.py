# SPDX-License-Identifier: MIT
"""scripts/bench works and leaves the machine as it was. How fast anything is, is never tested."""

import fcntl
import json
import os
import pathlib
import signal
import subprocess

import pytest

from support import mounting, programs, users
from support.demands import lacking
from support.waiting import wait_until

BENCH = programs.TOP / "scripts" / "bench"
SWITCH = pathlib.Path("/sys/module/fuse/parameters/enable_uring")


@pytest.fixture
def bench(place):
    """Starts it with this test's directories, in a process group of its own, and returns the process."""
    environment = {**place.environment, "TMPDIR": str(place.files), "CUTE_SHM_DIR": str(place.shm)}
    started = []

    def start(*words):
        process = subprocess.Popen(
            [BENCH, *words],
            env={**environment, "CUTESHMFS_BIN": str(programs.directory())},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def why_no_mount():
    return mounting.why_not(mounting.ALL["root-symlink" if users.is_root() else "user-symlink"])


def mounts_below(directory):
    lines = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
    return [line.split()[4] for line in lines if line.split()[4].startswith(f"{directory}/")]


def assert_nothing_left(place, switch):
    assert mounts_below(place.files) == []
    assert os.listdir(place.files) == []
    assert os.listdir(place.shm) == []
    assert None in (switch, uring()) or uring() == switch


def uring():
    """The switch, or None where there is none, or when somebody's benchmark has it just now."""
    try:
        with open(SWITCH) as switch:
            fcntl.flock(switch, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return switch.read()
    except OSError:
        return None


def test_rows_come_out_measured_and_nothing_stays(bench, place):
    switch = uring()
    process = bench("--quick", "--rows", "memory-contiguous,window-back,tiny", "--json", "-")
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    rows = {row["name"]: row for row in json.loads(out)["rows"]}
    assert set(rows) == {"memory-contiguous", "window-back", "tiny"}
    for name in ("memory-contiguous", "tiny"):
        assert len(rows[name]["samples"]["ours"]) == 3
        assert min(rows[name]["samples"]["ours"]) > 0
        assert f"| {name} |" in err
    if not why_no_mount():
        assert len(rows["window-back"]["samples"]["ours"]) == 100
    assert_nothing_left(place, switch)


def test_interrupted_it_leaves_nothing(bench, place):
    if why_no_mount():
        lacking(why_no_mount())
    switch = uring()
    process = bench("--quick", "--rows", "scan", "--runs", "100000")
    wait_until(lambda: mounts_below(place.files), "its mount", 120)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert_nothing_left(place, switch)


def test_a_row_that_is_not_there_is_named(bench):
    process = bench("--rows", "scan,sacn")
    _, err = process.communicate(timeout=300)
    assert process.returncode == 2
    assert "no row sacn" in err
