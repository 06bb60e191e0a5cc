# SPDX-License-Identifier: MIT
"""What is in the arrays: every word says which version of which array of which project it belongs to.

The length follows from the version too, so a torn, short, replaced or foreign content is told from any look at it.
"""

import hashlib

import numpy as np

WORD = 8
MARK = 0xA7

# The paths of a project. "big" takes long to read, "t" is resized behind everybody's back, "e" is empty now and then;
# what is below "h" comes and goes with --into.
ARRAYS = (
    ("a0",), ("a1",), ("a2",), ("big",), ("t",), ("e",),
    ("g", "b0"), ("g", "b1"), ("g", "deep", "c0"), ("g", "deep", "c1"),
    ("h", "d0"), ("h", "d1"),
)  # fmt: skip
NUMBER = {path: number for number, path in enumerate(ARRAYS)}
GROUPS = (("g",), ("g", "deep"), ("h",))
RESIZED = NUMBER["t",]
EMPTY = NUMBER["e",]
BIG = NUMBER["big",]
SMALL_WORDS = 1500
BIG_STEPS = 400


class Wrong(Exception):
    """Something that may never be seen was seen."""


def project_number(project):
    """Also of projects that live for a moment only."""
    return int.from_bytes(hashlib.blake2b(project.encode(), digest_size=1).digest(), "little")


def word(version, project, array):
    return version << 24 | project_number(project) << 16 | array << 8 | MARK


def words(version, array):
    if array == EMPTY and version % 3 == 0:
        return 0
    spread = version * 2654435761 % (1 << 32) >> 8
    if array == BIG:
        return 32768 + spread % BIG_STEPS * 1024
    return 1 + (spread + array) % SMALL_WORDS


def content(version, project, array):
    return np.full(words(version, array), word(version, project, array), "<u8")


def version_of(data, project, array, links=False):
    """The version that all of `data` belongs to; None when there is nothing to tell it by.

    `links`: a symbolic link leads to the segment itself, which of an empty array has a byte.
    """
    if len(data) == links and not any(data):
        if array != EMPTY:
            raise Wrong("the content is empty")
        return None
    if len(data) < WORD:
        raise Wrong(f"only {len(data)} bytes: {bytes(data)!r}")
    first = int.from_bytes(data[:WORD], "little")
    version = first >> 24
    if first != word(version, project, array):
        raise Wrong(f"it begins with {first:#x}, which is not of {project}/{'/'.join(ARRAYS[array])}")
    _check_length(data, version, array)
    _check_words(data, first, array)
    return version


def _check_length(data, version, array):
    right = words(version, array) * WORD
    if len(data) != right and array != RESIZED:
        raise Wrong(f"{len(data)} bytes, and version {version} has {right}")


def _check_words(data, first, array):
    here = np.frombuffer(data, "<u8", len(data) // WORD)
    strange = here != first
    if array == RESIZED:  # grown: zeros
        strange &= here != 0
    if strange.any():
        at = int(strange.argmax())
        raise Wrong(f"word {at} of {len(here)} is {int(here[at]):#x}, the first is {first:#x}")
