# SPDX-License-Identifier: MIT
"""h5py_read.py FILE: h5py's own read of every dataset. Prints the seconds that took, without Python's start."""

import sys
import time

import h5py


def main(name):
    arrays = []
    start = time.perf_counter()
    with h5py.File(name, "r") as file:
        file.visititems(lambda _, node: arrays.append(node[()]) if isinstance(node, h5py.Dataset) else None)
    print(time.perf_counter() - start)


main(*sys.argv[1:])
