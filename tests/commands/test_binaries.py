# SPDX-License-Identifier: MIT
"""What the programs are made of."""

import subprocess

import pytest

from support import programs


def libraries(name):
    done = subprocess.run(["ldd", programs.directory() / name], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize("name", ["cuteshmfs", "cute-shm-list", "cute-shm-unlink"])
def test_only_the_loader_links_libhdf5(name):
    assert "hdf5" not in libraries(name)


def test_the_loader_links_libhdf5():
    assert "hdf5" in libraries("cute-shm-hdf5")


@pytest.mark.parametrize("name", ["cute-shm-hdf5", "cute-shm-list", "cute-shm-unlink"])
def test_only_the_daemon_links_libfuse(name):
    assert "fuse" not in libraries(name)
