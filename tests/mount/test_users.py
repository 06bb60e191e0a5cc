# SPDX-License-Identifier: MIT
"""Who may do what through root's daemon: every operation by everybody on every mode, against one model of the rules."""

import contextlib
import ctypes
import dataclasses
import errno
import fcntl
import io
import os
import threading

import numpy as np
import pytest

from support import freezing, h5, toml_text, users
from support.waiting import wait_until

OWNER = users.stranger
MEMBER = users.Identity(users.STRANGER + 5, OWNER.gid)
OTHER = users.other_stranger
ROOT = users.Identity(0, 0)
WHO = {"owner": OWNER, "member": MEMBER, "other": OTHER, "root": ROOT}
MODES = (0o600, 0o640, 0o644, 0o660, 0o666)
PROTECTED_HARDLINKS = "/proc/sys/fs/protected_hardlinks"
OK = 0


# --- the model ------------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Rights:
    """Of one identity, in a project of OWNER with this mode, to an array of that mode."""

    who: users.Identity
    project: int
    array: int

    @property
    def root(self):
        return self.who == ROOT

    @property
    def owns(self):
        return self.root or self.who == OWNER

    def _bits(self, mode):
        if self.who == OWNER:
            return mode >> 6 & 7
        return (mode >> 3 if self.who.gid == OWNER.gid else mode) & 7

    def _folder(self):
        """A directory may be searched by whom it may be read."""
        bits = self._bits(self.project)
        return bits | (bits & 4) >> 2

    @property
    def lists(self):
        return self.root or self._folder() & 4

    @property
    def enters(self):
        return self.root or self._folder() & 1

    @property
    def changes(self):
        """Makes, removes and renames what is in it."""
        return self.root or self._folder() & 3 == 3

    @property
    def reads(self):
        return self.root or self.enters and self._bits(self.array) & 4

    @property
    def writes(self):
        return self.root or self.enters and self._bits(self.array) & 2

    @property
    def links(self):
        """What fs.protected_hardlinks asks."""
        with open(PROTECTED_HARDLINKS, encoding="ascii") as file:
            return self.owns or file.read().strip() == "0" or self._bits(self.array) & 6 == 6


def needs(right, otherwise=errno.EACCES):
    return lambda rights: OK if getattr(rights, right) else otherwise


def in_order(*checks):
    """The first that is not met says why."""
    return lambda rights: next((answer for answer in (check(rights) for check in checks) if answer), OK)


def only_of_ones_own(rights):
    """Root's own is everybody's."""
    return OK if rights.owns else errno.EPERM


changes, enters, reads, writes, lists = (needs(name) for name in ("changes", "enters", "reads", "writes", "lists"))
owns = needs("owns", errno.EPERM)
links = needs("links", errno.EPERM)


# --- the operations: on project p with an array x, a group g and nothing in `hollow`; `mine` is one's own project -----


@dataclasses.dataclass
class Scene:
    p: str
    mine: str

    def x(self, suffix=""):
        return os.path.join(self.p, "x" + suffix)


def opening(path_of, flags, data=None):
    def act(scene):
        fd = os.open(path_of(scene), flags, 0o640)
        try:
            if data is not None:
                assert os.write(fd, data) == len(data)
        except OSError:
            with contextlib.suppress(OSError):
                os.close(fd)
            raise
        os.close(fd)

    return act


def at(name):
    return lambda scene: os.path.join(scene.p, name)


def npy():
    file = io.BytesIO()
    np.save(file, np.arange(3))
    return file.getvalue()


ATTRIBUTES = b'[attrs]\nunits = "m"\n'
ARRAY = b'[array]\ndtype = "uint8"\nshape = [5]\n'
WRITE, MAKE = os.O_WRONLY, os.O_WRONLY | os.O_CREAT
CLEAR = os.O_WRONLY | os.O_TRUNC
own = lambda name: lambda scene: os.path.join(scene.mine, name)  # noqa: E731
call = lambda function, *paths, more=(): lambda scene: function(*[path(scene) for path in paths], *more)  # noqa: E731
project = lambda scene: scene.p  # noqa: E731
renamed = lambda scene: scene.p + "-moved"  # noqa: E731

