# SPDX-License-Identifier: MIT
"""A whole file as h5py sees it, as the tree that must come out of loading it."""

import h5py
import numpy as np
from h5py import h5a, h5g, h5l, h5o, h5r, h5s, h5t

from . import attributes, types
from .model import Expected, TooBig, Unreadable

NODES_MAX = 50_000
BYTES_MAX = 1 << 30
ERRORS = (OSError, KeyError, ValueError, TypeError, RuntimeError, NotImplementedError, UnicodeError, AttributeError,
          MemoryError, OverflowError, Unreadable, IndexError, SystemError)  # fmt: skip


def expected_tree(path):
    """Raises what h5py raises when the file does not open at all."""
    return Walk(h5py.File(path, "r")).tree()


class Walk:
    def __init__(self, file):
        self.file = file
        self.nodes = 0

    def tree(self):
        root = h5o.open(self.file.id, b"/")
        return self._group(root, [identity(root)])

    # --- objects ------------------------------------------------------------------------------------------------------

    def _group(self, gid, ancestors):
        group = Expected("group", attributes=self._attributes(gid))
        for name in gid:
            child = self._child(gid, name, ancestors)
            if child is not None:
                group.children[name] = child
        return group

    def _child(self, gid, name, ancestors):
        self.nodes += 1
        if self.nodes > NODES_MAX:
            raise TooBig(f"more than {NODES_MAX} objects")
        link = gid.links.get_info(name).type
        if link not in (h5l.TYPE_HARD, h5l.TYPE_SOFT, h5l.TYPE_EXTERNAL):
            return None
        try:
            oid = h5o.open(gid, name)
        except ERRORS as error:
            return None if link != h5l.TYPE_HARD else Expected("unreadable", why=str(error))
        if isinstance(oid, h5t.TypeID):
            return None
        if isinstance(oid, h5g.GroupID):
            if identity(oid) in ancestors:
                return None
            return self._group(oid, ancestors + [identity(oid)])
        return self._dataset(oid)

    def _dataset(self, did):
        try:
            made = self._values(did)
        except ERRORS as error:
            made = Expected("unreadable", why=f"{type(error).__name__}: {error}")
        made.attributes = self._attributes(did)
        made.identity = identity(did)
        return made

    def _values(self, did):
        tid, space = did.get_type(), did.get_space()
        dtype = types.numpy_type(tid)
        if space.get_simple_extent_type() == h5s.NULL:
            return Expected("null", shape="null", dtype=str(dtype) if dtype is not None else None)
        shape = space.shape
        if np.prod(shape, dtype=object) * tid.get_size() > BYTES_MAX:
            raise TooBig(f"{shape} of {tid.get_size()} bytes")
        if dtype is None:
            return self._raw(did, tid, shape)
        array = np.zeros(shape, dtype)
        did.read(h5s.ALL, h5s.ALL, array, tid if dtype.kind == "V" and not dtype.names else h5t.py_create(dtype))
        return types.convert(tid, array, self)

    @staticmethod
    def _raw(did, tid, shape):
        if tid.get_class() not in (h5t.INTEGER, h5t.FLOAT, h5t.TIME, h5t.BITFIELD):
            raise Unreadable("no numpy type")
        array = np.zeros(shape, f"V{tid.get_size()}")
        did.read(h5s.ALL, h5s.ALL, array, tid)
        return types.raw(shape, array)

    def _attributes(self, oid):
        found = {}
        try:
            count = h5a.get_num_attrs(oid)
        except ERRORS:
            return {None: None}
        for at in range(count):
            try:
                aid = h5a.open(oid, index=at)
                name = aid.name
            except ERRORS:
                found[None] = None
                continue
            name = name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else name
            try:
                found[name] = attributes.form_of(aid, self)
            except ERRORS:
                found[name] = None
        return found

    # --- references ---------------------------------------------------------------------------------------------------

    def object_path_check(self, reference, text):
        """A complaint, or None if `text` is a path of what the reference points at."""
        target = self._target(reference)
        if target is None:
            return None if text == b"" else f"reference to nothing is {text!r}"
        if text == b"":
            return None if h5r.get_name(reference, self.file.id) in (None, b"") else "reference lost"
        return self._same(target, text)

    def region_path_check(self, reference, text):
        target = self._target(reference)
        if target is None:
            return None if text == b"" else f"region reference to nothing is {text!r}"
        words = text.split(b" ")
        ways = [b" ".join(words[:count]) for count in range(1, len(words) + 1)]
        return None if any(self._same(target, way) is None for way in ways) else f"{text!r} is not its target"

    def _target(self, reference):
        if not reference:
            return None
        try:
            return identity(h5r.dereference(reference, self.file.id))
        except ERRORS:
            return None

    def _same(self, target, path):
        try:
            found = identity(h5o.open(self.file.id, path))
        except ERRORS:
            return f"there is no {path!r}"
        return None if found == target and path.startswith(b"/") else f"{path!r} is something else"


def identity(oid):
    info = h5o.get_info(oid)
    return info.fileno, info.addr
