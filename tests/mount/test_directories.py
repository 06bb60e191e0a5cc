# SPDX-License-Identifier: MIT
"""mkdir and rmdir, owners and modes of directories, and what no directory takes."""

import errno
import os
import socket
import stat

import numpy as np
import pytest

from support import h5, tools, users


def error_of(function, *arguments, **options):
    try:
        function(*arguments, **options)
    except OSError as error:
        return errno.errorcode[error.errno]
    return None


@pytest.fixture
def umask():
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.parametrize("mask,wanted", [(0o022, 0o755), (0o077, 0o700), (0o002, 0o775), (0, 0o777)])
def test_mkdir_at_the_top_makes_a_project(mount, place, umask, mask, wanted):
    """Its manifest has the owner and the mode, x left out; umask honoured."""
    os.umask(mask)
    before = os.stat(mount.path).st_nlink
    os.mkdir(mount / "sim")
    st = os.stat(mount / "sim")
    assert stat.S_IMODE(st.st_mode) == wanted and st.st_nlink == 2
    manifest = os.stat(place.manifest_path("sim"))
    assert stat.S_IMODE(manifest.st_mode) == wanted & 0o666
    assert (manifest.st_uid, manifest.st_gid) == (st.st_uid, st.st_gid)
    assert place.manifest("sim").tree == {} and os.listdir(mount / "sim") == []
    assert os.stat(mount.path).st_nlink == before + 1
    assert os.listdir(mount.path) == ["sim"]


def test_a_project_belongs_to_who_makes_it(mount, place):
    if not mount.access.as_root:
        pytest.skip("a user's daemon serves that user")
    users.stranger.run(lambda: os.mkdir(mount / "theirs"))
    st = os.stat(mount / "theirs")
    assert (st.st_uid, st.st_gid) == (users.STRANGER, users.STRANGER)
    assert os.stat(place.manifest_path("theirs")).st_uid == users.STRANGER
    users.stranger.run(lambda: os.mkdir(mount / "theirs/g"))
    assert os.stat(mount / "theirs/g").st_uid == users.STRANGER
    assert error_of(users.other_stranger.run, lambda: os.mkdir(mount / "theirs/h")) == "EACCES"
    assert error_of(users.other_stranger.run, lambda: os.rmdir(mount / "theirs")) == "EPERM"
    assert error_of(users.other_stranger.run, lambda: os.rename(mount / "theirs", mount / "mine")) == "EPERM"
    os.mkdir(mount / "own")
    assert error_of(users.stranger.run, lambda: os.rename(mount / "theirs", mount / "own")) == "EPERM"
    users.stranger.run(lambda: os.rename(mount / "theirs", mount / "renamed"))
    users.stranger.run(lambda: os.rmdir(mount / "renamed/g"))
    users.stranger.run(lambda: os.rmdir(mount / "renamed"))


def test_mkdir_below_makes_groups(mount, place):
    os.makedirs(mount / "p/a/b")
    os.mkdir(mount / "p/a/c")
    assert [os.stat(mount / name).st_nlink for name in ("p", "p/a", "p/a/b")] == [3, 4, 2]
    assert sorted(os.listdir(mount / "p/a")) == ["b", "c"]
    mount.stop()
    assert place.manifest("p").tree == {"a": {"b": {}, "c": {}}}


def test_mkdir_through_a_name_that_is_encoded(mount, place):
    os.makedirs(mount / "p/a%2Fb/x%2Emeta")
    assert os.listdir(mount / "p") == ["a%2Fb"]
    mount.stop()
    assert place.manifest("p").tree == {"a/b": {"x.meta": {}}}


NAMES = [
    ("", ".hidden", "EINVAL"),
    ("", "x.meta", "EINVAL"),
    ("", "x.npy", "EINVAL"),
    ("", "a\nb", "EINVAL"),
    ("", "n" * 201, "ENAMETOOLONG"),
    ("", "\udcff", "EINVAL"),
    ("p", "x.meta", "EINVAL"),
    ("p", "x.npy", "EINVAL"),
    ("q", ".meta", "EINVAL"),
    ("p", "\udcff", "EILSEQ"),
    ("p", "n" * 251, "ENAMETOOLONG"),
    ("p", "n%~0123456789abcdef", "EINVAL"),
    ("p", "a", "EEXIST"),
    ("p", "b", "EEXIST"),
    ("", "p", "EEXIST"),
    ("p/a", "x", "ENOTDIR"),
    ("nothing", "x", "ENOENT"),
]


@pytest.mark.parametrize("parent,name,wanted", NAMES)
def test_mkdir_refuses_names(mount, sample, parent, name, wanted):
    os.mkdir(mount / "q")
    assert error_of(os.mkdir, mount / parent / name) == wanted


