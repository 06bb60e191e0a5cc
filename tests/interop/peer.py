# SPDX-License-Identifier: MIT
"""peer.py ROOT read|write|unlink|load PROJECT [FILE]: run by the peer's own Python, with the peer's package only.

read prints what cute_shm.shm_to_arrays() gives as JSON; write publishes FILE (an .npz of arrays "0", "1", ... and
"paths", the JSON list of where they go) with arrays_to_shm(persistent=True); unlink and load (of an HDF5 file) are the peer's.
"""

import json
import pathlib
import sys

import cute_shm
import numpy as np


def describe(tree):
    if "data" in tree and isinstance(tree["data"], np.ndarray) and "meta" in tree:
        data, meta = tree["data"], tree["meta"]
        return {
            "dtype": str(data.dtype), "shape": list(data.shape), "bytes": data.tobytes().hex(),
            "attrs": meta["attrs"], "leaf": True,
        }  # fmt: skip
    return {"leaf": False, "children": {key: describe(value) for key, value in tree.items()}}


def nested(file):
    tree = {}
    with np.load(file) as arrays:
        for number, (*groups, last) in enumerate(json.loads(str(arrays["paths"]))):
            here = tree
            for group in groups:
                here = here.setdefault(group, {})
            here[last] = arrays[str(number)]
    return tree


def main(root, act, project, file=None):
    cute_shm.Project2Toml.root = pathlib.Path(root)
    if act == "read":
        json.dump(describe(cute_shm.shm_to_arrays(project, persistent=True)), sys.stdout)
    elif act == "write":
        cute_shm.arrays_to_shm(project, nested(file), persistent=True)
    elif act == "unlink":
        cute_shm.unlink(project)
    elif act == "load":
        cute_shm.hdf5_to_shm(pathlib.Path(file), project, persistent=True)


main(*sys.argv[1:])
