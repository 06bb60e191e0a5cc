# SPDX-License-Identifier: MIT
"""Loads that stop at a known moment: a filter plugin that decodes only once the test lets it."""

import atexit
import errno
import functools
import os
import pathlib
import shutil
import subprocess
import tempfile

import h5py
import numpy as np

from . import h5
from .demands import lacking
from .waiting import wait_until

FILTER = 32001  # of the range that is for tests
NO_FILTER = 32002

SOURCE = """
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include <hdf5.h>
#include <H5PLextern.h>

/* Waits in a fifo until who writes to it closes it; a fifo that is gone is an open gate. */
static size_t decode(unsigned flags, size_t n, const unsigned *values, size_t length, size_t *size, void **bytes)
{
    const char *gate = getenv("CUTESHM_TEST_GATE");
    int fd = gate ? open(gate, O_RDONLY) : -1;
    char byte;
    while (fd >= 0 && read(fd, &byte, 1) > 0)
        continue;
    if (fd >= 0)
        close(fd);
    return length;
}

static const H5Z_class2_t gate = {H5Z_CLASS_T_VERS, %d, 1, 1, "gate", NULL, NULL, decode};

H5PL_type_t H5PLget_plugin_type(void) { return H5PL_TYPE_FILTER; }
const void *H5PLget_plugin_info(void) { return &gate; }
""" % FILTER


@functools.lru_cache(maxsize=None)
def plugin():
    """The directory of the plugin, compiled once."""
    if not shutil.which("cc") or not shutil.which("pkg-config"):
        lacking("no C compiler")
    made = pathlib.Path(tempfile.mkdtemp(prefix="cuteshm-test-gate-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    (made / "gate.c").write_text(SOURCE)
    flags = subprocess.run(["pkg-config", "--cflags", "hdf5"], capture_output=True, text=True, check=True).stdout.split()
    command = ["cc", "-shared", "-fPIC", "-w", *flags, "-o", made / "libgate.so", made / "gate.c"]
    subprocess.run(command, check=True, capture_output=True)
    return made


def add(file, name, array, number=FILTER):
    """A dataset of one chunk that goes through the filter, whether h5py has it or not."""
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_chunk(array.shape)
    creation.set_filter(number, h5py.h5z.FLAG_OPTIONAL)
    space = h5py.h5s.create_simple(array.shape)
    data = h5py.h5d.create(file.id, name.encode(), h5py.h5t.py_create(array.dtype), space, creation)
    data.write_direct_chunk((0,) * array.ndim, array.tobytes())


def file(path, after=(), **plain):
    """`before` is loaded before the gate, `gate` at it, then `after` (name, array, filter)."""
    with h5.writing(path) as made:
        made["before"] = np.arange(1000)
        for name, array in plain.items():
            made[name] = array
        add(made, "gate", np.arange(10))
        for name, array, number in after:
            add(made, name, array, number)
    return path


class Gate:
    """Closed until open() is called."""

    def __init__(self, directory):
        self.path = directory / "gate"
        self.environment = {"CUTESHM_TEST_GATE": str(self.path), "HDF5_PLUGIN_PATH": str(plugin())}
        self._end = None
        os.mkfifo(self.path)

    def reached(self):
        """Waits for a load to stand at the gate."""
        wait_until(self._has_reader, "a load that reaches the gate", 30)

    def _has_reader(self):
        if self._end is None:
            try:
                self._end = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK)
            except OSError as error:
                assert error.errno == errno.ENXIO
        return self._end is not None

    def close(self):
        """Lets through who is there, and nobody else."""
        if self._end is not None:
            os.close(self._end)
            self._end = None

    def open(self):
        """Lets all through that are there or come."""
        if self.path.exists():
            end = os.open(self.path, os.O_RDWR)
            self.path.unlink()
            os.close(end)
        self.close()