def test_rmdir_needs_it_empty_but_for_its_sidecar(mount, place, sample):
    assert error_of(os.rmdir, mount / "p/b") == "ENOTEMPTY"
    assert error_of(os.rmdir, mount / "p") == "ENOTEMPTY"
    tools.silent("rm", "-r", mount / "p/b")
    os.mkdir(mount / "p/b")
    os.rmdir(mount / "p/b")
    for name in ("a", "one"):
        os.unlink(mount / "p" / name)
    os.rmdir(mount / "p")
    place.assert_nothing_published()


def test_a_directory_made_anew_is_another_one(mount):
    """Who is in the old one sees nothing of it, as on tmpfs."""
    script = "mkdir -p p/g && cd p/g && rmdir ../g && mkdir ../g && ! mkdir h 2>/dev/null"
    assert tools.shell(script, mount.path) == ""
    assert os.listdir(mount / "p/g") == []


MAKE = {
    "a symbolic link": lambda path: os.symlink("a", path),
    "a fifo": os.mkfifo,
    "a socket": lambda path: socket.socket(socket.AF_UNIX).bind(os.fspath(path)),
    "a device": lambda path: os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3)),
}


@pytest.mark.parametrize("where", ["", "p", "p/b"])
@pytest.mark.parametrize("what", MAKE)
def test_what_is_no_array_is_refused(mount, sample, what, where):
    assert error_of(MAKE[what], mount / where / "new") == "EPERM"
    assert not os.path.lexists(mount / where / "new")


TOP = {
    "create": lambda path: os.open(path, os.O_CREAT | os.O_WRONLY),
    "mknod": lambda path: os.mknod(path, stat.S_IFREG | 0o600),
    "link": lambda path: os.link(path.parent / "p/a", path, follow_symlinks=False),
    "rename": lambda path: os.rename(path.parent / "p/a", path),
}


@pytest.mark.parametrize("what", TOP)
def test_plain_files_at_the_top_are_refused(mount, sample, what):
    assert error_of(TOP[what], mount / "new") == "EPERM"
    assert os.listdir(mount.path) == ["p"]


def test_chmod_of_a_project_changes_its_manifest(mount, place, sample):
    for mode, shown, manifest in ((0o755, 0o755, 0o644), (0o700, 0o700, 0o600), (0o770, 0o770, 0o660), (0o640, 0o750, 0o640)):
        os.chmod(mount / "p", mode)
        for name in ("p", "p/b"):
            mount.eventually(lambda n=name, m=shown: stat.S_IMODE(os.stat(mount / n).st_mode) == m, "the mode")
        assert stat.S_IMODE(os.stat(place.manifest_path("p")).st_mode) == manifest
    place.assert_consistent()


@pytest.mark.parametrize("mode", [0o1777, 0o2775, 0o4755, 0o7750], ids=oct)
def test_of_the_mode_of_a_project_only_read_write_and_search_stay(mount, place, sample, mode):
    """Neither sticky nor setgid: the manifest's mode has neither, and what they would mean holds anyway."""
    os.chmod(mount / "p", mode)
    for name in ("p", "p/b"):
        mount.eventually(lambda n=name: stat.S_IMODE(os.stat(mount / n).st_mode) == mode & 0o777, "the mode")
    assert stat.S_IMODE(os.stat(place.manifest_path("p")).st_mode) == mode & 0o666


@pytest.mark.parametrize("where", ["p", "p/b"])
def test_a_file_without_a_name_is_not_made(mount, place, sample, where):
    """Programs that use O_TMPFILE make a temporary file instead when they are told so."""
    before = place.segments()
    with pytest.raises(OSError) as caught:
        os.open(mount / where, os.O_TMPFILE | os.O_RDWR, 0o600)
    assert caught.value.errno == errno.EOPNOTSUPP
    assert place.segments() == before


def test_chown_of_a_project_takes_all_along(mount, place, sample):
    if not mount.access.as_root:
        pytest.skip("only root can")
    assert os.stat(mount / "p/b/b1").st_uid == 0
    os.chown(mount / "p", users.STRANGER, users.STRANGER)
    for name in ("p", "p/b", "p/a.meta", "p/b/b1.meta", *([] if mount.symlinks else ["p/a", "p/b/b1"])):
        mount.eventually(lambda n=name: os.lstat(mount / n).st_uid == users.STRANGER, name)
        assert os.lstat(mount / name).st_gid == users.STRANGER
    assert os.stat(place.manifest_path("p")).st_uid == users.STRANGER
    assert {os.stat(place.shm / name).st_uid for name in place.segments()} == {users.STRANGER}
    assert np.array_equal(np.fromfile(mount / "p/a", "i8"), np.arange(12))
    assert error_of(users.stranger.run, lambda: os.chown(mount / "p", users.STRANGER + 1, -1)) == "EPERM"
    assert error_of(users.other_stranger.run, lambda: os.chmod(mount / "p", 0o777)) == "EPERM"


