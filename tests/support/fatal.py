# SPDX-License-Identifier: MIT
"""A daemon that dies after a known one of its system calls: a library put before the C library counts those that change files."""

import atexit
import contextlib
import functools
import mmap
import pathlib
import shutil
import struct
import subprocess
import tempfile

from .demands import lacking

SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

/* Shared with the test: 0: nobody counts; n: dies after the n-th call from now on. */
static long *left;

__attribute__((constructor)) static void attach(void)
{
    const char *path = getenv("CUTESHM_TEST_FATAL");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    left = map == MAP_FAILED ? NULL : map;
}

static void called(void)
{
    if (left && __atomic_load_n(left, __ATOMIC_SEQ_CST) > 0 && __atomic_sub_fetch(left, 1, __ATOMIC_SEQ_CST) == 0)
        kill(getpid(), SIGKILL);
}

static int is_file(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

#define NEXT(name) static __typeof__(name) *next; if (!next) next = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)
#define COUNTED(type, name, parameters, arguments, counts) \
    type name parameters { NEXT(name); type result = next arguments; if (counts) called(); return result; }

COUNTED(int, renameat, (int a, const char *b, int c, const char *d), (a, b, c, d), 1)
COUNTED(int, renameat2, (int a, const char *b, int c, const char *d, unsigned e), (a, b, c, d, e), 1)
COUNTED(int, linkat, (int a, const char *b, int c, const char *d, int e), (a, b, c, d, e), 1)
COUNTED(int, unlinkat, (int a, const char *b, int c), (a, b, c), 1)
COUNTED(ssize_t, write, (int a, const void *b, size_t c), (a, b, c), is_file(a))
COUNTED(ssize_t, pwrite, (int a, const void *b, size_t c, off_t d), (a, b, c, d), is_file(a))
COUNTED(ssize_t, pwrite64, (int a, const void *b, size_t c, off64_t d), (a, b, c, d), is_file(a))
COUNTED(int, ftruncate, (int a, off_t b), (a, b), 1)
COUNTED(int, ftruncate64, (int a, off64_t b), (a, b), 1)
COUNTED(int, fallocate, (int a, int b, off_t c, off_t d), (a, b, c, d), 1)
COUNTED(int, fallocate64, (int a, int b, off64_t c, off64_t d), (a, b, c, d), 1)
COUNTED(int, fchown, (int a, uid_t b, gid_t c), (a, b, c), 1)
COUNTED(int, fchownat, (int a, const char *b, uid_t c, gid_t d, int e), (a, b, c, d, e), 1)
COUNTED(int, fchmod, (int a, mode_t b), (a, b), 1)
COUNTED(int, fchmodat, (int a, const char *b, mode_t c, int d), (a, b, c, d), 1)
COUNTED(int, futimens, (int a, const struct timespec b[2]), (a, b), 1)

#define OPENING(name) \
    int name(int folder, const char *path, int flags, ...) \
    { \
        NEXT(name); \
        mode_t mode = 0; \
        int makes = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE; \
        if (makes) { va_list more; va_start(more, flags); mode = va_arg(more, mode_t); va_end(more); } \
        int result = next(folder, path, flags, mode); \
        if (makes) called(); \
        return result; \
    }
OPENING(openat)
OPENING(openat64)
"""


@functools.lru_cache(maxsize=None)
def library():
    """Compiled once, for everybody to read."""
    if not shutil.which("cc"):
        lacking("no C compiler")
    made = pathlib.Path(tempfile.mkdtemp(prefix="cuteshm-test-fatal-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    made.chmod(0o755)
    (made / "fatal.c").write_text(SOURCE)
    command = ["cc", "-std=gnu17", "-O1", "-shared", "-fPIC", "-w", "-o", made / "fatal.so", made / "fatal.c", "-ldl"]
    subprocess.run(command, check=True, capture_output=True)
    return made / "fatal.so"


class Counter:
    """Of the calls that the daemon may still make."""

    def __init__(self, place):
        self.path = place.files / "calls-left"
        self.path.write_bytes(bytes(4096))
        self.path.chmod(0o666)
        with open(self.path, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), 4096)

    def arm(self, calls):
        """It dies after so many."""
        self.memory[:8] = struct.pack("=q", calls)

    def disarm(self):
        """How many are left; 0: it is dead."""
        (left,) = struct.unpack("=q", self.memory[:8])
        self.memory[:8] = bytes(8)
        return left

    @contextlib.contextmanager
    def environment(self, place):
        """For the daemon and nobody else."""
        before = dict(place.environment)
        place.environment.update(LD_PRELOAD=str(library()), CUTESHM_TEST_FATAL=str(self.path))
        place.environment["ASAN_OPTIONS"] = before.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        try:
            yield
        finally:
            place.environment.clear()
            place.environment.update(before)
