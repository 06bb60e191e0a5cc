# SPDX-License-Identifier: MIT
"""Trees of what is expected and of what is there. Keys are bytes: HDF5 names need not be UTF-8."""

import dataclasses
import os


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
    return "/" + "/".join(os.fsdecode(key).encode("unicode_escape", "surrogatepass").decode() for key in path)