ON_ARRAYS = {
    "open to read": (opening(at("x"), os.O_RDONLY), reads),
    "open to write": (opening(at("x"), WRITE), writes),
    "open for both": (opening(at("x"), os.O_RDWR), in_order(reads, writes)),
    "append": (opening(at("x"), os.O_WRONLY | os.O_APPEND, b"12345678"), writes),
    "truncate": (call(os.truncate, at("x"), more=(8,)), writes),
    "truncate at open": (opening(at("x"), CLEAR), writes),
    "set times": (call(os.utime, at("x"), more=((1, 1),)), in_order(enters, owns)),
    "touch": (call(os.utime, at("x")), in_order(enters, lambda rights: OK if rights.owns or rights.writes else errno.EACCES)),
    "chmod": (call(os.chmod, at("x"), more=(0o644,)), in_order(enters, owns)),
    "read the sidecar": (opening(at("x.meta"), os.O_RDONLY), reads),
    "write the sidecar": (opening(at("x.meta"), CLEAR, ATTRIBUTES), writes),
    "append to the sidecar": (opening(at("x.meta"), os.O_WRONLY | os.O_APPEND, b"# words\n"), writes),
    "read npy": (opening(at("x.npy"), os.O_RDONLY), reads),
    "write npy": (opening(at("x.npy"), CLEAR, npy()), writes),
    "link within": (call(os.link, at("x"), at("z")), in_order(enters, links, changes)),  # the kernel asks the sysctl first
    "stat": (call(os.stat, at("x")), enters),
}  # fmt: skip
IN_DIRECTORIES = {
    "list": (call(os.listdir, project), lists),
    "stat of a sidecar": (call(os.stat, at("x.meta")), enters),
    "create": (opening(at("new"), MAKE, b"data"), changes),
    "create exclusively": (opening(at("new"), MAKE | os.O_EXCL), changes),
    "create by a sidecar": (opening(at("new.meta"), MAKE, ARRAY), changes),
    "create by npy": (opening(at("new.npy"), MAKE, npy()), changes),
    "unlink": (call(os.unlink, at("x")), changes),
    "unlink the sidecar": (call(os.unlink, at("x.meta")), changes),
    "mkdir": (call(os.mkdir, at("new")), changes),
    "rmdir": (call(os.rmdir, at("hollow")), changes),
    "rename within": (call(os.rename, at("x"), at("y")), changes),
    "rename into a group": (call(os.rename, at("x"), at("g/x")), changes),
    "rename a group": (call(os.rename, at("g"), at("h")), changes),
    "rename onto": (call(os.rename, at("y"), at("x")), changes),
    "rename the sidecar away": (call(os.rename, at("x.meta"), at("text")), in_order(changes, reads)),  # a copy of its text
    "rename in": (call(os.rename, own("f"), at("f")), changes),
    "rename in onto": (call(os.rename, own("f"), at("x")), changes),
    "rename out": (call(os.rename, at("x"), own("x")), in_order(changes, only_of_ones_own)),
    "rename a group out": (call(os.rename, at("g"), own("g")), in_order(changes, only_of_ones_own)),
    "link out": (call(os.link, at("x"), own("x")), in_order(enters, only_of_ones_own)),
    "rmdir of the project": (call(os.rmdir, project), in_order(owns, lambda rights: errno.ENOTEMPTY)),
    "rename the project": (call(os.rename, project, renamed), owns),
    "chmod of the project": (call(os.chmod, project, more=(0o700,)), owns),
    "chown of the project": (call(os.chown, project, more=(OTHER.uid, OTHER.gid)), lambda rights: OK if rights.root else errno.EPERM),
    "chgrp of the project": (call(os.chown, project, more=(-1, OWNER.gid)), owns),
    "chown of an array": (call(os.lchown, at("x"), more=(OTHER.uid, -1)), in_order(enters, lambda rights: errno.EPERM)),
}  # fmt: skip
XATTRS = {
    "read dtype": (call(os.getxattr, at("x"), more=("user.cuteshm.dtype",)), reads),
    "read": (call(os.getxattr, at("x"), more=("user.units",)), reads),
    "set": (call(os.setxattr, at("x"), more=("user.units", b"kg")), writes),
    "remove": (call(os.removexattr, at("x"), more=("user.units",)), writes),
    "set dtype": (call(os.setxattr, at("x"), more=("user.cuteshm.dtype", b"int8")), in_order(writes, lambda rights: errno.EPERM)),
}  # fmt: skip
RAW = {"create", "create exclusively", "append", "truncate", "truncate at open", "rename the sidecar away", "open to write",
       "rename in", "rename in onto", "link within", "link out"}  # fmt: skip


