# SPDX-License-Identifier: MIT
"""A daemon that is killed in the middle of a change leaves the state before it or after it, and nothing else.

CUTESHMFS_KILLS (60) says how much of this is run, as for the journal: with more than 60 every change in every way of showing
arrays, and all those of a large project; a twentieth of it are the kills at random moments."""

import ast
import contextlib
import errno
import io
import os
import random
import re
import subprocess
import sys

import numpy as np
import pytest

from support import content, fatal, toml_text
from support.waiting import wait_until

DIED = {errno.ENOTCONN, errno.ECONNABORTED, errno.EIO, errno.ECONNREFUSED, errno.ENODEV}
MOST_CALLS = 80  # that one change may make
FOLDED = 8.0
KILLS = int(os.environ.get("CUTESHMFS_KILLS", "60"))
THOROUGH = KILLS > 60
MANY = 700  # arrays: a manifest that is too long to be folded at once


# --- what is there ----------------------------------------------------------------------------------------------------


def litter(place):
    return {name for name in place.in_registry() if name != ".lock" and not re.fullmatch(r"cute-shm\..+\.toml", name)}


def orphans(place):
    named = set()
    for project in place.projects():
        named |= place.manifest(project).segments()
    return place.segments() - named


def settled(place):
    """Everything that is known, once nothing is left in a journal."""
    wait_until(lambda: not litter(place), f"a registry without {litter(place)}", FOLDED)
    return content.of_registry(place)


def as_shown(mount):
    """Names and sizes on the mount."""
    found = {}
    for folder, folders, files in os.walk(mount.path):
        below = os.path.relpath(folder, mount.path)
        found.update({os.path.join(below, name): None for name in folders})
        for name in files:
            size = os.stat(os.path.join(folder, name)).st_size
            found[os.path.join(below, name)] = "text" if name.endswith(".meta") else size
    return found


# --- the changes: lists of steps, each one system call of a program -------------------------------------------------


class Hands:
    """What a program has open between its system calls."""

    def __init__(self, top):
        self.top = top
        self.fd = -1

    def path(self, name):
        return os.path.join(self.top, name)

    def open(self, name, flags, mode=0o600):
        self.fd = os.open(self.path(name), flags, mode)

    def write(self, data):
        assert os.write(self.fd, data) == len(data)

    def close(self):
        fd, self.fd = self.fd, -1
        os.close(fd)

    def drop(self):
        with contextlib.suppress(OSError):
            if self.fd >= 0:
                self.close()


def opened(name, flags, mode=0o600):
    return lambda hands: hands.open(name, flags, mode)


def wrote(data):
    return lambda hands: hands.write(data)


def closed(hands):
    hands.close()


def did(call, *names, more=()):
    return lambda hands: call(*[hands.path(name) for name in names], *more)


def writing(name, data, flags=os.O_WRONLY | os.O_CREAT | os.O_TRUNC):
    return [opened(name, flags), wrote(data), closed]


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


