# SPDX-License-Identifier: MIT
"""The HDF5 files that are loaded. Each is made when first asked for, once, and is then in the page cache."""

import os
import subprocess

import h5py
import numpy as np

ELEMENT = np.dtype("<f4")
CHUNK = 65536  # elements, of compressed data
SMALL_CHUNK = 256  # elements, where chunks are counted


class Inputs:
    def __init__(self, directory, say):
        self.directory = directory
        self.say = say

    def _made(self, name, fill, **options):
        path = self.directory / name
        if not path.exists():
            self.say(f"making {name}")
            part = path.with_suffix(".part")
            with h5py.File(part, "w", **options) as file:
                fill(file)
            with open(part, "rb") as written:
                os.fsync(written)  # so that nothing is written to disk while something is measured
            part.rename(path)
            subprocess.run(["cat", path], stdout=subprocess.DEVNULL, check=True)
        return path

    def contiguous(self, size):
        """One dataset `x` of that many bytes."""
        block = np.random.default_rng(1).random(min(size, 2**24) // ELEMENT.itemsize, ELEMENT)

        def fill(file):
            data = file.create_dataset("x", (size // ELEMENT.itemsize,), ELEMENT)
            for at in range(0, len(data), len(block)):
                data[at : at + len(block)] = block[: len(data) - at]

        return self._made(f"contiguous-{size}.h5", fill)

    def gzip(self, size):
        """One dataset `x`, shuffled and compressed, that shrinks as real data does: a wave, noise, three decimals."""
        chunks = max(size // (CHUNK * ELEMENT.itemsize), 1)
        different = min(chunks, 32)

        def fill(file):
            data = file.create_dataset(
                "x", (chunks * CHUNK,), ELEMENT, chunks=(CHUNK,), compression="gzip", compression_opts=4, shuffle=True
            )
            time = np.arange(different * CHUNK)
            noise = np.random.default_rng(2).normal(0, 0.05, len(time))
            data[: len(time)] = np.round(20 + 10 * np.sin(time / 5000) + noise, 3).astype(ELEMENT)
            file.flush()
            ready = [data.id.read_direct_chunk((number * CHUNK,)) for number in range(different)]
            for number in range(different, chunks):
                mask, content = ready[number % different]
                data.id.write_direct_chunk((number * CHUNK,), content, mask)

        return self._made(f"gzip-{size}.h5", fill)

    def chunks(self, count, index):
        """One dataset of many small chunks without filters: finding them takes the time. `index`: btree, extensible."""

        def fill(file):
            longest = (None,) if index == "extensible" else None
            data = file.create_dataset("x", (count * SMALL_CHUNK,), ELEMENT, chunks=(SMALL_CHUNK,), maxshape=longest)
            step = 10000 * SMALL_CHUNK
            for at in range(0, len(data), step):
                data[at : at + step] = np.arange(at, min(at + step, len(data)), dtype=ELEMENT)

        return self._made(f"chunks-{index}-{count}.h5", fill, libver="latest" if index == "extensible" else "earliest")

    def tiny(self, count):
        """Many datasets a000000, … of 16 numbers."""

        def fill(file):
            space = h5py.h5s.create_simple((16,))
            values = np.arange(16.0)
            for number in range(count):
                name = b"a%06d" % number
                h5py.h5d.create(file.id, name, h5py.h5t.IEEE_F64LE, space).write(h5py.h5s.ALL, h5py.h5s.ALL, values)

        return self._made(f"tiny-{count}.h5", fill)
