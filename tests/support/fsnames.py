# SPDX-License-Identifier: MIT
"""How a key is spelt as a directory entry, written from the mount's contract ("Names")."""

import re

LONGEST = 250
ESCAPES = (b"00", b"25", b"2E", b"2F")


def fnv1a(key):
    number = 0xCBF29CE484222325
    for byte in key:
        number = ((number ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return number


def encode(key):
    """The entry's name, or for a key too long for one the pattern that it matches; both bytes."""
    if isinstance(key, str):
        key = key.encode("utf-8", "surrogateescape")
    name = _spell(key)
    return name if len(name) <= LONGEST else None


def long_name_matches(key, entry):
    """Its first 200 or so bytes, whole characters, then %~ and the hash."""
    if isinstance(key, str):
        key = key.encode("utf-8", "surrogateescape")
    tail = b"%%~%016x" % fnv1a(key)
    head = entry[: -len(tail)]
    return entry.endswith(tail) and len(entry) <= LONGEST and 150 <= len(head) and _spell(key).startswith(head)


def is_entry_of(key, entry):
    name = encode(key)
    return entry == name if name is not None else long_name_matches(key, entry)


def _spell(key):
    if key == b"":
        return b"%"
    if key == b"%":
        return b"%25"
    if key in (b".", b".."):
        return key.replace(b".", b"%2E")
    suffix = next((end for end in (b".meta", b".npy") if key.endswith(end)), b"")
    body = key[: len(key) - len(suffix)] if suffix else key
    out = bytearray()
    for at in range(len(body)):
        byte = body[at : at + 1]
        rest = key[at + 1 :]
        if byte == b"%" and (rest[:2] in ESCAPES or re.fullmatch(rb"~[0-9a-f]{16}", rest)):
            out += b"%25"
        elif byte == b"/":
            out += b"%2F"
        elif byte == b"\0":
            out += b"%00"
        else:
            out += byte
    return bytes(out) + suffix.replace(b".", b"%2E")
