# SPDX-License-Identifier: MIT
"""-o ro: nothing changes, neither by requests nor by the daemon itself."""

import errno
import os

import numpy as np
import pytest
from support import mounting, tools


@pytest.fixture
def readonly(unstarted, place):
    def make():
        place.publish("p", {"a": np.arange(4), "g": {"b": np.arange(2)}}, mode=0o666)
        unstarted.start("-o", "ro")

    place.identity.run(make) if place.identity else make()
    return unstarted


def test_it_is_mounted_read_only(readonly):
    assert os.statvfs(readonly.path).f_flag & os.ST_RDONLY


def test_everything_is_read(readonly):
    p = readonly / "p"
    assert (p / "a").read_bytes() == np.arange(4).tobytes()
    assert "int64" in (p / "a.meta").read_text()
    assert np.load(p / "a.npy").tolist() == [0, 1, 2, 3]
    assert sorted(os.listdir(p)) == ["a", "a.meta", "g"]


CHANGES = {
    "mkdir": lambda p: os.mkdir(p / "new"),
    "mkdir project": lambda p: os.mkdir(p.parent / "new"),
    "create": lambda p: open(p / "new", "wb").close(),
    "create npy": lambda p: open(p / "new.npy", "wb").close(),
    "create sidecar": lambda p: open(p / "new.meta", "wb").close(),
    "overwrite npy": lambda p: open(p / "a.npy", "wb").close(),
    "overwrite sidecar": lambda p: open(p / "a.meta", "wb").close(),
    "unlink": lambda p: os.unlink(p / "a"),
    "unlink sidecar": lambda p: os.unlink(p / "a.meta"),
    "rmdir": lambda p: os.rmdir(p / "g"),
    "rename": lambda p: os.rename(p / "a", p / "c"),
    "rename project": lambda p: os.rename(p, p.parent / "q"),
    "link": lambda p: os.link(p / "a.meta", p / "c"),
    "symlink": lambda p: os.symlink("a", p / "c"),
    "mkfifo": lambda p: os.mkfifo(p / "c"),
    "chmod": lambda p: os.chmod(p, 0o700),
    "utimens": lambda p: os.utime(p / "g", (1, 1)),
    "truncate": lambda p: os.truncate(p / "a.meta", 0),
}


@pytest.mark.parametrize("what", CHANGES)
def test_every_change_is_erofs(readonly, place, what):
    before = place.segments(), place.in_registry()
    with pytest.raises(OSError) as raised:
        CHANGES[what](readonly / "p")
    assert raised.value.errno == errno.EROFS
    assert (place.segments(), place.in_registry()) == before


def test_writing_an_array_is_erofs(readonly):
    if readonly.symlinks:
        pytest.skip("a link leads out of the mount")
    with pytest.raises(OSError) as raised:
        open(readonly / "p/a", "r+b").close()
    assert raised.value.errno == errno.EROFS


def test_no_lock_file_is_made(readonly, place):
    tools.run("ls", "-lR", readonly.path)
    readonly.stop()
    assert place.in_registry() == {"cute-shm.p.toml"}


def test_a_journal_is_shown_but_not_folded(unstarted, place):
    """Left by a daemon that was killed; the next one that may change something folds it."""

    def make():
        place.publish("p", {name: np.arange(4) for name in ["a", "b", "c", *map("x{}".format, range(600))]})
        unstarted.start()
        os.unlink(unstarted / "p/b")  # the manifest is written anew, with a generation
        os.unlink(unstarted / "p/c")
        unstarted.kill()

    place.identity.run(make) if place.identity else make()
    names = place.in_registry()
    assert ".journal.p" in names
    manifest = place.manifest_path("p").read_bytes()
    unstarted.start("-o", "ro")
    assert {"b", "c"}.isdisjoint(os.listdir(unstarted / "p")) and (unstarted / "p/a").exists()
    unstarted.stop()
    assert place.in_registry() == names  # nor at its end
    assert place.manifest_path("p").read_bytes() == manifest
    unstarted.start()
    unstarted.stop()


def test_without_a_registry_it_does_not_make_one(unstarted, place):
    unstarted.launch("-o", "ro")
    assert unstarted.process.wait(20) == 1
    assert str(place.registry) in unstarted.text()
    assert not place.registry.exists()


def test_changes_of_others_are_seen(readonly, place):
    def change():
        place.publish("q", {"x": np.arange(3)})

    change()
    readonly.eventually(lambda: (readonly / "q/x.meta").exists(), "the other project")


def test_a_remount_does_not_help(readonly):
    if not readonly.access.as_root:
        pytest.skip("needs root")
    tools.run("mount", "-o", "remount,rw", readonly.path)
    for what in ("create", "unlink", "mkdir", "overwrite npy"):
        with pytest.raises(OSError):
            CHANGES[what](readonly / "p")
    assert mounting.is_mounted(readonly.path)
