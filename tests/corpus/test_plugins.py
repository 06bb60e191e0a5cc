# SPDX-License-Identifier: MIT
"""Filters that libhdf5 finds through HDF5_PLUGIN_PATH, with the plugins that PyPI's hdf5plugin ships."""

import os
import pathlib
import subprocess

import pytest

from support.demands import lacking

MAKE = pathlib.Path(__file__).with_name("make_plugins.py")


@pytest.fixture
def filtered(place):
    """(file, directory of the plugins)"""
    python = os.environ.get("CUTESHMFS_PEER_PYTHON")
    if not python or subprocess.run([python, "-c", "import hdf5plugin"], capture_output=True).returncode:
        lacking("CUTESHMFS_PEER_PYTHON does not name a Python that has hdf5plugin")
    file = place.files / "filtered.h5"
    made = subprocess.run([python, MAKE, file], capture_output=True, text=True, timeout=120)
    assert made.returncode == 0, made.stderr
    return file, made.stdout.strip()


def test_every_filter_of_a_plugin_path_is_decoded(outcomes, filtered, monkeypatch):
    file, plugins = filtered
    monkeypatch.setenv("HDF5_PLUGIN_PATH", plugins)
    # SZ3's plugin hands libhdf5 memory from new[], which that frees, and Blosc's never frees its own: not ours to report.
    options = os.environ.get("ASAN_OPTIONS", "")
    monkeypatch.setenv("ASAN_OPTIONS", ":".join(filter(None, [options, "alloc_dealloc_mismatch=0", "detect_leaks=0"])))
    assert list(outcomes(file.parent).values()) == [("full", "")]


def test_without_its_plugin_a_filter_is_refused_by_name(place, filtered):
    file, _ = filtered
    done = place.run("cute-shm-hdf5", "p", file, env={"HDF5_PLUGIN_PATH": "/nowhere"})
    assert done.status == 1
    assert len(done.error_lines) == 1 and "/bitshuffle: " in done.err and "filter" in done.err, str(done)
    assert place.segments() == set()
