# SPDX-License-Identifier: MIT
"""The real peer, in an environment of its own, on the real /dev/shm (it knows no other), under names nobody has."""

import json
import os
import pathlib
import secrets
import subprocess

import pytest

from support import mounting
from support.demands import lacking
from support.place import SHARED_MEMORY, Place

SCRIPT = pathlib.Path(__file__).with_name("peer.py")


class Peer:
    def __init__(self, python, place):
        self.python = python
        self.place = place

    def call(self, act, project, *words):
        done = subprocess.run(
            [self.python, SCRIPT, self.place.registry, act, project, *words],
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done

    def read(self, project):
        return json.loads(self.call("read", project).stdout)

    def list(self, short=False):
        """Its own list command, as its users call it."""
        words = ["-short"] if short else []
        code = (
            "import pathlib, sys, cute_shm; from cute_shm import main;"
            "cute_shm.Project2Toml.root = pathlib.Path(sys.argv.pop(1)); main.display_projects()"
        )
        env = {**os.environ, "COLUMNS": "400"}
        done = subprocess.run(
            [self.python, "-c", code, self.place.registry, *words], capture_output=True, text=True, timeout=120, env=env
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="session")
def peer_python():
    python = os.environ.get("CUTESHMFS_PEER_PYTHON")
    if not python:
        lacking("CUTESHMFS_PEER_PYTHON does not name a Python that has cute-shm==1.2")
    done = subprocess.run([python, "-c", "import cute_shm"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return python


@pytest.fixture
def prefix():
    """Of this test's projects; what they leave in /dev/shm is found by it."""
    return f"cuteshm-test-{secrets.token_hex(6)}"


@pytest.fixture
def place(request, prefix):
    """A private registry, but the common shared memory directory."""
    made = Place()
    own, made.shm = made.shm, SHARED_MEMORY
    request.node.passed = False
    try:
        yield made
        if request.node.passed:
            left = sorted(made.projects())
            assert not left or made.unlink(*left).status == 0
            assert segments_of(prefix) == []
            assert made.in_registry() <= {".lock"}
            made.assert_no_reports()
    finally:
        for name in segments_of(prefix):
            (SHARED_MEMORY / name).unlink()
        made.shm = own
        made.finish(strict=False)


def segments_of(prefix):
    return sorted(name for name in os.listdir(SHARED_MEMORY) if name.startswith(f"cute-shm.{prefix}"))


@pytest.fixture
def peer(peer_python, place):
    return Peer(peer_python, place)


@pytest.fixture
def segments(prefix):
    return lambda: segments_of(prefix)


@pytest.fixture
def mount(request, place):
    """However this machine can."""
    with mounting.fuse_for_everybody():
        user = mounting.ALL["root-symlink" if os.geteuid() == 0 else "user-symlink"]
        reason = mounting.why_not(user)
        if reason:
            lacking(reason)
        made = mounting.Mount(place, mounting.Access("any", "auto", True))
        try:
            yield made.start()
            if request.node.passed:
                made.stop()
        finally:
            made.finish()
