# SPDX-License-Identifier: MIT
"""Never more memory than there is: refused before anything is reserved, or a clean error in the middle."""

import os
import pathlib
import re
import secrets
import subprocess

import numpy as np
import pytest

from support import gate, h5
from support.demands import lacking

CGROUPS = pathlib.Path("/sys/fs/cgroup")


def too_large(place, *options):
    """A load that would stand at a closed gate if it ever began; the error's line."""
    closed = gate.Gate(place.base)
    file = place.files / "large.h5"
    with h5.writing(file) as made:
        gate.add(made, "a", np.arange(10))
        made.create_dataset("z", (40, h5.MEBIBYTE), "u1", chunks=(1, h5.MEBIBYTE))
    line = place.load("p", file, *options, env=closed.environment).failed()
    closed.open()
    return line


@pytest.mark.shm_size(16)
def test_what_does_not_fit_is_refused_with_the_numbers(place):
    line = too_large(place)
    assert "needs 40.00 MB, but only 15.20 MB may be used: 16.00 MB are free in " in line
    assert "--select" in line and "cute-shm-unlink" in line and "--free-first" not in line
    place.assert_nothing_published()


@pytest.mark.shm_size(16)
def test_the_advice_to_remount_is_right(place):
    size, point = re.search(r" or mount -o remount,(size=\d+M) (\S+)$", too_large(place)).groups()
    assert point == str(place.shm)
    subprocess.run(["mount", "-o", f"remount,{size}", point], check=True)
    place.load("p", h5.big(place.files / "big.h5", 40)).succeeded()


@pytest.mark.shm_size(16)
def test_freeing_first_is_advised_where_it_can_be(place):
    place.load("p", h5.sample(place.files / "sample.h5")).succeeded()
    assert "--free-first" in too_large(place, "-o")
    (place.base / "files" / "large.h5").unlink()
    assert "--free-first" not in too_large(place, "--into", "g")
    place.assert_consistent()


@pytest.mark.shm_size(32)
def test_memory_that_others_take_in_the_middle_is_a_clean_error(place):
    """And who has mapped the old project reads on."""
    place.load("p", h5.simple(place.files / "old.h5", x=np.arange(100000))).succeeded()
    old = place.array("p", "x")
    before = place.manifest_path("p").read_bytes(), place.segments()
    closed = gate.Gate(place.base)
    late = np.zeros(8 * h5.MEBIBYTE, "u1")
    file = gate.file(place.files / "new.h5", after=[("late", late, gate.FILTER)])
    process = place.start("cute-shm-hdf5", "-o", "p", file, env=closed.environment)
    closed.reached()
    place.foreign.add("filler")
    with open(place.shm / "filler", "wb") as filler:
        left = os.statvfs(place.shm)
        os.posix_fallocate(filler.fileno(), 0, left.f_bavail * left.f_frsize)
    closed.open()
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, b"")
    line = err.decode()
    assert re.match(rf"cute-shm-hdf5: {file}: /(gate|late): cannot reserve [.0-9]+ \w+ in ", line) and line.count("\n") == 1, line
    assert line.endswith(": No space left on device\n")
    assert (place.manifest_path("p").read_bytes(), place.segments()) == before
    assert np.array_equal(old, np.arange(100000))
    place.assert_consistent()


@pytest.fixture
def group():
    """A control group for a process and its children that may have 256 MiB."""
    made, limit = None, None
    for top, knob in (CGROUPS / "memory", "memory.limit_in_bytes"), (CGROUPS, "memory.max"):
        here = top / f"cuteshm-test-{secrets.token_hex(4)}"
        try:
            here.mkdir()
        except OSError:
            continue
        if (here / knob).exists() and os.access(here / knob, os.W_OK):
            made, limit = here, knob
            break
        here.rmdir()
    if made is None:
        lacking("control groups of memory cannot be made here")
    (made / limit).write_text(str(256 * h5.MEBIBYTE))
    yield made
    made.rmdir()


def in_group(group):
    """For subprocess: joins before the program begins."""
    return {"preexec_fn": lambda: (group / "cgroup.procs").write_text(str(os.getpid()))}


def test_the_limit_of_a_control_group_counts(place, group):
    line = place.load("p", h5.big(place.files / "big.h5", 400), **in_group(group)).failed()
    assert "needs 400.00 MB" in line and "the memory limit of its control group leaves " in line
    assert "remount" not in line
    place.assert_nothing_published()
    place.load("p", h5.big(place.files / "small.h5", 16), **in_group(group)).succeeded()
    place.unlink("p").succeeded()


@pytest.mark.parametrize("most", ["1048575", "1023K", "1023k", "1"])
def test_max_size_refuses_what_needs_more(place, most):
    file = h5.big(place.files / "big.h5", 1)
    line = place.load("p", file, "--max-size", most).failed()
    assert "needs 1.00 MB, more than the " in line and "--max-size" in line
    place.assert_nothing_published()


@pytest.mark.parametrize("most", ["1048576", "1024K", "1M", "1m", "1G", "1T", "16777215T"])
def test_max_size_lets_through_what_fits(place, most):
    place.load("p", h5.big(place.files / "big.h5", 1), "--max-size", most).succeeded()


@pytest.mark.parametrize("most", ["", "0", "-1", "+1", " 1", "x", "1X", "1MB", "1.5G", "M", "99999999999999999999", "16777216T"])
def test_a_max_size_that_is_no_size_is_wrong_usage(place, most):
    file = h5.big(place.files / "big.h5", 1)
    assert "--max-size" in place.load("p", file, "--max-size", most).failed(2)


def test_max_size_holds_before_anything_is_freed(place):
    place.load("p", h5.sample(place.files / "sample.h5")).succeeded()
    before = place.segments()
    file = h5.big(place.files / "big.h5", 1)
    place.load("p", file, "-o", "--free-first", "--max-size", "1K").failed()
    assert place.segments() == before
    place.assert_consistent()
