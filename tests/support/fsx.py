# SPDX-License-Identifier: MIT
"""Random operations on a file and on its shadow, after Apple's fsx: what one of them answers, the other must answer."""

import ctypes
import errno
import mmap
import os
import random

LONGEST = 1 << 18
PAGE = 4096
KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE = 1, 2, 16
LAST = 60  # operations that are shown when something is wrong

libc = ctypes.CDLL(None, use_errno=True)
libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]


def fallocate(fd, mode, offset, length):
    if libc.fallocate(fd, mode, offset, length) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


class Different(AssertionError):
    pass


class Fsx:
    """`judge(size)` is asked after every close that nobody else has it open at."""

    def __init__(self, path, shadow, seed, judge):
        self.paths = [os.fspath(path), os.fspath(shadow)]
        self.chance = random.Random(seed)
        self.seed = seed
        self.judge = judge
        self.trace = []
        self.fds = [-1, -1]
        self.other = None  # a second descriptor of both, for a while

    def run(self, count):
        self._open(os.O_RDWR | os.O_CREAT)
        operations = [(weight, getattr(self, "do_" + name)) for name, weight in WEIGHTS.items()]
        try:
            for number in range(count):
                (act,) = self.chance.choices([act for _, act in operations], [weight for weight, _ in operations])
                self.trace.append([number, act.__name__[3:]])
                act()
                self._compare()
            self.do_reopen()
        except Exception as error:
            lines = "\n".join(" ".join(map(str, line)) for line in self.trace[-LAST:])
            raise Different(f"seed {self.seed}: {type(error).__name__}: {error}\nthe last operations:\n{lines}") from error
        finally:
            self._close()

    # --- both files -------------------------------------------------------------------------------------------------

    def _open(self, flags):
        self.fds = [os.open(path, flags, 0o600) for path in self.paths]

    def _close(self):
        for fd in (*self.fds, *(self.other or ())):
            if fd >= 0:
                os.close(fd)
        self.fds, self.other = [-1, -1], None

    def _both(self, function, *words):
        """What both answer, when that is the same."""
        self.trace[-1] += words
        answers = []
        for which, fd in enumerate(self.fds):
            try:
                answers.append(function(fd, which))
            except OSError as error:
                answers.append(errno.errorcode[error.errno])
        if answers[0] != answers[1]:
            raise Different(f"{_shown(answers[0])} instead of {_shown(answers[1])}")
        return answers[0]

    def _compare(self):
        sizes = [os.fstat(fd).st_size for fd in self.fds]
        named = [os.stat(path).st_size for path in self.paths]
        if len({*sizes, *named}) != 1:
            raise Different(f"sizes: of the descriptors {sizes}, of the names {named}")
        contents = [os.pread(fd, LONGEST * 2, 0) for fd in self.fds]
        if contents[0] != contents[1]:
            at = next((i for i, (a, b) in enumerate(zip(*contents)) if a != b), min(map(len, contents)))
            raise Different(f"contents differ from byte {at} on; lengths {list(map(len, contents))}")

    def _size(self):
        return os.fstat(self.fds[1]).st_size

    def _range(self):
        """Anywhere, also over the end and beyond; often at the edges of pages."""
        offset = self.chance.randrange(LONGEST)
        if self.chance.random() < 0.3:
            offset = min(LONGEST - 1, max(0, offset // PAGE * PAGE + self.chance.choice((-1, 0, 1))))
        length = self.chance.choice((1, 7, 8, 24, PAGE, self.chance.randrange(1, 1 << 15)))
        return offset, min(length, LONGEST - offset)

    def _inside(self):
        size = self._size()
        offset = self.chance.randrange(size) if size else 0
        return offset, self.chance.randint(1, max(1, size - offset))

    def _bytes(self, length):
        return self.chance.randbytes(min(length, 16)) * (length // 16 + 1)

    # --- the operations -----------------------------------------------------------------------------------------------

    def do_read(self):
        offset, length = self._range()

        def read(fd, which):
            os.lseek(fd, offset, os.SEEK_SET)
            return os.read(fd, length)

        self._both(read, offset, length)

    def do_write(self):
        offset, length = self._range()
        data = self._bytes(length)[:length]

        def write(fd, which):
            os.lseek(fd, offset, os.SEEK_SET)
            return os.write(fd, data), os.lseek(fd, 0, os.SEEK_CUR)

        self._both(write, offset, length)

    def do_pwrite(self):
        offset, length = self._range()
        data = self._bytes(length)[:length]
        self._both(lambda fd, which: os.pwrite(fd, data, offset), offset, length)

    def do_pwrite_inside(self):
        offset, length = self._inside()
        data = self._bytes(length)[:length]
        self._both(lambda fd, which: os.pwrite(fd, data, offset), offset, length)

    def do_append(self):
        length = min(self.chance.choice((1, 8, 24, 5000)), LONGEST - self._size())
        if length <= 0:
            return
        data = self._bytes(length)[:length]

        def append(fd, which):
            extra = os.open(self.paths[which], os.O_WRONLY | os.O_APPEND)
            try:
                return os.write(extra, data)
            finally:
                os.close(extra)

        self._both(append, length)

    def do_truncate(self):
        size = self.chance.choice((0, 1, 8, PAGE, self._size() // 2, self.chance.randrange(LONGEST)))
        if self.chance.random() < 0.5:
            self._both(lambda fd, which: os.ftruncate(fd, size), size)
        else:
            self._both(lambda fd, which: os.truncate(self.paths[which], size), size, "by name")

    def do_mapped_read(self):
        if self._size():
            offset, length = self._inside()

            def look(fd, which):
                with mmap.mmap(fd, 0, mmap.MAP_SHARED, mmap.PROT_READ) as mapped:
                    return mapped[offset : offset + length]

            self._both(look, offset, length)

    def do_mapped_write(self):
        if self._size():
            offset, length = self._inside()
            data = self._bytes(length)[:length]

            def store(fd, which):
                with mmap.mmap(fd, 0) as mapped:
                    mapped[offset : offset + length] = data
                    mapped.flush()

            self._both(store, offset, length)

    def do_private_write(self):
        """Which nobody sees."""
        if self._size():

            def store(fd, which):
                with mmap.mmap(fd, 0, mmap.MAP_PRIVATE) as mapped:
                    mapped[:] = b"\xff" * len(mapped)
                    return len(mapped)

            self._both(store)

    def do_allocate(self):
        offset, length = self._range()
        mode = self.chance.choice((0, KEEP_SIZE, PUNCH_HOLE | KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE, ZERO_RANGE | KEEP_SIZE))
        self._both(lambda fd, which: fallocate(fd, mode, offset, length), mode, offset, length)

    def do_copy_range(self):
        if not self._size():
            return
        source, length = self._inside()
        target = self.chance.randrange(LONGEST)
        length = min(length, LONGEST - target)

        def copy(fd, which):
            done = 0
            while done < length:  # as cp does: it may copy less
                now = os.copy_file_range(fd, fd, length - done, source + done, target + done)
                if not now:
                    break
                done += now
            return done

        if length > 0 and abs(source - target) >= length:
            self._both(copy, source, target, length)

    def do_holes(self):
        """Where data is, a file may call what was reserved data or a hole; so only what it may not."""
        offset = self.chance.randrange(LONGEST)

        def end_of_data(fd, which):
            size = os.fstat(fd).st_size
            found = os.lseek(fd, offset, os.SEEK_HOLE)
            return offset <= found <= size

        def no_data_is_lost(fd, which):
            size, at = os.fstat(fd).st_size, 0
            while at < size:
                try:
                    data = os.lseek(fd, at, os.SEEK_DATA)
                except OSError as error:
                    assert error.errno == errno.ENXIO
                    data = size
                assert not any(os.pread(fd, data - at, at)), f"data in the hole from {at} to {data}"
                at = os.lseek(fd, data, os.SEEK_HOLE) if data < size else size
            return True

        self._both(end_of_data, offset)
        self._both(no_data_is_lost)

    def do_sync(self):
        self._both(lambda fd, which: os.fsync(fd))

    def do_reopen(self):
        self._close()
        self.judge(os.stat(self.paths[1]).st_size)
        self._open(os.O_RDWR)

    def do_reopen_truncated(self):
        self._close()
        self._open(os.O_RDWR | os.O_TRUNC)

    def do_read_only(self):
        """Beside the other descriptor."""

        def look(fd, which):
            with open(self.paths[which], "rb", buffering=0) as file:
                return file.read(LONGEST * 2)

        self._both(look)

    def do_second(self):
        """Held for a while."""
        if self.other:
            for fd in self.other:
                os.close(fd)
            self.other = None
        else:
            self.other = [os.open(path, self.chance.choice((os.O_RDWR, os.O_RDONLY))) for path in self.paths[:1] * 2]

    def do_rename(self):
        """There and back, open."""
        for path in self.paths:
            os.rename(path, path + "-away")
        sizes = [os.stat(path + "-away").st_size for path in self.paths]
        for path in self.paths:
            os.rename(path + "-away", path)
        if sizes[0] != sizes[1]:
            raise Different(f"sizes after a rename: {sizes}")


WEIGHTS = {
    "read": 8, "write": 8, "pwrite": 8, "pwrite_inside": 6, "append": 6, "truncate": 7, "mapped_read": 5, "mapped_write": 6,
    "private_write": 1, "allocate": 7, "copy_range": 5, "holes": 3, "sync": 2, "reopen": 5, "reopen_truncated": 1,
    "read_only": 2, "second": 2, "rename": 2,
}  # fmt: skip


def _shown(answer):
    return f"{len(answer)} bytes beginning {answer[:16]!r}" if isinstance(answer, bytes) else answer
