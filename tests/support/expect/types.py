# SPDX-License-Identifier: MIT
"""What a dataset's type becomes (formats, section 6): an array, or a group of arrays."""

import h5py
import numpy as np
from h5py import h5t

from .model import Expected, Unreadable

INTEGER, FLOAT, TIME, STRING, BITFIELD, OPAQUE, COMPOUND, REFERENCE, ENUM, VLEN, ARRAY = (
    h5t.INTEGER, h5t.FLOAT, h5t.TIME, h5t.STRING, h5t.BITFIELD, h5t.OPAQUE, h5t.COMPOUND, h5t.REFERENCE, h5t.ENUM,
    h5t.VLEN, h5t.ARRAY,
)  # fmt: skip


def numpy_type(tid):
    """h5py's dtype of a type, None where it has none."""
    try:
        return tid.dtype
    except (TypeError, ValueError, NotImplementedError):
        return None


def convert(tid, array, context):
    """The expected object for the values `array`, which h5py read as its own dtype of `tid`.

    `context` resolves references: an object with the methods object_path_check and region_path_check.
    """
    kind = tid.get_class()
    if kind == ARRAY:
        return convert(tid.get_super(), array, context)
    if kind == COMPOUND and array.dtype.names:
        return _compound(tid, array, context)
    if kind == VLEN:
        return _ragged(tid, array, context)
    if kind == STRING:
        return _string(tid, array)
    if kind == REFERENCE:
        return _reference(tid, array, context)
    return _plain(tid, kind, array)


def _plain(tid, kind, array):
    dtype = array.dtype
    leaf = Expected("array", shape=array.shape, dtype=str(np.dtype(dtype.str)), data=array)
    if dtype.metadata:
        leaf.data = array.view(np.dtype(dtype.str))
    if kind == ENUM and dtype.kind != "b":
        leaf.members = {
            _text(tid.get_member_name(at)): int(tid.get_member_value(at)) for at in range(tid.get_nmembers())
        }
    if kind == BITFIELD:
        leaf.kind = "bitfield"
    if kind == OPAQUE and dtype.kind == "V":
        leaf.tag = _text(tid.get_tag())
    return leaf


def raw(shape, array):
    """Bytes of a type that nothing standard holds."""
    return Expected("array", shape=shape, dtype=str(array.dtype), data=array, kind="raw")


def _compound(tid, array, context):
    group = Expected("group", kind="compound", shape=array.shape)
    at = {tid.get_member_name(number): number for number in range(tid.get_nmembers())}
    for name in sorted(array.dtype.names, key=lambda name: array.dtype.fields[name][1]):
        key = name.encode("utf-8", "surrogateescape")
        if key not in at:
            raise Unreadable(f"h5py renames the field {name}")
        group.children[key] = convert(tid.get_member_type(at[key]), array[name], context)
    return group


def _ragged(tid, array, context):
    base = tid.get_super()
    rows = [row(base, items) for items in array.reshape(-1)]
    offsets = np.zeros(len(rows) + 1, "uint64")
    np.cumsum([len(items) for items in rows], out=offsets[1:])
    filled = [items for items in rows if len(items)]
    values = np.zeros(0, _row_type(base))
    if filled:  # numpy joins in native order, whatever the order of the parts
        values = np.concatenate(filled).astype(filled[0].dtype, copy=False)
    group = Expected("group", kind="ragged", shape=array.shape)
    group.children[b"values"] = convert(base, values, context)
    group.children[b"offsets"] = Expected("array", shape=offsets.shape, dtype="uint64", data=offsets)
    return group


def _row_type(base):
    dtype = numpy_type(base)
    if dtype is None:
        raise Unreadable("no numpy type for elements of a sequence")
    return dtype


def row(base, items):
    """One variable-length sequence as an array, whatever h5py gives for it."""
    dtype = _row_type(base)
    if items is None or isinstance(items, int):
        return np.zeros(0, dtype)
    if dtype.kind != "O":
        return _relabelled(np.asarray(items), dtype)
    out = np.empty(len(items), dtype)
    for at, item in enumerate(items):
        out[at] = item
    return out


def _relabelled(items, dtype):
    """h5py 3.7 calls sequences of the other byte order native ones; their bytes are right."""
    same_but_for_order = items.dtype != dtype and items.dtype == dtype.newbyteorder("=")
    return items.view(dtype) if same_but_for_order else items.astype(dtype, copy=False)


def string_bytes(item):
    if isinstance(item, np.ndarray):
        item = item[()]
    if item is None or isinstance(item, (int, h5py.Empty)):
        return b""
    return item.encode("utf-8", "surrogateescape") if isinstance(item, str) else bytes(item)


def charset(tid):
    return "utf-8" if tid.get_cset() == h5t.CSET_UTF8 else "ascii"


def _string(tid, array):
    if not tid.is_variable_str():
        plain = np.ascontiguousarray(array).astype(f"S{tid.get_size()}")
        return Expected("array", shape=array.shape, dtype=str(plain.dtype), data=plain, encoding=charset(tid))
    items = [string_bytes(item) for item in array.reshape(-1)]
    data = np.array(items, f"S{max([1] + [len(item) for item in items])}").reshape(array.shape)
    return Expected(
        "array", shape=array.shape, dtype=str(data.dtype), data=data, encoding=charset(tid), kind="vlen-string"
    )


def _reference(tid, array, context):
    region = h5py.check_ref_dtype(tid.dtype) is h5py.RegionReference
    items = list(array.reshape(-1))
    check = context.region_path_check if region else context.object_path_check

    def compare(texts):
        for item, text in zip(items, texts.reshape(-1)):
            complaint = check(item, bytes(text))
            if complaint:
                return complaint
        return None

    return Expected(
        "array", shape=array.shape, kind="region-reference" if region else "reference", check=compare, dtype="|S"
    )


def _text(name):
    return name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else name
