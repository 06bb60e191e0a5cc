# SPDX-License-Identifier: MIT
"""peer_load.py ROOT PROJECT FILE: the peer's load, by its own Python. Prints its seconds, without Python's start.

Its segments stay in /dev/shm, the only place it knows, until whoever started this removes them by their names.
"""

import pathlib
import resource
import sys
import time

import cute_shm


def main(root, project, file):
    """Every array of the peer holds a descriptor while it loads."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    cute_shm.Project2Toml.root = pathlib.Path(root)
    start = time.perf_counter()
    cute_shm.hdf5_to_shm(pathlib.Path(file), project, persistent=True)
    print(time.perf_counter() - start)


main(*sys.argv[1:])
