# SPDX-License-Identifier: MIT
"""How an attribute stands in a manifest or sidecar (formats, section 5): TOML where it can, else a text after "!"."""

import fractions
import re
import tomllib

import h5py
import numpy as np
from h5py import h5s, h5t

from . import types
from .model import Unreadable

INT64_MAX = (1 << 63) - 1


class Form:
    """What is expected of one attribute."""

    def __init__(self, value_complaint, type_words=None, any_type=False):
        self._value_complaint = value_complaint
        self._type_words = type_words  # what attr_types must say, as alternatives; None: no entry
        self._any_type = any_type  # the contract gives examples for these, not a whole grammar

    def complaint(self, value, type_name):
        """What is wrong with the value that is there and its entry in attr_types; None if nothing."""
        wrong = self._value_complaint(value)
        if wrong or self._any_type:
            return wrong
        if self._type_words is None:
            return None if type_name is None else f"attr_types says {type_name!r} of a plain value"
        if type_name is None or not any(word in type_name for word in self._type_words):
            return f"attr_types says {type_name!r} instead of {self._type_words[0]!r}"
        return None


def form_of(aid, context):
    tid, space = aid.get_type(), aid.get_space()
    if space.get_simple_extent_type() == h5s.NULL:
        return Form(lambda value: _matches(value, r"!null .+"), any_type=True)
    if 0 in space.shape:
        shape = re.escape(",".join(str(length) for length in space.shape))
        return Form(lambda value: _matches(value, rf"!empty .+ \[{shape}\]"), any_type=True)
    dtype = types.numpy_type(tid)
    if dtype is None:
        raise Unreadable("no numpy type")
    array = np.zeros(space.shape, dtype)
    aid.read(array, mtype=tid if dtype.kind == "V" and not dtype.names else h5t.py_create(dtype))
    base = _base(tid)
    exact = tid.get_class() in (h5t.INTEGER, h5t.FLOAT, h5t.STRING, h5t.ENUM)
    return Form(
        lambda value: _nested(value, array, lambda one, item: _element(base, one, item, context)),
        _type_words(base, dtype),
        any_type=not exact,
    )


def _base(tid):
    while tid.get_class() == h5t.ARRAY:
        tid = tid.get_super()
    return tid


def _type_words(base, dtype):
    kind = base.get_class()
    dtype = dtype.base
    if kind == h5t.STRING:
        if base.is_variable_str():
            return None if base.get_cset() == h5t.CSET_UTF8 else ("ascii",)
        return (f"S{base.get_size()}",)
    if kind == h5t.ENUM:
        return None if dtype.kind == "b" else ("enum",)
    name = str(np.dtype(dtype.str))
    return None if name in ("int64", "float64", "bool") else (name,)


def _nested(value, array, one):
    if array.ndim == 0:
        return one(value, array[()])
    if not isinstance(value, list) or len(value) != len(array):
        return f"{value!r} is not a list of {len(array)}"
    for item, row in zip(value, array):
        wrong = _nested(item, row, one) if array.ndim > 1 else one(item, row)
        if wrong:
            return wrong
    return None


# --- one element: complaint or None -----------------------------------------------------------------------------------


def _element(tid, value, item, context, nested=False):
    """`nested`: inside a compound's text, where TOML's own tables can stand for themselves."""
    kind = tid.get_class()
    if isinstance(item, np.ndarray) and item.ndim == 0:
        item = item[()]
    if kind == h5t.ARRAY:
        base = _base(tid)
        return _nested(value, np.asarray(item), lambda one, part: _element(base, one, part, context, nested))
    if kind == h5t.STRING:
        return _string(value, types.string_bytes(item))
    if kind == h5t.COMPOUND and np.asarray(item).dtype.names:
        return _compound(tid, value, item, context, nested)
    if kind == h5t.VLEN:
        base = tid.get_super()
        return _nested(value, types.row(base, item), lambda one, part: _element(base, one, part, context, nested))
    if kind == h5t.REFERENCE:
        return _reference(tid, value, item, context)
    if kind == h5t.OPAQUE:
        tail = np.asarray(item).tobytes().hex()
        return None if isinstance(value, str) and value.startswith("!opaque ") and value.endswith(tail) else _not(value)
    return _number(value, np.asarray(item)[()])


