# SPDX-License-Identifier: MIT
"""peer_server.py REGISTRY: run by the peer's own Python. One JSON request a line, one word an answer."""

import json
import pathlib
import sys

import cute_shm
import numpy as np


def nested(arrays):
    tree = {}
    for (*groups, last), count, word in arrays:
        here = tree
        for group in groups:
            here = here.setdefault(group, {})
        here[last] = np.full(count, word, "uint64")
    return tree


def main(root):
    cute_shm.Project2Toml.root = pathlib.Path(root)
    for line in sys.stdin:
        request = json.loads(line)
        if request["act"] == "write":
            cute_shm.arrays_to_shm(request["project"], nested(request["arrays"]), persistent=True, overwrite=True)
        else:
            cute_shm.unlink(request["project"])
        print("done", flush=True)


main(sys.argv[1])