def test_chgrp_of_a_project_takes_all_along(mount, place, sample):
    if not mount.access.as_root:
        pytest.skip("a user may give only to groups that he is in")
    owner = os.stat(mount / "p").st_uid
    os.chown(mount / "p", -1, users.STRANGER)
    for name in ("p", "p/b", "p/a.meta", "p/b/b1.meta", *([] if mount.symlinks else ["p/a", "p/b/b1"])):
        mount.eventually(lambda n=name: os.lstat(mount / n).st_gid == users.STRANGER, name)
        assert os.lstat(mount / name).st_uid == owner
    made = [place.manifest_path("p"), *(place.shm / name for name in place.segments())]
    assert {(os.stat(path).st_uid, os.stat(path).st_gid) for path in made} == {(owner, users.STRANGER)}


@pytest.mark.parametrize("name", ["p/b", "p/a.meta", "p/b/.meta"])
def test_chmod_chown_and_utimens_of_groups_and_sidecars_succeed_without_effect(mount, sample, name):
    before = os.stat(mount / name)
    os.chmod(mount / name, 0o500)
    os.chown(mount / name, before.st_uid, before.st_gid)
    os.utime(mount / name, (1, 1))
    after = os.stat(mount / name)
    assert (after.st_mode, after.st_uid, after.st_mtime_ns) == (before.st_mode, before.st_uid, before.st_mtime_ns)


@pytest.fixture
def owned(mount, place):
    """Projects of two users and of root, into which everybody may write."""
    if not mount.access.as_root:
        pytest.skip("a user's daemon serves that user")
    for name, user in (("one", users.stranger), ("other", users.other_stranger), ("roots", None)):
        file = h5.simple(place.files / f"{name}.h5", x=np.arange(5), y=np.arange(6))
        place.load(name, file).succeeded()
        mount.eventually(lambda n=name: (mount / n / "x").exists(), name)
        if user:
            os.chown(mount / name, user.uid, user.gid)
        os.chmod(mount / name, 0o777)


def owner(path):
    return os.stat(path).st_uid  # of a link: of its segment


def test_a_move_into_another_users_project_gives_it_its_owner(mount, place, owned):
    users.stranger.run(lambda: os.rename(mount / "one/x", mount / "other/new"))
    mount.eventually(lambda: owner(mount / "other/new") == users.STRANGER + 1, "its owner")
    assert (mount / "other/new").read_bytes() == np.arange(5).tobytes()
    os.rename(mount / "roots/x", mount / "one/x")
    mount.eventually(lambda: owner(mount / "one/x") == users.STRANGER, "its owner")
    place.assert_consistent()


def test_a_move_that_gives_away_what_is_not_the_movers_is_refused(mount, owned):
    for source, target, user in (
        ("one/x", "other/new", users.other_stranger),
        ("roots/x", "one/new", users.stranger),
        ("one/x", "other/x", users.other_stranger),
    ):
        assert error_of(user.run, lambda s=source, t=target: os.rename(mount / s, mount / t)) == "EPERM"
        assert (mount / source).exists()


def test_a_link_between_projects_of_different_owners_is_refused(mount, owned):
    link = lambda: os.link(mount / "one/x", mount / "other/new", follow_symlinks=False)  # noqa: E731
    assert error_of(link) == "EPERM"
    assert error_of(users.stranger.run, link) == "EPERM"
    assert not os.path.lexists(mount / "other/new")


CLEANING = {
    "rm -r p": "rm -r p",
    "rm p/*": "rm -f p/b/deep/* && rmdir p/b/deep && rm p/b/* && rmdir p/b && rm p/* && rmdir p",
    "find -delete": "find p -delete",
    "rsync --delete": "mkdir ../nothing && rsync -r --delete ../nothing/ p/ && rmdir p ../nothing",
}


@pytest.mark.parametrize("way", CLEANING)
def test_tools_that_empty_a_directory_end_well(mount, place, way):
    """Also of what was made, linked and moved on the mount."""
    with h5.writing(place.files / "f.h5") as file:
        for key in ("x", "y", "z", "b/x", "b/deep/x"):
            file[key] = np.arange(5)
    place.load("p", place.files / "f.h5").succeeded()
    mount.eventually(lambda: (mount / "p/b/deep/x").exists(), "the project")
    os.mkdir(mount / "q")
    os.rename(mount / "p/x", mount / "q/x")
    os.rename(mount / "q/x", mount / "p/moved")
    os.link(mount / "p/y", mount / "p/b/linked", follow_symlinks=False)
    os.rmdir(mount / "q")
    if "rsync" in CLEANING[way]:
        if tools.run("rsync", "--version").returncode != 0:
            pytest.skip("no rsync")
    tools.shell(CLEANING[way].replace("../nothing", os.fspath(place.files / "nothing")), mount.path)
    assert not (mount / "p").exists()
    place.assert_nothing_published()
