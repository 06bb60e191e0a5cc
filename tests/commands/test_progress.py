# SPDX-License-Identifier: MIT
"""A progress bar on a terminal, silence elsewhere."""

import fcntl
import os
import pty
import re
import select
import struct
import termios
import unicodedata

import numpy as np
import pytest

from support import gate, h5


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return h5.big(tmp_path_factory.mktemp("progress") / "big.h5", 96)


def on_terminal(place, *words, columns=80, env=None, watch=lambda seen: None):
    """Everything a terminal so wide was sent; `watch` gets all of it so far."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = place.start(*words, env=env, stdout=slave, stderr=slave)
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
        watch(seen)
    os.close(master)
    assert process.wait(60) == 0, seen
    return seen.decode()


def bars(seen):
    """What each drawing of the bar put on its line, without colour."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", seen.replace("\r\n", "\n"))
    return [part for line in plain.split("\n") for part in line.split("\r")[:-1] if part.strip()]


def lines(seen):
    """What is left to be read on each line at the end."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", seen.replace("\r\n", "\n"))
    left = []
    for line in plain.split("\n"):
        cells = ""
        for part in line.split("\r"):
            cells = part + cells[len(part) :]
        left.append(cells.rstrip())
    return left


def width(text):
    """Columns on a terminal."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


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


@pytest.mark.parametrize("columns", [1, 2, 10, 20, 33, 80, 200])
def test_the_bar_fits_its_terminal(place, file, columns):
    drawn = bars(on_terminal(place, "cute-shm-hdf5", "-v", "p", file, columns=columns))
    assert drawn or columns < 10
    assert all(width(line) < columns for line in drawn), drawn


@pytest.fixture
def named(place):
    """Datasets with names that are long, and wide on a terminal."""
    path = place.files / "named.h5"
    with h5.writing(path) as made:
        for number in range(40):
            made.create_dataset(f"観測所{number:02d}/" + "気圧" * 30, data=np.zeros(1 << 20, "u1"), compression="gzip")
    return path


def test_verbose_says_each_dataset_as_it_begins(place, named):
    result = place.load("p", named, "-v")
    assert result.status == 0, result
    begun = [line.split(" - DEBUG - loading ")[1] for line in result.err.splitlines() if " - loading " in line]
    assert begun == [f"/観測所{number:02d}/" + "気圧" * 30 for number in range(40)]
    assert "\r" not in result.err and "%" not in result.err


@pytest.mark.parametrize("options,shown", [(["-v"], True), ([], False)])
def test_verbose_shows_the_current_dataset_beside_the_bar(place, options, shown):
    closed = gate.Gate(place.base)
    file = gate.file(place.files / "gated.h5")

    def let_through(seen):
        if re.search(rb"%[^\r\n]*  /gate" if shown else rb"%", seen):
            closed.open()

    words = ["cute-shm-hdf5", *options, "p", file]
    drawn = bars(on_terminal(place, *words, columns=160, env=closed.environment, watch=let_through))
    assert any(line.rstrip().endswith("  /gate") and "%" in line for line in drawn) == shown, drawn


def test_lines_and_bar_do_not_mix(place, named):
    seen = on_terminal(place, "cute-shm-hdf5", "-v", "p", named, columns=100)
    left = lines(seen)
    assert all(width(line) < 100 for line in bars(seen))
    debug = [line for line in left if " - DEBUG - " in line]
    assert len([line for line in debug if " - loading /" in line]) == 40
    assert all(re.match(r"[-0-9]{10} [:,0-9]{12} - DEBUG - (loading /|segment |/.*: )", line) for line in debug)
    assert not any("%" in line for line in left)
