# SPDX-License-Identifier: MIT
"""A daemon of root serves everybody, each with his own rights."""

import contextlib
import os

import numpy as np
import pytest

from support import h5, mounting, toml_text, users
from support.place import map_array


@pytest.fixture
def shared(mount, place, access):
    """Root's daemon over a registry for everybody: root's private and public project, and one of a user."""
    if not access.as_root:
        pytest.skip("about a daemon that serves others")
    file = h5.sample(place.files / "f.h5")
    place.load("private", file).succeeded()
    place.load("public", file, "--mode=0644").succeeded()
    place.load("hers", file, "--mode=0644", identity=users.stranger).succeeded()
    mount.eventually((mount / "hers/a").exists, "the projects")
    return mount


def as_stranger(function):
    return users.stranger.run(function)


def as_other(function):
    return users.other_stranger.run(function)


def test_everybody_may_look_around(shared):
    assert set(as_stranger(lambda: os.listdir(shared.path))) == {"private", "public", "hers"}
    assert "a" in as_stranger(lambda: os.listdir(shared / "public"))


def test_a_private_project_is_closed_to_others(shared):
    with pytest.raises(PermissionError):
        as_stranger(lambda: os.listdir(shared / "private"))
    for name in ("a", "a.meta", ".meta"):
        with pytest.raises(PermissionError):
            as_stranger(lambda name=name: (shared / "private" / name).read_bytes())


def test_a_private_array_in_a_public_project_is_closed_with_its_sidecar(shared, place):
    os.chmod(place.segment("public", "a"), 0o600)
    shared.eventually(lambda: (shared / "public/a").stat().st_mode & 0o777 == 0o600, "the mode")
    for name in ("a", "a.meta"):
        with pytest.raises(PermissionError):
            as_stranger(lambda name=name: (shared / "public" / name).read_bytes())
    assert as_stranger((shared / "public/one").read_bytes) == np.float64(2.5).tobytes()


def test_public_arrays_can_be_read_and_mapped_by_all_and_written_by_none_else(shared):
    values = as_stranger(lambda: np.array(map_array(shared / "public/a", "i8", [12])))
    assert np.array_equal(values, np.arange(12))
    assert b"int64" in as_stranger((shared / "public/a.meta").read_bytes)
    with pytest.raises(PermissionError):
        as_stranger(lambda: os.open(shared / "public/a", os.O_RDWR))


def test_others_cannot_remove_anything(shared, place):
    before = place.segments()
    for project in ("private", "public", "hers"):
        for act in (
            lambda p=project: os.unlink(shared / p / "a"),
            lambda p=project: os.unlink(shared / p / "a.meta"),
            lambda p=project: os.unlink(shared / p / ".meta"),
            lambda p=project: os.rmdir(shared / p / "b"),
            lambda p=project: os.rmdir(shared / p),
        ):
            with pytest.raises(PermissionError):
                as_other(act)
    assert place.segments() == before
    assert place.projects() == {"private", "public", "hers"}


def test_owners_may_remove_their_own_through_roots_daemon(shared, place):
    as_stranger(lambda: os.unlink(shared / "hers/a"))
    assert ("a",) not in place.manifest("hers").leaves()
    assert place.manifest_path("hers").stat().st_uid == users.STRANGER
    assert place.manifest_path("hers").stat().st_mode & 0o777 == 0o644


def test_owners_may_write_their_own(shared, place):
    def store():
        mapped = map_array(shared / "hers/a", "i8", [12], "r+")
        mapped[0] = 12

    as_stranger(store)
    assert place.array("hers", "a")[0, 0] == 12


def test_a_user_may_empty_and_remove_his_own_project(shared, place):
    def remove():
        for folder, _, files in os.walk(shared / "hers", topdown=False):
            for name in files:
                if not name.endswith(".meta"):
                    os.unlink(os.path.join(folder, name))
            os.rmdir(folder)

    as_stranger(remove)
    assert place.projects() == {"private", "public"}
    place.assert_consistent()


def test_owners_show(shared):
    assert (shared / "hers").stat().st_uid == users.STRANGER
    assert (shared / "hers/a").stat().st_uid == users.STRANGER
    assert (shared / "hers/a.meta").stat().st_uid == users.STRANGER
    assert (shared / "public/a").stat().st_uid == 0


def test_opening_up_shows(shared, place):
    with pytest.raises(PermissionError):
        as_stranger((shared / "private/a").read_bytes)
    os.chmod(place.manifest_path("private"), 0o644)
    os.chmod(place.segment("private", "a"), 0o644)
    shared.eventually(lambda: as_stranger(lambda: readable(shared / "private/a")), "the rights")