# --- trying ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def everybody(unstarted, access):
    if not access.as_root:
        pytest.skip("about a daemon that serves others")
    unstarted.longest = 300
    return unstarted


def publish(place, name, owner, project_mode, array_mode, arrays):
    """Of a user, as his own programs would."""
    tree = place.lay_out(name, arrays, array_mode)
    for leaf in leaves(tree):
        os.chown(place.shm / leaf["shm_name"], owner.uid, owner.gid)
        if leaf["shape"]:
            leaf["attrs"] = {"units": "s"}
    temporary = place.registry / "made-whole"
    place.write_file(temporary, toml_text.document(tree).encode(), project_mode)
    os.chown(temporary, owner.uid, owner.gid)
    temporary.rename(place.manifest_path(name))


def leaves(tree):
    for item in tree.values():
        if "shm_name" in item:
            yield item
        else:
            yield from leaves(item)


def new_registry(place):
    place.registry.mkdir(exist_ok=True)
    place.registry.chmod(0o1777)


def try_all(mount, place, operations, project_mode, array_modes, *options):
    """Every operation by everybody, each on projects of its own. What was other than it should be, as lines."""
    new_registry(place)
    cases, wrong = [], []
    for array_mode in array_modes:
        for who in WHO:
            for operation in operations:
                if not (mount.symlinks and operation in RAW):
                    cases.append((array_mode, who, operation))
    for number, (array_mode, who, _) in enumerate(cases):
        arrays = {"x": np.arange(4), "y": np.arange(5), "g": {"g1": np.arange(2)}, "hollow": {}}
        publish(place, f"p{number}", OWNER, project_mode, array_mode, arrays)
        publish(place, f"mine{number}", WHO[who], 0o600, 0o600, {"f": np.arange(3)})
    mount.start(*options)
    for number, (array_mode, who, operation) in enumerate(cases):
        act, rule = operations[operation]
        expected = rule(Rights(WHO[who], project_mode, array_mode))
        scene = Scene(os.fspath(mount / f"p{number}"), os.fspath(mount / f"mine{number}"))
        found = outcome(WHO[who], act, scene)
        if found != expected:
            wrong.append(f"{operation} by {who}, project {project_mode:o}, array {array_mode:o}: "
                         f"{name_of(found)} instead of {name_of(expected)}")  # fmt: skip
    check_owners(place, wrong)
    return wrong


def outcome(identity, act, scene):
    try:
        if identity == ROOT:
            act(scene)
        else:
            identity.run(lambda: act(scene))
    except OSError as error:
        return error.errno
    return OK


def name_of(number):
    return errno.errorcode.get(number, "success")


