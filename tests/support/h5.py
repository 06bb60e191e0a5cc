# SPDX-License-Identifier: MIT
"""HDF5 files for tests, and reading them back without trust in anybody."""

import contextlib

import h5py
import numpy as np

MEBIBYTE = 1 << 20


@contextlib.contextmanager
def writing(path):
    with h5py.File(path, "w") as file:
        yield file


def simple(path, **arrays):
    """A file with these arrays at its top."""
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array
    return path


def sample(path):
    """What most tests need: two levels, several types, attributes on everything."""
    with h5py.File(path, "w") as file:
        file.attrs["title"] = "sample"
        file["a"] = np.arange(12, dtype="int64").reshape(3, 4)
        file["a"].attrs["units"] = "m"
        file["b/b1"] = np.linspace(0, 1, 100, dtype="float32")
        file["b/b1"].attrs["scale"] = np.array([1.0, 2.5], "float32")
        file["b/deep/flags"] = np.array([True, False, True])
        file["b"].attrs["note"] = "a group"
        file["one"] = np.float64(2.5)
    return path


SAMPLE_ARRAYS = {("a",), ("b", "b1"), ("b", "deep", "flags"), ("one",)}


def big(path, mebibytes, compressed=True):
    """Zeros that take a while to load and nearly no room in the file."""
    with h5py.File(path, "w") as file:
        kind = {"compression": "gzip", "compression_opts": 1} if compressed else {}
        block = np.zeros(MEBIBYTE, "u1")
        data = file.create_dataset("big", (mebibytes, MEBIBYTE), "u1", chunks=(1, MEBIBYTE), **kind)
        if compressed:
            data[0] = block
            _, chunk = data.id.read_direct_chunk((0, 0))
            for row in range(1, mebibytes):
                data.id.write_direct_chunk((row, 0), chunk)
    return path


def many(path, count):
    """Many tiny arrays."""
    with h5py.File(path, "w") as file:
        for number in range(count):
            file[f"{number:05d}"] = np.int32(number)
    return path


def read(path, *keys):
    with h5py.File(path, "r") as file:
        return file["/".join(keys)][()]