def readable(path):
    try:
        return path.read_bytes() == np.arange(12).tobytes()
    except PermissionError:
        return False


def test_closing_down_shows(shared, place):
    assert as_stranger((shared / "public/a").read_bytes)
    os.chmod(place.segment("public", "a"), 0o600)
    shared.eventually(lambda: not as_stranger(lambda: readable(shared / "public/a")), "the rights")


def test_groups_count(shared, place):
    member = users.Identity(users.STRANGER + 5, users.STRANGER + 7)
    for path in (place.manifest_path("private"), place.segment("private", "a")):
        os.chown(path, 0, member.gid)
        os.chmod(path, 0o640)
    shared.eventually(lambda: member.run(lambda: readable(shared / "private/a")), "the rights")
    with pytest.raises(PermissionError):
        as_stranger((shared / "private/a").read_bytes)


def test_a_manifest_cannot_lend_its_owner_the_daemons_rights(shared, place):
    """A user names root's memory in a manifest of his own: root's daemon must not show it to him."""
    name = place.segment("private", "a").name
    leaf = {"shm_name": name, "shm_private_name": "/" + name, "shape": [12], "dtype": "int64", "attrs": {}}
    place.write_manifest("thief", toml_text.document({"x": leaf}), 0o644)
    os.chown(place.manifest_path("thief"), users.STRANGER, users.STRANGER)
    shared.eventually((shared / "thief").is_dir, "the project")
    assert not as_stranger(lambda: (shared / "thief/x").exists())
    assert 'state = "broken"' in as_stranger((shared / "thief/x.meta").read_text)
    place.unlink("thief").succeeded()
    assert (place.shm / name).exists()


def test_a_users_mount_is_closed_to_others(mount, access, place):
    """Without allow_other not even root gets in."""
    if access.as_root or not access.identity:
        pytest.skip("about the daemon of a user")
    assert os.listdir(mount.path) == []
    assert "allow_other" not in mounting.options_of(mount.path)


def test_roots_mount_has_both_options(mount, access):
    if not access.as_root:
        pytest.skip("about the daemon of root")
    assert {"allow_other", "default_permissions"} <= set(mounting.options_of(mount.path))


# --- whose registry everybody may write into --------------------------------------------------------------------------


def status_of(path):
    st = os.stat(path)
    return st.st_uid, st.st_gid, st.st_mode, st.st_size, st.st_nlink, path.read_bytes()


def write_as(identity, path, text, mode=0o644):
    """A file of that user in the registry, at one stroke."""

    def write():
        temporary = path.with_name(f"tmp-{path.name}")
        temporary.write_text(text)
        temporary.chmod(mode)
        temporary.rename(path)

    identity.run(write)


@pytest.fixture
def hostile(shared, place):
    """hers/a is the victim's; `other` has a project of his own, with x."""
    place.load("mine", h5.sample(place.files / "mine.h5"), "--mode=0644", identity=users.other_stranger).succeeded()
    shared.eventually((shared / "mine/a").exists, "the project")
    os.chmod(place.segment("hers", "a"), 0o600)
    return shared


def shows_anothers(path):
    return path.exists() and path.stat().st_uid == users.STRANGER


