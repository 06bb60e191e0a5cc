# SPDX-License-Identifier: MIT
"""peek.py MOUNT ARRAY: map an array of the mount and show its last element. Only Python's standard library."""

import mmap
import os
import re
import struct
import sys
import tomllib

CODES = {
    "bool": "?", "int8": "b", "int16": "h", "int32": "i", "int64": "q",
    "uint8": "B", "uint16": "H", "uint32": "I", "uint64": "Q",
    "float16": "e", "float32": "f", "float64": "d",
    "i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H", "u4": "I", "u8": "Q",
    "f2": "e", "f4": "f", "f8": "d",
}  # fmt: skip


def value(dtype, memory, count):
    """The last of count elements, as a number where dtype is one and as bytes elsewhere."""
    order, name = re.fullmatch(r"([<>=|]?)(.*)", dtype).groups()
    size = len(memory) // count
    if name not in CODES:
        return memory[(count - 1) * size :].rstrip(b"\0")
    return struct.unpack_from((order.strip("|") or "=") + CODES[name], memory, (count - 1) * size)[0]


def main(mount, array):
    path = os.path.join(mount, array)
    with open(path + ".meta", "rb") as sidecar:
        about = tomllib.load(sidecar)
    shape = about["array"]["shape"]
    count = 1
    for length in shape:
        count *= length
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as memory:
        last = value(about["array"]["dtype"], memory, count)
    index = ", ".join(str(length - 1) for length in shape)
    units = about.get("attrs", {}).get("units", "")
    print(f"{array}[{index}] = {last!r} {units}".rstrip())


main(*sys.argv[1:])
