# SPDX-License-Identifier: MIT
"""Processes as /proc shows them."""

import fcntl
import os
import pathlib


def parent(pid):
    """None where it is gone, or a zombie."""
    try:
        text = pathlib.Path("/proc", str(pid), "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, of = text.rpartition(")")[2].split()[:2]
    return int(of) if state != "Z" else None


def children(pid):
    """Processes whose parent it is."""
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit() and parent(entry) == pid]


def alive(pid):
    return parent(pid) is not None


def has_open(pid, path):
    """Whether it has the file open."""
    try:
        entries = os.listdir(f"/proc/{pid}/fd")
    except (FileNotFoundError, ProcessLookupError):
        return False
    for entry in entries:
        try:
            if os.readlink(f"/proc/{pid}/fd/{entry}") == str(path):
                return True
        except OSError:
            continue
    return False


def is_locked(path):
    """Whether somebody holds its flock."""
    try:
        with open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
