# SPDX-License-Identifier: MIT
"""A progress bar on a terminal, silence elsewhere."""

import os
import pty
import select

import pytest

from support import h5


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return h5.big(tmp_path_factory.mktemp("progress") / "big.h5", 96)


def on_terminal(place, *words):
    """Everything a terminal of 80 columns was sent."""
    master, slave = pty.openpty()
    process = place.start(*words, stdout=slave, stderr=slave)
    os.close(slave)
    seen = b""
    while select.select([master], [], [], 60)[0]:
        try:
            part = os.read(master, 65536)
        except OSError:  # the terminal's other end is closed
            break
        if not part:
            break
        seen += part
    os.close(master)
    assert process.wait(60) == 0, seen
    return seen.decode()


def test_a_terminal_gets_a_bar(place, file):
    seen = on_terminal(place, "cute-shm-hdf5", "p", file)
    assert "%" in seen
    assert seen.count("\r") > 1


def test_the_bar_is_gone_at_the_end(place, file):
    last = on_terminal(place, "cute-shm-hdf5", "p", file).replace("\r\n", "\n")
    assert all("%" not in line.rsplit("\r", 1)[-1] for line in last.split("\n"))


def test_no_progress_means_none(place, file):
    seen = on_terminal(place, "cute-shm-hdf5", "-no-progress", "p", file)
    assert "\r" not in seen.replace("\r\n", "\n")
    assert "%" not in seen


def test_a_pipe_gets_no_bar(place, file):
    result = place.load("p", file).silent()
    assert "\r" not in result.out


def test_no_color_is_honoured(place, file, monkeypatch):
    monkeypatch.setitem(place.environment, "NO_COLOR", "1")
    assert "\x1b[3" not in on_terminal(place, "cute-shm-hdf5", "p", file)
