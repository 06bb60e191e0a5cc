# SPDX-License-Identifier: MIT
"""What a project is, without what differs between equal ones: names of segments, times, the order of nodes."""

import pathlib

from . import manifest
from .waiting import wait_until

PASSING = {"shm_name", "shm_private_name", "empty_rest"}  # of a leaf
WITHOUT_LEAF = ("kind", "shape", "dtype", "encoding", "enum", "tag", "state", "attrs", "attr_types", "bytes_name")


def of_project(place, project):
    """{path: facts}, from the manifest and the segments themselves; dictionaries of texts, so that nan equals nan."""
    wait_until(lambda: f".journal.{project}" not in place.in_registry(), "the manifest to have what the journal has")
    read = place.manifest(project)
    found = {path: _leaf(place, leaf) for path, leaf in read.leaves().items()}
    for path in _groups(read.tree, ()):
        found[path] = {"is": "group"}
    for path, node in read.nodes.items():
        facts = {key: repr(node[key]) for key in WITHOUT_LEAF if node.get(key)}
        found[path] = {**found.get(path, {"is": "group"}), **facts}
    return found


def of_registry(place):
    """All projects, with their modes and owners."""
    found = {}
    for project in place.projects():
        status = place.manifest_path(project).stat()
        found[project] = {"mode": oct(status.st_mode), "owner": (status.st_uid, status.st_gid), **of_project(place, project)}
    return found


def _leaf(place, leaf):
    facts = {key: repr(item) for key, item in sorted(leaf.items()) if key not in PASSING and item not in ({}, [])}
    segment = pathlib.Path(place.shm, leaf["shm_name"])
    facts["shape"] = repr(leaf["shape"])
    facts["bytes"] = segment.read_bytes() if segment.exists() else None
    facts["mode"] = oct(segment.stat().st_mode) if segment.exists() else None
    return facts


def _groups(tree, path):
    left = [(path, tree)]
    while left:
        here, group = left.pop()
        for key, item in group.items():
            if isinstance(item, dict) and not manifest.is_leaf(item):
                yield (*here, key)
                left.append(((*here, key), item))


def differences(one, other):
    """Lines for a person; none when they are equal."""
    lines = []
    for path in sorted({*one, *other}, key=repr):
        if one.get(path) != other.get(path):
            lines.append(f"{path}: {_shown(one.get(path))}\n  is now {_shown(other.get(path))}")
    return lines


def _shown(facts):
    if not isinstance(facts, dict):
        return facts
    return {key: item[:80] if isinstance(item, (bytes, str)) else item for key, item in facts.items()}
