# SPDX-License-Identifier: MIT
"""Unix tools, as people use them."""

import os
import subprocess


def run(*words, cwd=None, timeout=60):
    env = {**os.environ, "LC_ALL": "C.UTF-8"}
    return subprocess.run(words, cwd=cwd, env=env, capture_output=True, stdin=subprocess.DEVNULL, timeout=timeout)


def silent(*words, cwd=None):
    """Must end with status 0 and no complaint; its output."""
    done = run(*words, cwd=cwd)
    assert (done.returncode, done.stderr) == (0, b""), (words, done.returncode, done.stderr)
    return done.stdout.decode("utf-8", "surrogateescape")


def shell(script, cwd):
    return silent("sh", "-c", script, cwd=cwd)
