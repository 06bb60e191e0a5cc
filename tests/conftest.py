# SPDX-License-Identifier: MIT
"""Fixtures of all suites. They run with the system's Python: pytest, numpy and h5py from packages."""

import os

import pytest

from support import ending, programs
from support.place import Place


def pytest_sessionstart():
    ending.clean_up_on_sigterm()
    missing = programs.missing()
    if missing:
        raise pytest.UsageError(
            f"no {', '.join(missing)} in {programs.directory()}; run scripts/build, or set CUTESHMFS_BIN"
        )


LONG_FILES = ("stress/", "corpus/", "interop/test_journal", "mount/test_kill", "mount/test_users", "mount/test_round_trip")


def pytest_collection_modifyitems(items):
    """Long files first: where several processes share the tests, the last ones are not to wait for one of them."""
    items.sort(key=lambda item: not any(part in item.nodeid for part in LONG_FILES))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Lets fixtures know whether the test itself passed: only then is it held to leave nothing behind."""
    report = (yield).get_result()
    if report.when == "call":
        item.passed = report.passed


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """A test with an `access` that belongs to a user is run as that user."""
    access = pyfuncitem.funcargs.get("access")
    if access is None or access.identity is None:
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    access.identity.run(lambda: pyfuncitem.obj(**arguments))
    return True


@pytest.fixture
def access():
    """Only tests of the mount have one."""
    return None


@pytest.fixture
def place(request, access):
    """A registry, a shared memory directory and a mount point of the test's own; checked to be empty at its end."""
    size = request.node.get_closest_marker("shm_size")
    if size and os.geteuid() != 0:
        pytest.skip("a tmpfs of its own needs root")
    made = Place(access.identity if access else None, size.args[0] if size else None)
    request.node.passed = False
    try:
        yield made
    finally:
        made.finish(strict=request.node.passed)
