# SPDX-License-Identifier: MIT
"""The only place where tests wait: until something is so, with a deadline that counts as a failure."""

import os
import threading
import time

from . import programs

STEP = 0.01


def patience():
    """Sanitizers are slow, and so are machines that others use: deadlines are stretched by this factor."""
    return float(os.environ.get("CUTESHMFS_PATIENCE", "0")) or (4.0 if programs.are_sanitized() else 1.0)


def wait_until(check, what, seconds=10.0):
    """Asks check() until it says something true, and returns that. `what` completes "waited in vain for"."""
    deadline = time.monotonic() + seconds * patience()
    pause = threading.Event()
    while True:
        answer = check()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds * patience():g} s in vain for {what}")
        pause.wait(STEP)
