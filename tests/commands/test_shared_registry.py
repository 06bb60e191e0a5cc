# SPDX-License-Identifier: MIT
"""A registry for everybody, like /tmp: what one user's commands leave there stops nobody else's.

There fs.protected_regular (mostly 1 or 2) refuses O_CREAT on another user's file, even one that may be opened.
"""

import os
import stat

import numpy as np
import pytest

from support import h5, users

pytestmark = pytest.mark.skipif(not users.is_root(), reason="needs root to be two users")


@pytest.fixture
def file(place):
    made = h5.simple(place.files / "f.h5", x=np.arange(5))
    made.chmod(0o644)
    return made


@pytest.fixture(params=[0o1777, 0o777], ids=["sticky", "plain"])
def shared(request, place, file):
    """The first to publish was A, so the lock file is his."""
    place.registry.mkdir()
    place.registry.chmod(request.param)
    place.load("of a", file, identity=users.stranger).succeeded()
    lock = (place.registry / ".lock").stat()
    assert stat.S_ISREG(lock.st_mode) and lock.st_uid == users.STRANGER
    return place


def as_b(place, tool, *words):
    return place.run(tool, *words, identity=users.other_stranger)


def test_another_user_publishes_replaces_and_removes_his_own(shared, file):
    as_b(shared, "cute-shm-hdf5", "of b", file).succeeded()
    assert shared.manifest_path("of b").stat().st_uid == users.STRANGER + 1
    assert shared.segment("of b", "x").stat().st_uid == users.STRANGER + 1
    as_b(shared, "cute-shm-hdf5", "-o", "of b", file).succeeded()
    assert np.array_equal(shared.array("of b", "x"), np.arange(5))
    as_b(shared, "cute-shm-unlink", "of b").succeeded()
    assert shared.projects() == {"of a"}
    assert (shared.registry / ".lock").stat().st_uid == users.STRANGER
    shared.assert_consistent()


def test_another_user_does_not_get_at_what_is_not_his(shared, file):
    before = shared.manifest_path("of a").read_bytes()
    as_b(shared, "cute-shm-unlink", "of a").failed()
    as_b(shared, "cute-shm-hdf5", "-o", "of a", file).failed()
    assert shared.manifest_path("of a").read_bytes() == before
    shared.assert_consistent()


def test_root_publishes_beside_users(shared, file):
    shared.load("of root", file).succeeded()
    as_b(shared, "cute-shm-hdf5", "of b", file).succeeded()
    assert shared.projects() == {"of a", "of b", "of root"}
    shared.assert_consistent()


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o666], ids=oct)
def test_a_lock_file_of_another_user_is_used_whatever_its_mode_lets(place, file, mode):
    """It is opened for locking only, so reading is enough; what may not be read at all is one line."""
    place.registry.mkdir()
    place.registry.chmod(0o1777)
    lock = place.registry / ".lock"
    lock.touch()
    os.chown(lock, users.STRANGER, users.STRANGER)
    lock.chmod(mode)
    done = as_b(place, "cute-shm-hdf5", "of b", file)
    if mode & 0o004:
        done.succeeded()
        assert place.projects() == {"of b"}
    else:
        done.failed()
        place.assert_nothing_published()
    assert stat.S_IMODE(lock.stat().st_mode) == mode
