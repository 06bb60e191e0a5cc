# SPDX-License-Identifier: MIT
"""Where a benchmark lives: registry, shared memory directory, mounts and inputs of its own, all gone at its end."""

import contextlib
import functools
import os
import pathlib
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib

import machine
from measure import NotMeasured

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parents[1]
PREFIX = "cuteshm-bench-"
SETTINGS = ("CUTE_SHM_ROOT", "CUTE_SHM_DIR", "CUTE_SHM_PROJECT", "TMPDIR")
LONGEST = 600.0  # seconds for one command; a hanging one must not hang the whole
READY = 60.0  # seconds for a mount


class Broken(Exception):
    """Something that must work does not."""


class Mount:
    """A daemon, from its first answer to its end."""

    def __init__(self, place):
        self.place = place
        self.process = None
        self.path = place.base / f"mount-{secrets.token_hex(3)}"
        self.path.mkdir()
        self._log = place.base / f"{self.path.name}.log"

    def start(self, command, uring):
        """The kernel looks at its switch for io_uring when a file system starts."""
        if self.place.uring.switchable:
            self.place.uring.set(uring)
        words = [*command, *(["-o", "io_uring"] if uring and self.place.knows_uring else [])]
        with open(self._log, "wb") as log:
            self.process = subprocess.Popen(
                words,
                env=self.place.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._await()

    def _await(self):
        device = self.path.parent.stat().st_dev
        end = time.monotonic() + READY
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise Broken(
                    f"the daemon ended with {self.process.returncode}: {self._log.read_text(errors='replace').strip()}"
                )
            with contextlib.suppress(OSError):
                if self.path.stat().st_dev != device:
                    return
            time.sleep(0.002)
        raise Broken("the daemon does not answer")

    def access(self):
        """What it said when it first needed to know."""
        said = _text(self._log)
        return next((line.partition("access by ")[2] for line in said.splitlines() if "access by " in line), None)

    @property
    def has_uring(self):
        """Its threads for the rings bear a name of libfuse's."""
        threads = pathlib.Path(f"/proc/{self.process.pid}/task")
        return any(_text(thread / "comm").startswith("fuse-ring") for thread in threads.iterdir())

    def resident(self):
        """Bytes of memory the daemon has: now, and at most so far."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        lines = dict(line.split(":", 1) for line in status.splitlines())
        return tuple(int(lines[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))

    def stop(self):
        """Whatever state it is in: no process and no mount remain."""
        if self.process:
            self._end()
        if not _answers(self.path) or os.path.ismount(self.path):
            umount = ["umount", "-l"] if os.geteuid() == 0 else ["fusermount3", "-u", "-z"]
            subprocess.run([*umount, self.path], capture_output=True)
        with contextlib.suppress(OSError):
            self.path.rmdir()

    def _end(self):
        self.place.access = self.access() or self.place.access
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(30)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def _text(path):
    try:
        return path.read_text()
    except OSError:
        return ""


def _answers(path):
    try:
        os.stat(path)
    except OSError:
        return False
    return True


class Place:
    def __init__(self, say):
        self.say = say
        self.base = pathlib.Path(tempfile.mkdtemp(prefix=PREFIX, dir=disk()))
        self.shm = pathlib.Path(tempfile.mkdtemp(prefix=PREFIX, dir=shared_memory()))
        self.files = self.base / "files"
        self.files.mkdir()
        (self.base / "empty.conf").touch()
        self.token = secrets.token_hex(4)
        self.peer_projects = f"cuteshm-bench-{self.token}"
        self.uring = machine.Uring()
        self.environment = {name: value for name, value in os.environ.items() if name not in SETTINGS} | {"LC_ALL": "C"}
        self.programs = pathlib.Path(os.environ.get("CUTESHMFS_BIN") or TOP / "build/release/bin").absolute()
        self.access = None
        self._mounts = []
        self._peer = None

    # --- programs -----------------------------------------------------------------------------------------------------

    def command(self, tool, *words, registry="registry"):
        where = [f"--config={self.base}/empty.conf", f"--root={self.base / registry}", f"--shm-dir={self.shm}"]
        return [str(word) for word in (self.programs / tool, *where, *words)]

    @functools.cached_property
    def knows_uring(self):
        """A libfuse before 3.18 takes `-o io_uring` for a mistake."""
        said = self.call([self.programs / "cuteshmfs", "--version"])
        found = re.search(r"libfuse (\d+)\.(\d+)", said)
        return bool(found) and tuple(int(number) for number in found.groups()) >= (3, 18)

    def timed(self, command, timeout=LONGEST, check=True):
        """Seconds from its start to its end."""
        start = time.perf_counter()
        self.call(command, timeout, check)
        return time.perf_counter() - start

    def call(self, command, timeout=LONGEST, check=True):
        """What it prints."""
        words = [str(word) for word in command]
        try:
            done = subprocess.run(
                words, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout
            )
        except subprocess.TimeoutExpired:
            raise NotMeasured(f"{os.path.basename(words[0])} took longer than {timeout:.0f} s") from None
        if check and done.returncode != 0:
            raise Broken(f"{' '.join(words)}: status {done.returncode}: {done.stderr.strip()[-500:]}")
        return done.stdout

    def probe(self, *words, timeout=LONGEST):
        """The numbers that bench-probe prints, a list a line."""
        said = self.call([self.probe_program, *words], timeout)
        return [[float(word) for word in line.split()] for line in said.splitlines()]

    @property
    def probe_program(self):
        return TOP / "build/release/bench/bench-probe"

    def can(self, tool, option):
        return option in self.call([self.programs / tool, "--help"])

    # --- projects and mounts ------------------------------------------------------------------------------------------

    def load(self, project, file, *options, registry="registry"):
        return self.timed(self.command("cute-shm-hdf5", "--no-progress", *options, project, file, registry=registry))

    def unlink(self, project, registry="registry"):
        self.call(self.command("cute-shm-unlink", project, registry=registry))

    def segment(self, project, array, registry="registry"):
        """The file in shared memory of an array at the top of a project."""
        manifest = tomllib.loads((self.base / registry / f"cute-shm.{project}.toml").read_text())
        return self.shm / manifest[array]["shm_name"]

    def mounted(self, registry="registry", uring=True):
        """A mount of ours for a while."""
        return self._mounted(lambda at: self.command("cuteshmfs", "-f", at, registry=registry), uring)

    def example(self, source):
        """libfuse's own example, which shows `source` as it is, for a while."""
        if not self.example_program.exists():
            raise NotMeasured("libfuse's example passthrough_hp is not built (scripts/lib/example.sh)")
        return self._mounted(lambda at: [self.example_program, "--foreground", source, at], True)

    def make_example(self):
        subprocess.run([TOP / "scripts/lib/example.sh"], capture_output=True, stdin=subprocess.DEVNULL)

    @property
    def example_program(self):
        return TOP / "build/deps/passthrough_hp"

    @contextlib.contextmanager
    def _mounted(self, command, uring):
        if not os.access("/dev/fuse", os.R_OK | os.W_OK):
            raise NotMeasured("/dev/fuse cannot be used")
        made = Mount(self)
        self._mounts.append(made)
        try:
            made.start(command(made.path), uring)
            yield made
        finally:
            made.stop()
            self._mounts.remove(made)

    # --- the peers ----------------------------------------------------------------------------------------------------

    def h5py(self, file):
        """Seconds for h5py's own read."""
        return float(self.call([sys.executable, "-B", HERE / "h5py_read.py", file]))

    def peer(self, file):
        """Seconds for the peer's load, and its memory given back."""
        python = self._peer_python()
        project = f"{self.peer_projects}-{secrets.token_hex(3)}"
        try:
            (self.base / "peer").mkdir(exist_ok=True)
            return float(self.call([python, "-B", HERE / "peer_load.py", self.base / "peer", project, file]))
        finally:
            self._peer_leaves()

    def _peer_python(self):
        """Installed when first asked for, as the tests do."""
        if self._peer is None:
            named = os.environ.get("CUTESHMFS_PEER_PYTHON")
            made = TOP / "build/venv-peer/bin/python"
            if not named:
                done = subprocess.run(
                    [TOP / "scripts/lib/peer.sh"], capture_output=True, text=True, stdin=subprocess.DEVNULL
                )
                self.say("the peer could not be installed" if done.returncode else "the peer is there")
            self._peer = named or (str(made) if made.exists() else "")
        if not self._peer:
            raise NotMeasured("the peer could not be installed from PyPI (build/logs/peer.log)")
        return self._peer

    def _peer_leaves(self):
        for left in machine.SHARED_MEMORY.glob(f"cute-shm.{self.peer_projects}*"):
            left.unlink(missing_ok=True)
        shutil.rmtree(self.base / "peer", ignore_errors=True)

    # --- the end ------------------------------------------------------------------------------------------------------

    def finish(self, keep=False):
        """Whatever happened. Kept are only the inputs."""
        for mount in list(self._mounts):
            mount.stop()
        self._peer_leaves()
        shutil.rmtree(self.shm, ignore_errors=True)
        self.uring.give_back()
        for path in self.base.iterdir():
            if not (keep and path == self.files):
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()
        if keep:
            self.say(f"the inputs are kept in {self.files}")
        else:
            self.base.rmdir()


def shared_memory():
    return pathlib.Path(os.environ.get("CUTE_SHM_DIR") or machine.SHARED_MEMORY)


def disk():
    """TMPDIR, or the usual place unless that is in memory: inputs lie on a disk, in the page cache."""
    usual = pathlib.Path(tempfile.gettempdir())
    kinds = {line.split()[1]: line.split()[2] for line in pathlib.Path("/proc/mounts").read_text().splitlines()}
    in_memory = kinds.get(str(usual)) == "tmpfs"
    return (
        pathlib.Path("/var/tmp")
        if in_memory and "TMPDIR" not in os.environ and os.access("/var/tmp", os.W_OK)
        else usual
    )