SIDECAR = b'[array]\ndtype = "float64"\nshape = [5, 3]\n[attrs]\nunits = "m"\n'
COPIED = b'[array]\ndtype = "int16"\nshape = [4]\nsegment = "cute-shm.q.Qw3rT9yUiO"\n[attrs]\nn = 1\n'
CHANGES = {
    "mkdir of a project": [did(os.mkdir, "new", more=(0o700,))],
    "mkdir of a group": [did(os.mkdir, "p/new", more=(0o700,))],
    "rmdir of a project": [did(os.rmdir, "none")],
    "rmdir of a group": [did(os.rmdir, "p/hollow")],
    "unlink": [did(os.unlink, "p/a")],
    "unlink of one of two names": [did(os.unlink, "p/twin")],
    "unlink of a sidecar": [did(os.unlink, "p/a.meta")],
    "unlink of a project's sidecar": [did(os.unlink, "p/.meta")],
    "rename within a group": [did(os.rename, "p/a", "p/z")],
    "rename between groups": [did(os.rename, "p/a", "p/g/z")],
    "rename between projects": [did(os.rename, "p/a", "q/z")],
    "rename onto an array": [did(os.rename, "p/a", "p/b")],
    "rename onto an array of another project": [did(os.rename, "p/a", "q/c")],
    "rename of a group": [did(os.rename, "p/g", "p/h")],
    "rename of a group to another project": [did(os.rename, "p/g", "q/g")],
    "rename of a project": [did(os.rename, "p", "r")],
    "rename of a project onto an empty one": [did(os.rename, "p", "none")],
    "a group becomes a project": [did(os.rename, "p/g", "r")],
    "a project becomes a group": [did(os.rename, "q", "p/q")],
    "a sidecar makes an array": writing("p/new.meta", SIDECAR),
    "a sidecar that waits": writing("p/new.meta", COPIED),
    "a sidecar changes attributes": writing("p/a.meta", b'[attrs]\nunits = "m"\n'),
    "a sidecar changes the shape": writing("p/a.meta", b'[array]\ndtype = "int32"\nshape = [4, 6]\n'),
    "a group's sidecar": writing("p/g/.meta", b"[attrs]\nn = 1\n"),
    "chmod of a project": [did(os.chmod, "p", more=(0o750,))],
    "chmod of an array": [did(os.chmod, "p/a", more=(0o640,))],
    "npy makes an array": writing("p/new.npy", npy(np.arange(6.0).reshape(2, 3))),
    "npy replaces an array": writing("p/a.npy", npy(np.arange(6.0).reshape(2, 3))),
    "npy in Fortran order": writing("p/new.npy", npy(np.asfortranarray(np.arange(6.0).reshape(2, 3)))),
}
RAW = {  # not through symbolic links
    "create": [opened("p/new", os.O_WRONLY | os.O_CREAT | os.O_EXCL), closed],
    "create in an empty project": [opened("none/new", os.O_WRONLY | os.O_CREAT | os.O_EXCL), closed],
    "create and write": writing("p/new", b"some bytes"),
    "write over an array": writing("p/a", bytes(range(100))),
    "append": writing("p/a", bytes(48), os.O_WRONLY | os.O_APPEND),
    "append of less than a row": writing("p/a", bytes(5), os.O_WRONLY | os.O_APPEND),
    "fill an empty array": writing("p/empty", bytes(56), os.O_WRONLY),
    "truncate up": [did(os.truncate, "p/a", more=(240,))],
    "truncate down": [did(os.truncate, "p/a", more=(16,))],
    "truncate to nothing": [did(os.truncate, "p/a", more=(0,))],
    "allocate": [opened("p/a", os.O_RDWR), lambda hands: os.posix_fallocate(hands.fd, 0, 144), closed],
    "write and sync": [opened("p/a", os.O_WRONLY | os.O_APPEND), wrote(bytes(24)), lambda hands: os.fsync(hands.fd), closed],
    "link": [did(os.link, "p/a", "p/z")],
    "link into another project": [did(os.link, "p/a", "q/z")],
    "write beside, then rename": [*writing("p/tmp", bytes(24)), did(os.rename, "p/tmp", "p/a")],
    "a sidecar is renamed onto": [*writing("p/tmp", b"[attrs]\nn = 2\n"), did(os.rename, "p/tmp", "p/a.meta")],
    "npy is renamed onto": [*writing("p/tmp", npy(np.arange(3))), did(os.rename, "p/tmp", "p/new.npy")],
    "data that a sidecar waits for": [*writing("p/new.meta", COPIED), *writing("p/new", bytes(8))],
}
IN_A_LARGE_PROJECT = ["unlink", "a sidecar makes an array"]
if THOROUGH:
    IN_A_LARGE_PROJECT += [
        "mkdir of a group", "rename within a group", "rename between projects", "a sidecar changes attributes",
        "create and write", "truncate down", "rename of a project",
    ]  # fmt: skip


def lay_out(place, large=False):
    """Always the same: p with something of each kind, q, and a project that has nothing."""
    many = {f"m{number:04d}": np.array(number, "u2") for number in range(MANY if large else 0)}
    arrays = {"a": np.arange(12).reshape(4, 3), "b": np.ones(3, "f4"), "twin": np.arange(4), "empty": np.zeros((0, 7), "i8"),
              "g": {"g1": np.arange(2), "deep": {"d": np.arange(3)}}, "hollow": {}, **many}  # fmt: skip
    extension = '#~ version = 1\n#~ [[node]]\n#~ path = []\n#~ [node.attrs]\n#~ title = "p"\n'
    tree = place.lay_out("p", arrays)
    tree["same"] = dict(tree["twin"])
    tree["a"]["attrs"] = {"units": "s"}
    place.write_manifest("p", extension + toml_text.document(tree))
    place.publish("q", {"c": np.arange(9)})
    place.publish("none", {})


# --- at every system call -------------------------------------------------------------------------------------------


def run_steps(mount, steps):
    """How many were done, and the error that ended them."""
    hands = Hands(mount.path)
    try:
        for number, step in enumerate(steps):
            try:
                step(hands)
            except OSError as error:
                return number, error
        return len(steps), None
    finally:
        hands.drop()


