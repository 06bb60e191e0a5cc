# SPDX-License-Identifier: MIT
"""The machine: what a reader of the figures must know of it, its memory, and the kernel's io_uring switch."""

import contextlib
import fcntl
import os
import pathlib
import platform
import subprocess
import sys

SHARED_MEMORY = pathlib.Path("/dev/shm")  # of the peer always
SWITCH = pathlib.Path("/sys/module/fuse/parameters/enable_uring")


def memory():
    """Of /proc/meminfo, in bytes."""
    lines = (line.split() for line in pathlib.Path("/proc/meminfo").read_text().splitlines())
    return {words[0].rstrip(":"): int(words[1]) * 1024 for words in lines}


def spare(*directories):
    """Bytes that may be put into memory and these directories without hurting anybody: half of what is free."""
    disks = [os.statvfs(directory) for directory in directories]
    return min(memory()["MemAvailable"], *(disk.f_bavail * disk.f_frsize for disk in disks)) // 2


def facts(programs, h5py):
    """[(what, value)], for the head of the table."""
    version = _said([programs / "cuteshmfs", "--version"])
    hdf5 = _said(["pkg-config", "--modversion", "hdf5"]).strip() or "?"
    return [
        ("kernel", platform.release()),
        ("processors", f"{len(os.sched_getaffinity(0))} × {_processor()}"),
        ("memory", f"{memory()['MemTotal'] / 2**30:.1f} GiB, {memory()['MemAvailable'] / 2**30:.1f} available"),
        ("load average at the start", " ".join(pathlib.Path("/proc/loadavg").read_text().split()[:3])),
        ("programs", version.splitlines()[0] if version else f"none in {programs}"),
        ("libhdf5", f"{hdf5}; h5py {h5py.__version__} with {h5py.version.hdf5_version}"),
        ("python", sys.version.split()[0]),
        ("user", "root" if os.geteuid() == 0 else "not root"),
    ]  # fmt: skip


def _processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _said(command):
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20).stdout
    except OSError:
        return ""


class Uring:
    """fuse's `enable_uring`, which is off by default: looked at when something is mounted, put back at the end."""

    def __init__(self):
        self.switchable = self.others = False
        self._before = self._locked = None

    def state(self):
        try:
            return SWITCH.read_text().strip()
        except OSError:
            return "not there"

    def take(self, say):
        """One benchmark at a time: the next would put back what this one had set."""
        try:
            self._locked = open(SWITCH)
        except OSError:
            return
        try:
            fcntl.flock(self._locked, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another benchmark runs here: figures will disturb each other, and enable_uring is left to it")
            self._locked.close()
            self._locked = None
            self.others = True
            return
        self._before = self.state()
        self.switchable = self.set(True)

    def set(self, on):
        """Whether it is as asked now."""
        with contextlib.suppress(OSError):
            SWITCH.write_text("Y" if on else "N")
        return self.state() == ("Y" if on else "N")

    def give_back(self):
        if self._locked:
            if self.state() != self._before:
                self.set(self._before == "Y")
            self._locked.close()
            self._locked = None
