# SPDX-License-Identifier: MIT
import json
import os
import pathlib
import subprocess
import sys

import pytest

from support import corpus, mounting

RUN = pathlib.Path(__file__).with_name("run")


@pytest.fixture(scope="session")
def can_mount():
    with mounting.fuse_for_everybody():
        user = mounting.ALL["root-symlink" if os.geteuid() == 0 else "user-symlink"]
        yield mounting.why_not(user) is None


@pytest.fixture
def outcomes(tmp_path, can_mount):
    """Runs the harness as a user would; a dictionary from file name to (category, reason)."""

    def run(*directories):
        report = tmp_path / "outcomes.json"
        mount = ["--mount"] if can_mount else []
        command = [sys.executable, RUN, *mount, f"--json={report}", *directories]
        done = subprocess.run(command, capture_output=True, text=True, timeout=900)
        assert report.exists(), done.stderr
        found = {os.path.relpath(item["file"], directories[0]): item for item in json.loads(report.read_text())}
        assert found, "no files"
        bad = any(item["category"] in corpus.BAD for item in found.values())
        assert done.returncode == int(bad), done.stderr
        print(done.stdout)
        return {name: (item["category"], item["reason"]) for name, item in found.items()}

    return run