def reference(mount, place, steps):
    """The states after each step, the one before the first included."""
    states, hands = [settled(place)], Hands(mount.path)
    try:
        for step in steps:
            step(hands)
            states.append(settled(place))
    finally:
        hands.drop()
    return states


def begin_anew(mount, place, large):
    """The projects as they were at first, and a daemon that shows them."""
    if place.projects():
        place.unlink(*sorted(place.projects())).succeeded()
    assert not place.segments() and not litter(place)
    lay_out(place, large)
    mount.eventually(lambda: shows_all(mount), "the projects")


def shows_all(mount):
    try:
        return {"p", "q", "none"} <= set(os.listdir(mount.path)) and (mount / "p/hollow").is_dir() and (mount / "q/c").exists()
    except OSError:
        return False


def plain(state):
    """Without what may be either way at any time: a mark that there may be a second name elsewhere, and the byte of an
    array without elements, which is taken away while somebody writes and given back later."""
    found = {}
    for project, facts in state.items():
        found[project] = {path: plain_leaf(fact) if "bytes" in fact else fact for path, fact in of_paths(facts)}
        found[project].update({key: fact for key, fact in facts.items() if not isinstance(key, tuple)})
    return found


def of_paths(facts):
    return [(path, fact) for path, fact in facts.items() if isinstance(path, tuple)]


def plain_leaf(fact):
    fact = {key: item for key, item in fact.items() if key != "linked"}
    if fact["bytes"] is not None and 0 in ast.literal_eval(fact["shape"]):
        a_byte = len(fact["bytes"]) == 1 and "rest" in fact  # that was written: what more there is can be nothing else
        fact.pop("rest", None)
        fact["bytes"] = fact["bytes"] if a_byte or len(fact["bytes"]) > 1 else b""
    return fact


def between(before, after):
    """A size that changes is in the manifest first where the file becomes shorter, and last where it becomes longer:
    the array is a short one and the bytes behind it are its rest. None where no size changes."""
    mixed = {project: dict(facts) for project, facts in after.items()}
    changed = False
    for project, facts in of_common_projects(before, after):
        for path, new in of_paths(facts):
            old = before[project].get(path, {})
            if old.get("bytes") is not None and new.get("bytes") is not None and len(old["bytes"]) != len(new["bytes"]):
                short, long = sorted((old, new), key=lambda fact: len(fact["bytes"]))
                mixed[project][path] = {**short, "bytes": long["bytes"]}
                changed = True
    return mixed if changed else None


def of_common_projects(before, after):
    return [(project, facts) for project, facts in after.items() if project in before]


def check_after(mount, place, name, calls, done, states):
    where = f"{name}, killed after {calls} calls and {done} steps"
    as_shown(mount)  # so that each project has been looked at
    now = settled(place)
    before, *after = [plain(state) for state in states[done : done + 2]]
    wanted = [before, *after, *[between(before, state) for state in after]]
    if plain(now) not in wanted:
        lines = [content.differences(flat(one), flat(plain(now))) for one in (before, *after)]
        raise AssertionError(f"{where}: neither before {lines[0]}\nnor after {lines[-1]}")
    wait_until(lambda: not orphans(place), f"{where}: memory without a name, {sorted(orphans(place))}", FOLDED)
    shown = as_shown(mount)
    for project, facts in now.items():
        for path, fact in of_paths(facts):
            if path and fact.get("bytes") is not None and not any("." in key for key in path):
                assert os.path.join(project, *path) in shown, f"{where}: {path} is not shown"


def flat(state):
    return {(project, key): fact for project, facts in state.items() for key, fact in facts.items()}


@pytest.fixture
def counter(place):
    return fatal.Counter(place)


def survives(mount, is_done, what):
    """What is let go of at last may be done later, and the counter reach its end while it is read."""
    wait_until(lambda: mount.process.poll() is not None or is_done(), what)
    return mount.process.poll() is None


def dies_at_every_call(unstarted, place, counter, name, steps, large=False):
    mount = unstarted
    lay_out(place, large)
    with counter.environment(place):
        mount.start()
    mount.eventually(lambda: shows_all(mount), "the projects")
    states = reference(mount, place, steps)
    for calls in range(1, MOST_CALLS):
        begin_anew(mount, place, large)
        before = settled(place)
        assert plain(before) == plain(states[0])
        counter.arm(calls)
        done, error = run_steps(mount, steps)
        left = counter.disarm()
        if left and survives(mount, lambda: plain(settled(place)) == plain(states[-1]), f"{name} to be done"):
            assert error is None, f"{name}: {error}"
            return
        assert error is None or error.errno in DIED, f"{name} after {calls} calls: {error}"
        mount.process.wait(20)
        mount.kill()
        with counter.environment(place):
            mount.start()
        check_after(mount, place, name, calls, done, states)
    raise AssertionError(f"{name} is not done after {MOST_CALLS} calls")


