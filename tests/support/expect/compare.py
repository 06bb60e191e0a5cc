# SPDX-License-Identifier: MIT
"""Expected against actual: every difference, with its path."""

import numpy as np

from . import views
from .model import Finding

LONG_DOUBLE_BYTES = 10  # of 16: the rest is padding


def compare(expected, actual, on_mount=False):
    """The findings, the paths that h5py itself could not read, and those of them that are not there either."""
    comparison = Comparison(on_mount)
    comparison.node(expected, actual, ())
    return comparison.findings, comparison.unreadable, comparison.absent


class Comparison:
    def __init__(self, on_mount):
        self.on_mount = on_mount
        self.findings = []
        self.unreadable = []
        self.absent = []
        self.segments = {}

    def find(self, level, path, text, missing=False):
        self.findings.append(Finding(level, path, text, missing))

    def node(self, expected, actual, path):
        if expected.what == "unreadable":
            self.unreadable.append(path)
            return
        if actual.what != expected.what:
            self.find("structure", path, f"is {actual.what} instead of {expected.what}")
            return
        self.attributes(expected, actual, path)
        self.facts(expected, actual, path)
        if expected.what == "group":
            self.children(expected, actual, path)
        elif expected.what == "array":
            self.array(expected, actual, path)

    # --- structure ----------------------------------------------------------------------------------------------------

    def children(self, expected, actual, path):
        seen = []
        for key, item in expected.children.items():
            found, name = views.child(actual, key, self.on_mount)
            if found is not None:
                seen.append(name)
                self.node(item, found, path + (key,))
            elif item.what == "unreadable":
                self.unreadable.append(path + (key,))
                self.absent.append(path + (key,))
            else:
                self.find("structure", path + (key,), "missing", missing=True)
        for name in actual.children:
            if name not in seen:
                self.find("structure", path + (name,), "is there and should not be")
        self.order(expected, actual, path, seen)

    def order(self, expected, actual, path, seen):
        if self.on_mount:
            return  # a directory has no order of its own
        in_file = [key for key in seen if expected.children[key].what in ("array", "group")]
        there = [key for key in actual.children if key in in_file]
        if in_file != there:
            self.find("structure", path, f"order {there} instead of {in_file}")

    def facts(self, expected, actual, path):
        wanted = {"kind": expected.kind, "encoding": expected.encoding, "enum": expected.members}
        for name, fact in wanted.items():
            if actual.facts.get(name) != fact:
                self.find("structure", path, f"{name} {actual.facts.get(name)!r} instead of {fact!r}")
        if expected.tag and actual.facts.get("tag") != expected.tag:
            self.find("structure", path, f"tag {actual.facts.get('tag')!r} instead of {expected.tag!r}")
        if expected.shape is not None:
            shape = expected.shape if expected.what == "null" else list(expected.shape)
            if actual.facts.get("shape") != shape:
                self.find("structure", path, f"shape {actual.facts.get('shape')} instead of {shape}")

    def attributes(self, expected, actual, path):
        if None in expected.attributes:
            return  # h5py cannot even list them
        for name, form in expected.attributes.items():
            if form is None:
                continue
            if name not in actual.attributes:
                self.find("attribute", path, f"attribute {name!r} missing", missing=True)
                continue
            wrong = form.complaint(actual.attributes[name], actual.types.get(name))
            if wrong:
                self.find("attribute", path, f"attribute {name!r}: {wrong}"[:300])
        for name in actual.attributes.keys() - expected.attributes.keys():
            self.find("attribute", path, f"attribute {name!r} is there and should not be")

    # --- data ---------------------------------------------------------------------------------------------------------

    def array(self, expected, actual, path):
        self.sharing(expected, actual, path)
        dtype = actual.facts.get("dtype", "")
        content = actual.open()
        if expected.check:
            self.texts(expected, dtype, content, path)
            return
        if dtype != expected.dtype:
            self.find("value", path, f"dtype {dtype!r} instead of {expected.dtype!r}")
            return
        wanted = np.ascontiguousarray(expected.data)
        if wanted.nbytes == 0:
            if len(content) > 1:  # a segment has one byte then, and a symbolic link leads to the segment
                self.find("value", path, f"{len(content)} bytes for an empty array")
        elif len(content) != wanted.nbytes:
            self.find("value", path, f"{len(content)} bytes instead of {wanted.nbytes}")
        elif not same_bytes(wanted, content):
            self.find("value", path, difference(wanted, content))

    def texts(self, expected, dtype, content, path):
        if not dtype.startswith("|S"):
            self.find("value", path, f"dtype {dtype!r} instead of text")
            return
        count = int(np.prod(expected.shape, dtype=object))
        texts = np.frombuffer(content, dtype, count).reshape(expected.shape)
        wrong = expected.check(texts)
        if wrong:
            self.find("value", path, wrong)

    def sharing(self, expected, actual, path):
        """All names of one dataset share one segment."""
        if expected.identity is None or actual.segment is None:
            return
        first = self.segments.setdefault(expected.identity, (path, actual.segment))
        if first[1] != actual.segment:
            self.find("structure", path, "has a segment of its own, unlike another name of the same dataset")


def same_bytes(wanted, content):
    plain = wanted.reshape(-1).view(np.uint8)
    there = np.frombuffer(content, np.uint8)
    if np.array_equal(plain, there):
        return True
    part = wanted.dtype.itemsize // (2 if wanted.dtype.kind == "c" else 1)
    if wanted.dtype.kind not in "fc" or part != 16:
        return False
    used = slice(16 - LONG_DOUBLE_BYTES, None) if wanted.dtype.byteorder == ">" else slice(0, LONG_DOUBLE_BYTES)
    return np.array_equal(plain.reshape(-1, 16)[:, used], there.reshape(-1, 16)[:, used])


def difference(wanted, content):
    plain = wanted.reshape(-1).view(np.uint8)
    there = np.frombuffer(content, np.uint8)
    at = int(np.flatnonzero(plain != there)[0]) // wanted.dtype.itemsize
    index = tuple(int(number) for number in np.unravel_index(at, wanted.shape)) if wanted.shape else ()
    value = np.frombuffer(content, wanted.dtype, 1, at * wanted.dtype.itemsize)[0]
    count = int(np.count_nonzero(plain != there))
    return f"[{', '.join(map(str, index))}] is {value!r} instead of {wanted[index]!r}; {count} bytes differ"
