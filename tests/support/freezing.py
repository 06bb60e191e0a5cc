# SPDX-License-Identifier: MIT
"""Holding one thread of a process still, so that a race of a millisecond becomes a state to test in; and other
things that ctypes is needed for."""

import contextlib
import ctypes
import os
import pathlib

from .waiting import wait_until

PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
WALL = 0x40000000  # wait for threads that are no children, too

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def threads(process, name):
    """Those of the process that are called so."""
    for task in pathlib.Path(f"/proc/{process.pid}/task").iterdir():
        if (task / "comm").read_text().strip() == name:
            yield int(task.name)


@contextlib.contextmanager
def frozen(process, name):
    """All others go on. To be left in the thread that entered it."""
    (thread,) = wait_until(lambda: list(threads(process, name)), f"thread {name}")
    _ptrace(PTRACE_SEIZE, thread)
    try:
        _ptrace(PTRACE_INTERRUPT, thread)
        os.waitpid(thread, WALL)
        yield
    finally:
        _ptrace(PTRACE_DETACH, thread)


def _ptrace(request, thread):
    if libc.ptrace(request, thread, None, None) < 0:
        raise OSError(ctypes.get_errno(), "ptrace")


def all_inotify_instances():
    """As many descriptors as this user may have; the caller closes them."""
    while (fd := libc.inotify_init1(os.O_CLOEXEC)) >= 0:
        yield fd