def check_owners(place, wrong):
    """A project has one owner, and nobody got what was not his. (Root's own may hold what root moved there.)"""
    for project in place.projects():
        owner = place.manifest_path(project).stat().st_uid
        for path, leaf in place.manifest(project).leaves().items():
            found = (place.shm / leaf["shm_name"]).stat().st_uid
            if owner not in (0, found):
                wrong.append(f"{project} of {owner} has {path} of {found}")


@pytest.mark.parametrize("mode", MODES, ids=oct)
def test_what_is_done_to_an_array_depends_on_its_mode(everybody, place, mode):
    wrong = try_all(everybody, place, ON_ARRAYS, mode, MODES)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("mode", MODES, ids=oct)
def test_what_is_done_in_a_project_depends_on_its_mode(everybody, place, mode):
    wrong = try_all(everybody, place, IN_DIRECTORIES, mode, (0o600, 0o666))
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("mode", (0o600, 0o644), ids=oct)
def test_extended_attributes_are_checked_as_the_array_is(everybody, place, mode):
    if everybody.symlinks:
        pytest.skip("they are those of the segment, behind the link")
    wrong = try_all(everybody, place, XATTRS, mode, MODES, "-o", "xattr")
    assert not wrong, "\n".join(wrong)


# --- what is made belongs to whom -----------------------------------------------------------------------------------


def owner_of(path):
    status = os.lstat(path)
    return status.st_uid, status.st_gid


@pytest.fixture
def served(everybody, place):
    new_registry(place)
    publish(place, "hers", OWNER, 0o666, 0o666, {"x": np.arange(4)})
    publish(place, "roots", ROOT, 0o666, 0o666, {"x": np.arange(4)})
    return everybody.start()


def with_umask(identity, mask, function):
    """The umask is of the whole process."""
    before = os.umask(mask)
    try:
        return identity.run(function)
    finally:
        os.umask(before)


def test_what_a_user_makes_is_his(served, place):
    with_umask(OTHER, 0o022, lambda: os.mkdir(served / "his"))
    assert owner_of(served / "his") == (OTHER.uid, OTHER.gid)
    with_umask(OTHER, 0o027, lambda: (served / "his/x.meta").write_bytes(ARRAY))
    segment = place.segment("his", "x").stat()
    assert (segment.st_uid, segment.st_gid, segment.st_mode & 0o777) == (OTHER.uid, OTHER.gid, 0o640)
    assert (served / "his").stat().st_mode & 0o777 == 0o755


def test_what_is_made_in_anothers_project_is_the_owners(served, place):
    with_umask(OTHER, 0o022, lambda: (served / "hers/new.meta").write_bytes(ARRAY))
    assert place.segment("hers", "new").stat().st_uid == OWNER.uid


def test_what_is_made_in_roots_project_is_the_makers(served, place):
    with_umask(OTHER, 0o022, lambda: (served / "roots/new.meta").write_bytes(ARRAY))
    assert place.segment("roots", "new").stat().st_uid == OTHER.uid
    assert (served / "roots/new").stat().st_uid == OTHER.uid


def test_what_is_moved_into_anothers_project_is_the_owners(served, place):
    OTHER.run(lambda: os.mkdir(served / "his"))
    OTHER.run(lambda: (served / "his/x.meta").write_bytes(ARRAY))
    OTHER.run(lambda: os.rename(served / "his/x", served / "hers/moved"))
    assert place.segment("hers", "moved").stat().st_uid == OWNER.uid


def test_a_raw_file_is_made_with_the_umask(served, place):
    if served.symlinks:
        pytest.skip("raw files are not made through symbolic links")
    OTHER.run(lambda: os.mkdir(served / "his"))
    for mask, mode in ((0o022, 0o644), (0o077, 0o600), (0o007, 0o660)):
        with_umask(OTHER, mask, lambda: open(served / "his" / f"u{mask:o}", "xb").close())
        assert (served / "his" / f"u{mask:o}").stat().st_mode & 0o777 == mode


