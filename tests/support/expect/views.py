# SPDX-License-Identifier: MIT
"""What is there: a project as its manifest and segments say it, and as the mount shows it."""

import mmap
import os
import re
import stat
import tomllib

from .. import fsnames, manifest
from .model import Actual

SMALL = 1 << 16  # bytes
FACTS = ("kind", "shape", "dtype", "encoding", "tag", "enum")


def from_manifest(text, shm):
    """Keys as bytes."""
    read = manifest.Manifest(text)
    root = _group(read.tree, read, (), shm)
    for path, node in read.nodes.items():
        if node.get("shape") == "null":
            _put(root, path, node)
    return root


def _group(table, read, path, shm):
    node = read.node(*path)
    group = Actual("group", _facts(node), *_attributes(node, node))
    for key, item in table.items():
        if manifest.is_leaf(item):
            group.children[_key(key, item)] = _leaf(item, shm)
        elif isinstance(item, dict):
            here = path + (key,)
            group.children[_key(key, read.node(*here))] = _group(item, read, here, shm)
    return group


def _leaf(leaf, shm):
    return Actual(
        "array", _facts(leaf), *_attributes(leaf, leaf), segment=leaf["shm_name"],
        open=lambda: _bytes(shm / leaf["shm_name"]),
    )  # fmt: skip


def _put(root, path, node):
    group = root
    for key in path[:-1]:
        group = group.children[_key(key, {})] if _key(key, {}) in group.children else group
    made = Actual("null", _facts(node), *_attributes(node, node))
    group.children[_key(path[-1], node)] = made


def _key(key, facts):
    return _plain(key) if facts.get("bytes_name") else key.encode("utf-8")


def _plain(key):
    return re.sub(rb"%([0-9A-Fa-f]{2})", lambda found: bytes([int(found[1], 16)]), key.encode("utf-8"))


def _attributes(tables, facts):
    """Values and types; names that are not UTF-8 as Python spells such bytes."""
    both = tables.get("attrs", {}), tables.get("attr_types", {})
    if not facts.get("bytes_attrs"):
        return both
    return tuple({_plain(name).decode("utf-8", "surrogateescape"): item for name, item in one.items()} for one in both)


def _facts(table):
    return {key: table[key] for key in FACTS if key in table}


def _bytes(path, dir_fd=None):
    fd = os.open(path, os.O_RDONLY, dir_fd=dir_fd)
    try:
        size = os.fstat(fd).st_size
        if size <= SMALL:  # Python's mappings keep a descriptor each
            return os.pread(fd, size, 0)
        return mmap.mmap(fd, 0, prot=mmap.PROT_READ)
    finally:
        os.close(fd)


def from_mount(path):
    """Entry names stand for keys. Directories are entered one by one, since paths may be too long for a call."""
    return _directory(os.open(path, os.O_RDONLY | os.O_DIRECTORY))


def _directory(fd):
    names = [os.fsencode(name) for name in os.listdir(fd)]
    about = _sidecar(b".meta", fd) if b".meta" in names else {}
    group = Actual("group", _facts(about.get("group", {})), *_attributes(about, about.get("group", {})))
    arrays = {name[: -len(b".meta")] for name in names if name.endswith(b".meta") and name != b".meta"}
    for name in sorted(arrays.union(names)):
        if name.endswith(b".meta"):
            continue
        if name not in names or not stat.S_ISDIR(os.stat(name, dir_fd=fd).st_mode):
            group.children[name] = _file(name, fd, name in names)
        else:
            group.children[name] = _directory(os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd))
    os.close(fd)
    return group


def _file(name, fd, has_data):
    about = _sidecar(name + b".meta", fd)
    array = about["array"]
    content = _bytes(name, fd) if has_data else None
    return Actual(
        "array" if has_data else "null", _facts(array), *_attributes(about, array),
        segment=array.get("segment"), open=lambda: content,
    )  # fmt: skip


def _sidecar(name, fd):
    found = os.open(name, os.O_RDONLY, dir_fd=fd)
    with open(found, "rb") as file:
        text = file.read()
        assert os.fstat(found).st_size == len(text), f"the size of {name!r} is not that of its text"
    return tomllib.loads(text.decode("utf-8"))


def child(group, key, on_mount):
    """The child of this key, and under which name it is there."""
    if not on_mount:
        return (group.children[key], key) if key in group.children else (None, None)
    name = fsnames.encode(key)
    if name is None:
        name = next((entry for entry in group.children if fsnames.long_name_matches(key, entry)), None)
    return group.children.get(name), name
