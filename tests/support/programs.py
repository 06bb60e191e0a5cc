# SPDX-License-Identifier: MIT
"""Where the executables are, and running them."""

import dataclasses
import functools
import os
import pathlib
import subprocess

TOP = pathlib.Path(__file__).resolve().parents[2]
NAMES = ("cuteshmfs", "cute-shm-hdf5", "cute-shm-list", "cute-shm-unlink")

DONE, FAILED, USAGE, IN_PART = 0, 1, 2, 3


def directory():
    return pathlib.Path(os.environ.get("CUTESHMFS_BIN") or TOP / "build" / "release" / "bin").absolute()


def missing():
    return [name for name in NAMES if not os.access(directory() / name, os.X_OK)]


@functools.lru_cache(maxsize=None)
def are_sanitized():
    """Whether the programs were built with a sanitizer."""
    try:
        text = (directory() / "cuteshmfs").read_bytes()
    except OSError:
        return False
    return b"__asan_init" in text or b"__tsan_init" in text


@dataclasses.dataclass
class Result:
    """What a command said and how it ended."""

    command: list
    status: int
    out: str
    err: str

    def __str__(self):
        words = " ".join(str(word) for word in self.command)
        return f"$ {words}\nstatus {self.status}\nstdout: {self.out}\nstderr: {self.err}"

    @property
    def error_lines(self):
        return [line for line in self.err.splitlines() if not is_warning(line)]

    @property
    def warnings(self):
        return [line for line in self.err.splitlines() if is_warning(line)]

    def succeeded(self):
        assert self.status == DONE, self
        assert self.error_lines == [], self
        return self

    def silent(self):
        """Ended well and had nothing to complain about."""
        assert (self.status, self.err) == (DONE, ""), self
        return self

    def failed(self, status=FAILED):
        """Ended badly and said why in one line, which is returned."""
        assert self.status == status, self
        assert len(self.error_lines) == 1, self
        line = self.error_lines[0]
        assert line.startswith(os.path.basename(str(self.command[0])) + ": "), self
        assert line.isprintable(), self
        return line


def is_warning(line):
    return ": warning: " in line


def run(command, env, identity=None, timeout=60.0, **options):
    """Runs to the end. Text that is not UTF-8 comes back as surrogates."""
    done = subprocess.run(
        [os.fsencode(word) if isinstance(word, (str, os.PathLike)) else word for word in command],
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=timeout,
        check=False,
        **as_identity(identity),
        **options,
    )
    decode = functools.partial(bytes.decode, encoding="utf-8", errors="surrogateescape")
    return Result(list(command), done.returncode, decode(done.stdout), decode(done.stderr))


def as_identity(identity):
    """Arguments for subprocess. A thread that already is somebody else passes that on by itself."""
    if identity is None or os.geteuid() != 0:
        return {}
    return {"user": identity.uid, "group": identity.gid, "extra_groups": []}
