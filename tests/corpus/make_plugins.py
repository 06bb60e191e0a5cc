# SPDX-License-Identifier: MIT
"""Run with a Python that has hdf5plugin: a file with one dataset per filter it ships; prints where the plugins are.

python make_plugins.py FILE
"""

import sys

import h5py
import hdf5plugin
import numpy as np

FILTERS = {
    "bitshuffle": hdf5plugin.Bitshuffle(),
    "blosc": hdf5plugin.Blosc(),
    "blosc2": hdf5plugin.Blosc2(),
    "bzip2": hdf5plugin.BZip2(),
    "fcidecomp": hdf5plugin.FciDecomp(),
    "lz4": hdf5plugin.LZ4(),
    "sz3": hdf5plugin.SZ3(absolute=0.1),
    "zfp": hdf5plugin.Zfp(reversible=True),
    "zstd": hdf5plugin.Zstd(),
}

with h5py.File(sys.argv[1], "w") as file:
    for name, options in FILTERS.items():
        dtype = "u2" if name == "fcidecomp" else "f8"
        values = np.arange(64 * 48).reshape(64, 48).astype(dtype)
        file.create_dataset(name, data=values, chunks=(16, 48), **options)
print(hdf5plugin.PLUGIN_PATH)
