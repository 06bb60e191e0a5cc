# SPDX-License-Identifier: MIT
"""Every test of the mount runs once for each way of showing arrays, and as an unprivileged user."""

import functools
import os

import pytest

from support import h5, mounting
from support.demands import lacking


@pytest.fixture(scope="session")
def fuse_device():
    with mounting.fuse_for_everybody():
        yield


@functools.lru_cache(maxsize=None)
def why_not(name):
    return mounting.why_not(mounting.ALL[name])


@pytest.fixture(params=list(mounting.ALL))
def access(request, fuse_device):
    chosen = mounting.ALL[request.param]
    mounting.open_device()  # somebody may have closed it again
    reason = why_not(chosen.name)
    if reason and chosen.mode == mounting.PASSTHROUGH:
        if reason == "needs root":
            pytest.skip(reason)
        # older kernels cannot: a failure only where somebody says that it must work
        if os.environ.get("CUTESHMFS_REQUIRE_PASSTHROUGH", "0") not in ("", "0"):
            pytest.fail(reason)
        pytest.skip(reason)
    elif reason:
        lacking(reason)
    return chosen


@pytest.fixture
def raw_files(access):
    """For tests of what links do not do."""
    if access.symlinks:
        pytest.skip("links: raw files are neither made nor resized")


@pytest.fixture
def unstarted(place, access):
    """A mount whose daemon the test starts itself."""
    made = mounting.Mount(place, access)
    try:
        yield made
    finally:
        made.finish()


@pytest.fixture
def mount(request, unstarted):
    """A running daemon. It must end well when asked to."""
    unstarted.start()
    yield unstarted
    if request.node.passed and unstarted.process:
        unstarted.stop()


@pytest.fixture
def sample(place):
    """The sample file, loaded as project p before any daemon runs."""
    file = h5.sample(place.files / "sample.h5")
    place.load("p", file).succeeded()
    return file