def test_chown_of_a_project_takes_all_along(served, place):
    os.chown(served / "hers", OTHER.uid, OTHER.gid)
    assert owner_of(place.manifest_path("hers")) == owner_of(place.segment("hers", "x")) == (OTHER.uid, OTHER.gid)
    assert OTHER.run((served / "hers/x").read_bytes) == np.arange(4).tobytes()


def test_a_foreign_empty_project_is_not_removed(served):
    OTHER.run(lambda: os.mkdir(served / "his"))
    with pytest.raises(PermissionError):
        MEMBER.run(lambda: os.rmdir(served / "his"))
    OTHER.run(lambda: os.rmdir(served / "his"))


STALE = {
    "create": lambda p: (p / "new").write_bytes(b"x"),
    "create by a sidecar": lambda p: (p / "new.meta").write_bytes(ARRAY),
    "create by npy": lambda p: (p / "new.npy").write_bytes(npy()),
    "mkdir": lambda p: os.mkdir(p / "new"),
    "unlink": lambda p: os.unlink(p / "x"),
    "unlink the sidecar": lambda p: os.unlink(p / "x.meta"),
    "rmdir": lambda p: os.rmdir(p / "hollow"),
    "rename": lambda p: os.rename(p / "x", p / "z"),
    "rename out": lambda p: os.rename(p / "x", p.with_name("mine") / "z"),
    "rename in": lambda p: os.rename(p.with_name("mine") / "f", p / "z"),
    "write the sidecar": lambda p: (p / "x.meta").write_bytes(ATTRIBUTES),
    "read the sidecar": lambda p: (p / "x.meta").read_bytes(),
    "read": lambda p: (p / "x").read_bytes(),
    "read npy": lambda p: (p / "x.npy").read_bytes(),
    "list": lambda p: os.listdir(p),
    "chmod": lambda p: os.chmod(p, 0o666),
}


@pytest.mark.parametrize("case", STALE)
def test_what_the_kernel_was_told_of_a_project_gives_no_right_to_the_next_of_that_name(everybody, place, case):
    """It is replaced by another user's, and nobody has told the kernel yet."""
    new_registry(place)
    arrays = {"x": np.arange(4), "hollow": {}}
    publish(place, "p", OTHER, 0o644, 0o644, arrays)
    publish(place, "mine", OTHER, 0o644, 0o644, {"f": np.arange(3)})
    everybody.start()
    for name in ("p/x", "p/x.meta", "p/x.npy", "p/hollow", "mine/f"):
        OTHER.run(lambda name=name: (everybody / name).lstat())
    old = place.segment("p", "x")
    with freezing.frozen(everybody.process, "watch"), freezing.frozen(everybody.process, "herald"):
        publish(place, "p", OWNER, 0o600, 0o600, {"x": np.arange(7), "hollow": {}})
        before = place.manifest("p").text
        found = None
        with contextlib.suppress(OSError):
            found = OTHER.run(lambda: STALE[case](everybody / "p"))
        assert place.manifest("p").text == before
        assert place.manifest_path("p").stat().st_mode & 0o777 == 0o600
        assert not isinstance(found, bytes) or np.arange(7).tobytes() not in found and b"[7]" not in found
    old.unlink(missing_ok=True)


# --- while the registry's lock is waited for -------------------------------------------------------------------------


