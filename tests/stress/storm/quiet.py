# SPDX-License-Identifier: MIT
"""What must be so when all is quiet again: the tree is the manifests, the manifests are the segments, and no litter."""

import os
import re

import numpy as np
from support import programs
from support.waiting import wait_until

from .ledger import PRESENT, UNKNOWN
from .stamps import ARRAYS, NUMBER, RESIZED, Wrong, version_of

FOLDED = 5.0  # seconds until a journal is in its manifest, and a dead one's pending file is worked off
LEAK = 64 << 10  # KiB more than at the start
DESCRIPTORS = 8
META = ".meta"


def check(arena):
    place, mounts = arena.place, arena.mounts
    _recover(arena)
    wait_until(lambda: litter(place) == set(), f"a registry without {litter(place)}", FOLDED)
    for mount in mounts:
        _wait_equal(arena, mount)
    _check_segments(arena)
    _check_against_ledger(arena)
    _remove_everything(arena)
    _end(arena)


def _recover(arena):
    """Whoever comes next cleans up after who was killed."""
    place = arena.place
    place.publish("next", {"x": np.zeros(1)})
    place.unlink("next").succeeded()


def litter(place):
    return {name for name in place.in_registry() if name != ".lock" and not re.fullmatch(r"cute-shm\..+\.toml", name)}


# --- the tree ---------------------------------------------------------------------------------------------------------


def _wait_equal(arena, mount):
    wait_until(lambda: tree_of(mount.path) == wanted(arena), "a tree equal to the manifests", 3.0) if (
        tree_of(mount.path) != wanted(arena)
    ) else None
    for path in tree_of(mount.path):
        if path[-1].endswith(META):
            (mount.path / "/".join(path)).read_text()
        else:
            _check_content(arena, mount, path)


def tree_of(top):
    """Every data file and sidecar with its size, by path; sidecars of groups and projects apart."""
    found = {}
    for folder, _, files in os.walk(top):
        below = os.path.relpath(folder, top)
        keys = () if below == "." else tuple(below.split("/"))
        for name in files:
            if name[0] != ".":  # of groups, and what was being made when a daemon was killed
                path = (*keys, name)
                found[path] = None if name.endswith(META) else os.stat(os.path.join(folder, name)).st_size
    return found


def wanted(arena):
    """The same, from the manifests and the segments."""
    place, found = arena.place, {}
    for project in place.projects():
        for path, leaf in place.manifest(project).leaves().items():
            if path[-1].startswith("."):
                continue
            if leaf.get("declared", True):
                found[(project, *path[:-1], path[-1] + META)] = None
            size = data_size(place, leaf)
            if size is not None:
                found[(project, *path)] = size or int(arena.world.links)
    return found


def data_size(place, leaf):
    """Of the file that is to be shown; None for what is missing or cut short."""
    try:
        size = (place.shm / leaf["shm_name"]).stat().st_size
    except FileNotFoundError:
        return None
    whole = int(np.prod(leaf["shape"])) * np.dtype(leaf["dtype"]).itemsize
    if size < whole:
        return None
    return 0 if whole == 0 else size


def _check_content(arena, mount, path):
    try:
        version_of((mount.path / "/".join(path)).read_bytes(), path[0], NUMBER[path[1:]], arena.world.links)
    except Wrong as wrong:
        raise AssertionError(f"{path}: {wrong}") from wrong


# --- the memory -------------------------------------------------------------------------------------------------------


def _check_segments(arena):
    place = arena.place
    named = set()
    for project in place.projects():
        named |= place.manifest(project).segments()
    orphans = place.segments() - named
    assert not orphans, f"orphan segments: {sorted(orphans)}"


def _check_against_ledger(arena):
    """Every array of which everything is known. (What is missing was removed behind our back, and is known so.)"""
    ledger, place = arena.world.ledger, arena.place
    for project, name in enumerate(arena.world.projects):
        view = ledger.look(project)
        leaves = place.manifest(name).leaves() if name in place.projects() else {}
        for column, path in enumerate(ARRAYS):
            if view.state[column] == UNKNOWN or column == RESIZED:
                continue
            size = data_size(place, leaves[path]) if path in leaves else None
            there = size is not None
            assert there == (view.state[column] == PRESENT), (name, path, there, view)
            if there:
                data = (place.shm / leaves[path]["shm_name"]).read_bytes()[:size]
                assert version_of(data, name, column) in (None, view.version[column]), (name, path, view)


def _remove_everything(arena):
    place = arena.place
    for number, name in enumerate(sorted(place.projects())):
        os_path = arena.mounts[number % len(arena.mounts)].path
        done = programs.run(["rm", "-r", os_path / name], place.environment)
        assert (done.status, done.err) == (0, ""), done
    wait_until(lambda: place.in_registry() <= {".lock"}, "an empty registry", FOLDED)
    assert place.segments() == set()
    for mount in arena.mounts:
        wait_until(lambda mount=mount: os.listdir(mount.path) == [], "an empty mount", 3.0)
    if place._tmpfs:  # nobody holds what is removed
        wait_until(lambda: used_blocks(place.shm) == 0, "the memory of what was removed", 5.0)


def used_blocks(shm):
    room = os.statvfs(shm)
    return room.f_blocks - room.f_bfree


# --- the daemons ------------------------------------------------------------------------------------------------------


def resident(mount):
    return status_of(mount.process.pid, "VmRSS")


def status_of(pid, key):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(next(line.split()[1] for line in file if line.startswith(f"{key}:")))


def _end(arena):
    """All was removed, so that the kernel has let go of every name."""
    arena.resident = [(before, resident(mount)) for before, mount in zip(arena.resident, arena.mounts)]
    for mount in arena.mounts:
        descriptors = len(os.listdir(f"/proc/{mount.process.pid}/fd"))
        assert descriptors < 64, f"{descriptors} descriptors open"
    if not programs.are_sanitized():  # they keep what is freed for a while
        assert all(after < before + LEAK for before, after in arena.resident), f"resident, KiB: {arena.resident}"
    for mount in arena.mounts:
        mount.stop()
    arena.place._finish_strictly()
    arena.second.assert_no_reports()
    assert not (arena.place.base / "failures").exists()
