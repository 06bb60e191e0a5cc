# SPDX-License-Identifier: MIT
"""A short storm of many clients; tests/stress/run makes long ones."""

import os
import time
import types

import pytest
from storm.arena import Arena
from support import mounting
from support.demands import lacking
from support.waiting import patience

SECONDS = 15


def settings(**more):
    peer = os.environ.get("CUTESHMFS_PEER_PYTHON") if os.geteuid() == 0 else None
    chosen = {"seconds": SECONDS, "seed": int(time.time()), "kill_daemon": False, "readers": 3, "writers": 3, "makers": 2,
              "exclusive": 4, "wild": 2, "peer": peer}  # fmt: skip
    return types.SimpleNamespace(**{**chosen, **more})


def best_access():
    """However this machine can, and whoever runs the tests."""
    root = os.geteuid() == 0
    reasons = []
    for name in ("root-passthrough", "root-symlink") if root else ("user-symlink",):
        reason = mounting.why_not(mounting.ALL[name])
        if not reason:
            return mounting.ALL[name]
        reasons.append(reason)
    return lacking(", ".join(reasons))


@pytest.fixture
def access():
    with mounting.fuse_for_everybody():
        yield best_access()


@pytest.fixture
def place():
    """The arena has its own."""


@pytest.mark.parametrize("kill_daemon", [False, True], ids=["daemon-lives", "daemon-killed"])
def test_whatever_many_clients_see_is_true_and_nothing_stays(access, kill_daemon):
    # sanitizers need no longer, but the kills are further apart
    seconds = SECONDS * (patience() if kill_daemon else 1)
    for line in Arena(access, settings(seconds=min(seconds, 30), kill_daemon=kill_daemon)).run():
        print(line)
