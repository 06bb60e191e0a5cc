# SPDX-License-Identifier: MIT
"""Trees of what is expected and of what is there. Keys are bytes: HDF5 names need not be UTF-8."""

import dataclasses


class Unreadable(Exception):
    """h5py cannot say what is there, so nobody can compare."""


class TooBig(Exception):
    """More than a comparison in Python should take on."""


@dataclasses.dataclass
class Expected:
    """One object. `what` is "group", "array", "null" (no data, only a sidecar) or "unreadable"."""

    what: str
    attributes: dict = dataclasses.field(default_factory=dict)  # name -> attributes.Form, or None if unreadable
    children: dict = dataclasses.field(default_factory=dict)
    ordered: bool = True
    kind: str = None
    shape: tuple = None
    dtype: str = None
    data: object = None  # the array as numpy has it
    check: object = None  # for texts with several right forms: check(array of bytes) -> complaint or None
    encoding: str = None
    tag: str = None
    members: dict = None  # of an enum
    identity: tuple = None  # names of one dataset share a segment
    why: str = ""


@dataclasses.dataclass
class Actual:
    """One object as a manifest or the mount shows it."""

    what: str
    facts: dict = dataclasses.field(default_factory=dict)  # kind, shape, dtype, encoding, tag, enum
    attributes: dict = dataclasses.field(default_factory=dict)
    types: dict = dataclasses.field(default_factory=dict)
    children: dict = dataclasses.field(default_factory=dict)  # key, or for the mount the entry's name
    segment: str = None
    open: object = None  # -> bytes-like of the array


@dataclasses.dataclass
class Finding:
    """A difference. `level` is "value", "structure" or "attribute"."""

    level: str
    path: tuple
    text: str
    missing: bool = False

    def __str__(self):
        return f"{show(self.path)}: {self.text}"


def show(path):
    """As the loader's messages show it: control characters and bytes that are not UTF-8 escaped."""
    return "/" + "/".join("".join(map(_printable, key.decode("utf-8", "surrogateescape"))) for key in path)


def _printable(character):
    short = {"\n": "\\n", "\t": "\\t"}
    number = ord(character)
    if 0xDC80 <= number <= 0xDCFF:
        return f"\\x{number - 0xDC00:02x}"
    return short.get(character, f"\\x{number:02x}") if number < 0x20 or number == 0x7F else character