@pytest.mark.parametrize("name", CHANGES)
def test_killed_at_any_system_call_a_change_is_done_or_not(unstarted, place, counter, access, name):
    if access.name == "root-symlink" or access.identity and not THOROUGH:
        pytest.skip("as a user only if there is nobody else, or with CUTESHMFS_KILLS above 60")
    unstarted.longest = 300
    dies_at_every_call(unstarted, place, counter, name, CHANGES[name])


@pytest.mark.parametrize("name", RAW)
def test_killed_at_any_system_call_a_change_of_a_file_is_done_or_not(unstarted, place, counter, access, name):
    if access.symlinks:
        pytest.skip("raw files are not made through symbolic links")
    unstarted.longest = 300
    dies_at_every_call(unstarted, place, counter, name, RAW[name])


@pytest.mark.parametrize("name", IN_A_LARGE_PROJECT)
def test_killed_at_any_system_call_a_change_of_a_large_project_is_done_or_not(unstarted, place, counter, access, name):
    """There it is a line of the journal."""
    if access.name != "root-passthrough":
        pytest.skip("does not depend on how arrays are shown")
    unstarted.longest = 300
    dies_at_every_call(unstarted, place, counter, name, {**CHANGES, **RAW}[name], large=True)


# --- at random moments ----------------------------------------------------------------------------------------------

CHILD = r"""
import os, random, sys
top, seed = sys.argv[1], sys.argv[2]
chance, names, number = random.Random(seed), ["p/first"], 0
say = lambda *words: os.write(1, (" ".join(words) + "\n").encode())
def put(path, text):
    with open(path, "w") as file:
        file.write(text)
while True:
    number += 1
    act = chance.choice(["make", "make", "move", "remove", "attributes", "group"])
    if act == "make" or not names:
        act, name = "make", f"{chance.choice('pq')}/n{number}"
        call = lambda: put(f"{top}/{name}.meta", f'[array]\ndtype = "uint8"\nshape = [{number}]\n')
        after = [*names, name]
    elif act == "move":
        old, name = chance.choice(names), f"{chance.choice('pq')}/n{number}"
        call = lambda: os.rename(f"{top}/{old}", f"{top}/{name}")
        after = [name if one == old else one for one in names]
    elif act == "remove":
        name = chance.choice(names)
        call = lambda: os.unlink(f"{top}/{name}")
        after = [one for one in names if one != name]
    elif act == "attributes":
        name = chance.choice(names)
        call = lambda: put(f"{top}/{name}.meta", f"[attrs]\nn = {number}\n")
        after = names
    else:
        call = lambda: (os.mkdir(f"{top}/p/group"), os.rmdir(f"{top}/p/group"))
        after = names
    say("begin", *sorted(after))
    try:
        call()
    except OSError as error:
        say("error", str(error.errno))
        sys.exit()
    names = after
    say("end", *sorted(names))
"""


def arrays_of(place):
    return sorted("/".join((project, *path)) for project in place.projects() for path in place.manifest(project).leaves())


@pytest.mark.parametrize("seed", range(max(1, KILLS // 20)))
def test_killed_at_any_moment_all_that_was_done_is_there(unstarted, place, seed):
    """The last change, of which nothing was heard, was done or not."""
    place.publish("p", {"first": np.arange(3)})
    place.publish("q", {})
    mount = unstarted.start()
    mount.eventually((mount / "p/first").exists, "the projects")
    child = subprocess.Popen([sys.executable, "-c", CHILD, mount.path, str(seed)], stdout=subprocess.PIPE, bufsize=0)
    try:
        said = b"".join(child.stdout.readline() for _ in range(random.Random(seed).randrange(1, 600)))
        mount.kill()
        said = (said + child.communicate(timeout=60)[0]).decode().splitlines()
    finally:
        child.kill()
    assert said and said[-1].startswith("error"), said[-3:]
    assert int(said[-1].split()[1]) in DIED, said[-3:]
    ended = next((line.split()[1:] for line in reversed(said) if line.startswith("end")), ["p/first"])
    begun = said[-2].split()[1:]
    mount.start()
    settled(place)
    wait_until(lambda: not orphans(place), "the end of memory without a name", FOLDED)
    assert arrays_of(place) in (ended, begun)