def while_it_waits(mount, place, attempt, change):
    """What OTHER's attempt comes to; change() is made when it has been judged and waits for the registry's lock."""
    path = place.registry / ".lock"
    found = []
    attempting = threading.Thread(target=lambda: found.append(outcome(OTHER, lambda _: attempt(), None)))
    with open(path, "a+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        attempting.start()
        wait_until(lambda: has_open(mount.process, path), "the lock to be waited for")
        change()
    attempting.join()
    return found[0]


def has_open(process, path):
    for entry in os.scandir(f"/proc/{process.pid}/fd"):
        with contextlib.suppress(OSError):
            if os.readlink(entry.path) == os.fspath(path):
                return True
    return False


def test_another_users_project_does_not_go_for_a_damaged_one_of_that_name(everybody, place):
    new_registry(place)
    place.damage("p")
    os.chown(place.manifest_path("p"), OTHER.uid, OTHER.gid)
    everybody.start()
    assert owner_of(everybody / "p") == (OTHER.uid, OTHER.gid)

    def change():
        place.manifest_path("p").unlink()
        publish(place, "p", OWNER, 0o600, 0o600, {"x": np.arange(4)})

    assert while_it_waits(everybody, place, lambda: os.rmdir(everybody / "p"), change) == errno.EPERM
    assert owner_of(place.segment("p", "x")) == (OWNER.uid, OWNER.gid)


TAKEN = {
    "rename": lambda mount: os.rename(mount / "p", mount / "z"),
    "exchange": lambda mount: exchange(mount / "p", mount / "mine"),
    "exchange with it": lambda mount: exchange(mount / "mine", mount / "p"),
    "rename onto it": lambda mount: os.rename(mount / "mine", mount / "p"),
}


def exchange(one, other):
    result = freezing.libc.renameat2(-100, os.fsencode(one), -100, os.fsencode(other), 2)
    if result < 0:
        raise OSError(ctypes.get_errno(), "renameat2")


@pytest.mark.parametrize("case", TAKEN)
def test_another_users_project_is_not_renamed_for_one_that_had_its_name(everybody, place, case):
    new_registry(place)
    publish(place, "p", OTHER, 0o600, 0o600, {})
    publish(place, "mine", OTHER, 0o600, 0o600, {"f": np.arange(3)})
    everybody.start()
    assert owner_of(everybody / "p") == (OTHER.uid, OTHER.gid)
    change = lambda: publish(place, "p", OWNER, 0o600, 0o600, {})  # noqa: E731
    assert while_it_waits(everybody, place, lambda: TAKEN[case](everybody), change) == errno.EPERM
    assert owner_of(place.manifest_path("p")) == (OWNER.uid, OWNER.gid)
    assert place.projects() == {"p", "mine"}
    assert list(place.manifest("mine").leaves()) == [("f",)]


def append_to_journal(place, project, operation):
    """As another daemon would, of root's."""
    generation = place.manifest(project).extension["project"]["generation"]
    line = f"{generation} [{operation}]"
    checksum = 0xCBF29CE484222325
    for byte in line.encode():
        checksum = (checksum ^ byte) * 0x100000001B3 % 2**64
    place.write_file(place.registry / f".journal.{project}", f"{checksum:016x} {line}\n".encode())


def test_another_users_array_is_not_moved_for_one_that_was_there(everybody, place):
    if everybody.symlinks:
        pytest.skip("raw files are not made through symbolic links")
    new_registry(place)
    everybody.start()
    os.mkdir(everybody / "pub")
    os.chmod(everybody / "pub", 0o777)
    OTHER.run(lambda: os.mkdir(everybody / "his"))
    OTHER.run(lambda: (everybody / "pub/x").write_bytes(b"his own"))
    OWNER.run(lambda: (everybody / "pub/secret").write_bytes(b"secret"))
    os.chmod(everybody / "pub/secret", 0o600)
    wait_until(lambda: not (place.registry / ".journal.pub").exists(), "the journal to be folded")
    secret = place.segment("pub", "secret")
    swap = '{op = "move", path = ["x"], to = ["secret"], exchange = true}'
    change = lambda: append_to_journal(place, "pub", swap)  # noqa: E731
    attempt = lambda: os.rename(everybody / "pub/x", everybody / "his/x")  # noqa: E731
    assert while_it_waits(everybody, place, attempt, change) == errno.EPERM
    assert (everybody / "pub/x").read_bytes() == b"secret"
    assert owner_of(secret) == (OWNER.uid, OWNER.gid)
    assert os.listdir(everybody / "his") == []


# --- renaming, as POSIX has it ----------------------------------------------------------------------------------------


@pytest.fixture
def tree(place, unstarted, access):
    """p: arrays a and b, groups full and empty; q has array c."""

    def publish_both():
        place.publish("p", {"a": np.arange(2), "b": np.arange(3), "full": {"f": np.arange(4)}, "empty": {}})
        place.publish("q", {"c": np.arange(5)})

    (access.identity or ROOT).run(publish_both)
    return unstarted.start()


REFUSED = {
    "a file onto a group": ("p/a", "p/full", errno.EISDIR),
    "a file onto an empty group": ("p/a", "p/empty", errno.EISDIR),
    "a group onto a file": ("p/full", "p/a", errno.ENOTDIR),
    "a group onto one with content": ("p/empty", "p/full", errno.ENOTEMPTY),
    "a group into itself": ("p/full", "p/full/below", errno.EINVAL),
    "a project into itself": ("p", "p/full/below", errno.EINVAL),
    "onto its own parent": ("p/full/f", "p/full", errno.ENOTEMPTY),
    "a project onto one with content": ("q", "p", errno.ENOTEMPTY),
    "nothing": ("p/nothing", "p/z", errno.ENOENT),
    "into nothing": ("p/a", "p/nothing/z", errno.ENOENT),
    "below a file": ("p/a", "p/b/z", errno.ENOTDIR),
    "to a name that is too long": ("p/a", "p/" + "n" * 251, errno.ENAMETOOLONG),
    "a file to the top": ("p/a", "a", errno.EPERM),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_rename_is_refused_as_posix_says_and_changes_nothing(tree, place, case):
    old, new, number = REFUSED[case]
    before = place.manifest("p").tree, place.manifest("q").tree
    with pytest.raises(OSError) as caught:
        os.rename(tree / old, tree / new)
    assert errno.errorcode[caught.value.errno] == errno.errorcode[number]
    assert (place.manifest("p").tree, place.manifest("q").tree) == before


DONE = {
    "a file": ("p/a", "p/z"),
    "a file onto another": ("p/a", "p/b"),
    "a file onto another of another project": ("p/a", "q/c"),
    "a group": ("p/full", "p/z"),
    "a group onto an empty one": ("p/full", "p/empty"),
    "a group into another": ("p/full", "p/empty/z"),
    "a group to the top": ("p/full", "z"),
    "a project below another": ("q", "p/z"),
    "a project": ("p", "z"),
    "to the longest name": ("p/a", "p/" + "n" * 250),
    "to the same name": ("p/a", "p/a"),
}


@pytest.mark.parametrize("case", DONE)
def test_a_rename_is_done_as_posix_says(tree, place, case):
    old, new = DONE[case]
    before = os.lstat(tree / old)
    os.rename(tree / old, tree / new)
    after = os.lstat(tree / new)
    if old != new:
        assert not os.path.lexists(tree / old)
    assert (after.st_size, after.st_mode) == (before.st_size, before.st_mode)
    place.assert_consistent()


def test_a_rename_between_two_names_of_one_array_does_nothing(mount, place):
    """And both names stay."""
    if mount.symlinks:
        pytest.skip("links are files of their own")
    with h5.writing(place.files / "links.h5") as file:
        file["x"] = np.arange(5)
        file["y"] = file["x"]
    place.load("p", place.files / "links.h5").succeeded()
    mount.eventually((mount / "p/y").exists, "the project")
    os.rename(mount / "p/x", mount / "p/y")
    assert (mount / "p/x").stat().st_ino == (mount / "p/y").stat().st_ino


# --- what nobody is told, and nobody gets, by a detour ----------------------------------------------------------------



def everything_readable_by(identity, top):
    texts = []

    def look():
        for folder, _, files in os.walk(top):
            for name in [*files, *(name[:-5] for name in files if name.endswith(".meta"))]:
                with contextlib.suppress(OSError), open(os.path.join(folder, name), "rb") as file:
                    texts.append(file.read())

    identity.run(look)
    return b"".join(texts)


def put_raw(path):
    path.write_bytes(b"12345678")


ONTO = {
    "an undeclared array": lambda p: (put_raw(p / "new"), os.rename(p / "new", p / "x")),
    "an npy file": lambda p: ((p / "new").write_bytes(npy()), os.rename(p / "new", p / "x.npy")),
    "a sidecar's text": lambda p: ((p / "own.meta").write_bytes(ARRAY), os.rename(p / "own.meta", p / "x")),
}


@pytest.mark.parametrize("case", ONTO)
@pytest.mark.parametrize("owner", (OWNER, ROOT), ids=("users", "roots"))
def test_what_one_may_not_read_is_not_taken_over_by_what_one_puts_in_its_place(everybody, place, raw_files, case, owner):
    new_registry(place)
    publish(place, "hers", owner, 0o666, 0o600, {"x": np.arange(4)})
    everybody.start()
    assert b'units = "s"' not in everything_readable_by(OTHER, everybody / "hers")
    with_umask(OTHER, 0o000, lambda: ONTO[case](everybody / "hers"))
    assert b'units = "s"' not in everything_readable_by(OTHER, everybody / "hers")
    assert b'units = "s"' not in everything_readable_by(ROOT, everybody / "hers")


def test_what_one_may_read_is_taken_over(everybody, place, raw_files):
    new_registry(place)
    publish(place, "hers", OWNER, 0o666, 0o644, {"x": np.arange(4)})
    everybody.start()
    with_umask(OTHER, 0o022, lambda: ONTO["an undeclared array"](everybody / "hers"))
    assert b'units = "s"' in (everybody / "hers/x.meta").read_bytes()


BEGUN = {
    "a sidecar that is there": ("x.meta", os.O_WRONLY),
    "an emptied sidecar": ("x.meta", os.O_WRONLY | os.O_TRUNC),
    "a sidecar that is not there": ("z.meta", os.O_WRONLY | os.O_CREAT),
    "a sidecar of the project": (".meta", os.O_WRONLY | os.O_CREAT),
    "an npy file that is there": ("x.npy", os.O_WRONLY | os.O_TRUNC),
    "an npy file that is not there": ("z.npy", os.O_WRONLY | os.O_CREAT),
}


@pytest.mark.parametrize("case", BEGUN)
def test_what_was_begun_in_ones_own_project_is_not_done_to_anothers_of_that_name(everybody, place, case):
    """He opens, removes his project, another user makes one of that name, and he closes."""
    name, flags = BEGUN[case]
    new_registry(place)
    publish(place, "p", OTHER, 0o644, 0o644, {"x": np.arange(4)})
    everybody.start()
    text = npy() if name.endswith("npy") else ARRAY if name == "z.meta" else b'[attrs]\nforged = 1\n'
    fd = OTHER.run(lambda: os.open(everybody / "p" / name, flags, 0o644))
    os.write(fd, text)
    place.manifest_path("p").unlink()
    everybody.eventually(lambda: not (everybody / "p").exists(), "the removal")
    publish(place, "p", OWNER, 0o600, 0o600, {"x": np.arange(5)})
    everybody.eventually(lambda: (everybody / "p").exists() and (everybody / "p").stat().st_uid == OWNER.uid, "the new one")
    before = place.manifest("p").text
    with contextlib.suppress(OSError):
        OTHER.run(lambda: os.fsync(fd))
    with contextlib.suppress(OSError):
        OTHER.run(lambda: os.close(fd))
    assert place.manifest("p").text == before
    assert (everybody / "p/x").read_bytes() == np.arange(5).tobytes()
    assert sorted(os.listdir(everybody / "p")) == ["x", "x.meta"]
    os.unlink(place.shm / next(iter(place.segments() - place.manifest("p").segments())))