def _string(value, raw):
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return _equal(value, "!bytes " + raw.hex())
    return _equal(value, "!" + text if text.startswith("!") else text)


def _compound(tid, value, item, context, nested):
    if nested and isinstance(value, dict):
        fields = value
    elif isinstance(value, str) and value.startswith("!{"):
        try:
            fields = tomllib.loads("x = " + value[1:])["x"]
        except tomllib.TOMLDecodeError as error:
            return f"{value!r} is not TOML: {error}"
    else:
        return _not(value)
    for at in range(tid.get_nmembers()):
        name = tid.get_member_name(at).decode("utf-8", "surrogateescape")
        if name not in fields:
            return f"no field {name!r} in {value!r}"
        wrong = _element(tid.get_member_type(at), fields[name], item[name], context, nested=True)
        if wrong:
            return wrong
    return None


def _reference(tid, value, item, context):
    region = h5py.check_ref_dtype(tid.dtype) is h5py.RegionReference
    word = "!region" if region else "!ref"
    if not isinstance(value, str) or value.split(" ")[0] != word:
        return _not(value)
    text = value[len(word) :].lstrip(" ").encode("utf-8", "surrogateescape")
    check = context.region_path_check if region else context.object_path_check
    return check(item, text)


def _number(value, item):
    kind, size = item.dtype.kind, item.dtype.itemsize
    if kind == "b":
        return _equal(value, bool(item)) if isinstance(value, bool) else _not(value)
    if kind in "iu":
        if int(item) > INT64_MAX:
            return _equal(value, f"!uint64 {int(item)}")
        return _equal(value, int(item)) if type(value) is int else _not(value)
    if kind == "f":
        return _long_double(value, item) if size > 8 else _float(value, item)
    if kind == "c":
        return _complex(value, item)
    if kind in "mM":
        return None if isinstance(value, (str, int)) else _not(value)
    raise Unreadable(f"an attribute of {item.dtype}")


def _float(value, item):
    if not isinstance(value, float):
        return _not(value)
    if np.isnan(item):
        return None if np.isnan(value) else _not(value)
    there = np.array(value).astype(item.dtype.newbyteorder("="))
    return None if there == item and np.signbit(there) == np.signbit(item) else _differs(value, item)


def _long_double(value, item):
    found = re.fullmatch(r"!float(?:96|128) (.+)", value) if isinstance(value, str) else None
    if not found:
        return _not(value)
    if not np.isfinite(item):
        return None if found[1].lstrip("+-").startswith(("nan", "inf")) else _differs(value, item)
    exact = fractions.Fraction(*item.astype("longdouble").as_integer_ratio())
    return None if _hexadecimal(found[1]) == exact else _differs(value, item)


def _hexadecimal(text):
    """C's %La exactly: Python's own reader rounds to a double."""
    found = re.fullmatch(r"([+-]?)0x([0-9a-f]+)\.?([0-9a-f]*)(?:p([+-]?\d+))?", text.lower())
    if not found:
        return None
    sign, whole, part, power = found.groups()
    number = fractions.Fraction(int(whole + part, 16), 16 ** len(part)) * fractions.Fraction(2) ** int(power or 0)
    return -number if sign == "-" else number


def _complex(value, item):
    name = f"complex{8 * item.dtype.itemsize}"
    if not isinstance(value, str) or not value.startswith(f"!{name} "):
        return _not(value)
    if item.dtype.itemsize > 16:
        return None
    try:
        there = np.array(complex(value.split(" ", 1)[1])).astype(item.dtype.newbyteorder("="))
    except ValueError:
        return _not(value)
    return None if there == item or np.isnan(item) and np.isnan(there) else _differs(value, item)


def _equal(value, wanted):
    return None if value == wanted and type(value) is type(wanted) else _differs(value, wanted)


def _matches(value, pattern):
    text = re.sub(r", +", ",", value) if isinstance(value, str) else ""
    return None if re.fullmatch(pattern, text) else _not(value)


def _not(value):
    return f"{value!r} has not the form for it"


def _differs(value, wanted):
    return f"{value!r} instead of {wanted!r}"