ATTEMPTS = {
    "read": lambda p: (p / "a").read_bytes(),
    "read npy": lambda p: (p / "a.npy").read_bytes(),
    "truncate": lambda p: os.truncate(p / "a", 8),
    "truncate at open": lambda p: os.close(os.open(p / "a", os.O_WRONLY | os.O_TRUNC)),
    "chmod": lambda p: os.chmod(p / "a", 0o666),
    "chgrp": lambda p: os.chown(p / "a", -1, users.other_stranger.gid),
    "touch": lambda p: os.utime(p / "a", (1, 1)),
    "link": lambda p: os.link(p / "a", p / "linked"),
    "move": lambda p: os.rename(p / "a", p / "moved"),
    "move to another": lambda p: (os.mkdir(p.parent / "mine-too"), os.rename(p / "a", p.parent / "mine-too/a")),
    "declare": lambda p: (p / "a.meta").write_text('[array]\ndtype = "uint8"\nshape = [1]\n'),
    "write npy": lambda p: (p / "a.npy").write_bytes(b"\x93NUMPY"),
    "create": lambda p: (p / "a").write_bytes(b"mine"),
    "chgrp of the project": lambda p: os.chown(p, -1, users.other_stranger.gid),
    "chmod of the project": lambda p: os.chmod(p, 0o666),
    "unlink": lambda p: os.unlink(p / "a"),
    "unlink the sidecar": lambda p: os.unlink(p / "a.meta"),
    "rename the project": lambda p: os.rename(p, p.with_name("renamed")),
    "rmdir": lambda p: os.rmdir(p),
}


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_a_manifest_that_names_anothers_segment_gives_no_right_to_it(hostile, place, attempt):
    """Put in the place of one that the kernel and the daemon know as his own."""
    victim, own = place.segment("hers", "a"), place.segment("mine", "a")
    victim.write_bytes(b"secret! " * (victim.stat().st_size // 8))
    before = status_of(victim)
    as_other(lambda: (hostile / "mine/a").stat())
    text = place.manifest_path("mine").read_text().replace(own.name, victim.name)
    write_as(users.other_stranger, place.manifest_path("mine"), text)
    found = None
    for _ in range(2):  # before it is known, perhaps, and after
        with contextlib.suppress(OSError):
            found = as_other(lambda: ATTEMPTS[attempt](hostile / "mine"))
        assert not isinstance(found, bytes) or b"secret" not in found
        hostile.eventually(lambda: not shows_anothers(hostile / "mine/a"), "nothing of hers")
    assert status_of(victim) == before
    own.unlink(missing_ok=True)


FORGED = {
    "a pending file": lambda place, victim: (".pending.forged", f"{victim}\n"),
    "a pending file that gives": lambda place, victim: (
        ".pending.forged",
        f"!owner\tmine\t0\t0\t600\n!give\t{victim}\t{users.other_stranger.uid}\t0\t{users.STRANGER}\t0\n!end\n",
    ),
    "a journal": lambda place, victim: (".journal.hers", "0 0 remove\n"),
    "a manifest of its name": lambda place, victim: ("cute-shm.hers.x.toml", f'[x]\nshm_name = "{victim}"\nshape = [1]\n'),
}


@pytest.mark.parametrize("case", FORGED)
def test_files_in_the_registry_are_obeyed_as_far_as_their_owner_may(hostile, place, case):
    victim = place.segment("hers", "a")
    before, manifest = status_of(victim), place.manifest("hers").tree
    name, text = FORGED[case](place, victim.name)
    write_as(users.other_stranger, place.registry / name, text, 0o666)
    as_stranger(lambda: os.mkdir(hostile / "next"))  # who comes next looks after what is left
    as_stranger(lambda: os.rmdir(hostile / "next"))
    assert (status_of(victim), place.manifest("hers").tree) == (before, manifest)
    as_stranger(lambda: os.rename(hostile / "hers/a", hostile / "hers/moved"))
    assert as_stranger((hostile / "hers/moved").read_bytes) == before[-1]
    (place.registry / name).unlink(missing_ok=True)


def test_a_dead_writers_list_of_roots_may_name_anybodys_memory(shared, place):
    left = [place.new_segment("gone", b"of a dead writer") for _ in range(2)]
    os.chown(place.shm / left[0], users.STRANGER, users.STRANGER)
    place.write_file(place.registry / ".pending.12345", "".join(f"{name}\n" for name in left).encode())
    shared.eventually(lambda: not place.segments() & set(left), "the end of what was left")


@pytest.mark.parametrize("name", ("cute-shm.fake.toml", ".journal.mine", ".pending.fake"))
def test_a_symbolic_link_in_the_registry_is_followed_by_nobody(hostile, place, name):
    target = place.manifest_path("hers")
    before = target.stat().st_uid, target.stat().st_mode, target.read_bytes()
    as_other(lambda: (place.registry / name).symlink_to(target))
    for act in (
        lambda: os.chmod(hostile / "fake", 0o666),
        lambda: os.rename(hostile / "mine/a", hostile / "mine/moved"),
        lambda: os.mkdir(hostile / "mine/g"),
        lambda: os.rmdir(hostile / "fake"),
        lambda: os.chmod(hostile / "mine", 0o666),
        lambda: os.mkdir(hostile / "fake"),
    ):
        with contextlib.suppress(OSError):
            as_other(act)
    assert (target.stat().st_uid, target.stat().st_mode, target.read_bytes()) == before
    (place.registry / name).unlink(missing_ok=True)


def test_giving_a_project_gives_nothing_that_is_not_its_owners(hostile, place):
    """Root gives away a project whose manifest names another's segment."""
    victim, own = place.segment("hers", "a"), place.segment("mine", "a")
    before = status_of(victim)
    text = place.manifest_path("mine").read_text().replace(own.name, victim.name)
    write_as(users.other_stranger, place.manifest_path("mine"), text)
    own.unlink()
    hostile.eventually(lambda: not (hostile / "mine/a").exists(), "the forged manifest")
    os.chown(hostile / "mine", users.NOBODY, users.NOBODY)
    assert place.manifest_path("mine").stat().st_uid == users.NOBODY
    assert status_of(victim) == before
