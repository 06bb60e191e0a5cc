# SPDX-License-Identifier: MIT
"""A client that starts others and kills them in the middle."""

import contextlib
import mmap
import os
import signal
import subprocess
import time

from .ledger import EXISTS
from .makers import PLACED, Maker
from .stamps import ARRAYS, content
from .writers import ALL, write_file


class Killer(Maker):
    def prepare(self):
        super().prepare()
        self.victims = 0

    def turn(self):
        self.doing = "kill"
        self.count("died")
        if self.chance.random() < 0.4:
            self._kill(self._reader(), 0.05)
        else:
            self._kill_a_writer()
        self.pause(0.4)

    # --- who reads ----------------------------------------------------------------------------------------------------

    def _reader(self):
        """A fork: it opens, maps and reads as fast as it can until it dies."""
        paths = [self.path(mount, project, *path) for mount in range(len(self.world.mounts))
                 for project in range(len(self.world.projects)) for path in ARRAYS]  # fmt: skip
        self.chance.shuffle(paths)
        pid = os.fork()
        if pid == 0:
            try:
                while True:
                    for path in paths:
                        self._touch(path)
            finally:
                os._exit(1)
        return pid

    @staticmethod
    def _touch(path):
        try:
            fd = os.open(path, os.O_RDONLY)
            size = os.fstat(fd).st_size
            if size and not path.endswith("/t"):
                mapped = mmap.mmap(fd, size, mmap.MAP_SHARED, mmap.PROT_READ)
                mapped[size - 1]
                mapped.close()
            os.close(fd)
        except (OSError, ValueError):
            pass

    # --- who writes ---------------------------------------------------------------------------------------------------

    def _kill_a_writer(self):
        with self._one() as project:
            if project is None:
                return
            change = self.ledger.begin(project, [*ALL, EXISTS], True)
            start, most = self.chance.choice(
                [(self._loader, 0.15), (self._adder, 0.1), (self._unlinker, 0.03), (self._remover, 0.03),
                 (self._fork_unlinking, 0.02), (self._fork_making, 0.05)]
            )  # fmt: skip
            self._kill(start(project, change.ticket), most)
            self.ledger.end(change, False)

    def _loader(self, project, version):
        write_file(self.file, self._name(project), version, self._some())
        return self._start("cute-shm-hdf5", "-o", self._name(project), self.file)

    def _adder(self, project, version):
        write_file(self.file, self._name(project), version, ALL[-2:], ("h",))
        return self._start("cute-shm-hdf5", "-o", "--into", "h", self._name(project), self.file)

    def _unlinker(self, project, version):
        return self._start("cute-shm-unlink", self._name(project))

    def _start(self, tool, *words_of):
        environment = dict(self.world.place.environment)
        # Killed in its search for leaks, a sanitizer reports that it could not search.
        environment["ASAN_OPTIONS"] += ":detect_leaks=0"
        return self._spawn(self.world.place.command(tool, *words_of), environment)

    def _remover(self, project, version):
        return self._spawn(["rm", "-rf", self.path(self.chance.randrange(len(self.world.mounts)), project)], None)

    @staticmethod
    def _spawn(command, environment):
        quiet = subprocess.DEVNULL
        process = subprocess.Popen(
            command, env=environment, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True
        )
        process.returncode = 0  # it is waited for below, by its number
        return process.pid

    def _fork_unlinking(self, project, version):
        paths = [self.path(0, project, *path) for path in ARRAYS]
        pid = os.fork()
        if pid == 0:
            try:
                os.setsid()
                for path in paths:
                    try:
                        os.unlink(path)
                    except OSError:
                        pass
            finally:
                os._exit(0)
        return pid

    def _fork_making(self, project, version):
        """Whatever it leaves has a name that nobody looks at, or is whole."""
        mount = self.chance.randrange(len(self.world.mounts))
        pid = os.fork()
        if pid == 0:
            try:
                os.setsid()
                self._make_all(mount, project, version)
            finally:
                os._exit(0)
        return pid

    def _make_all(self, mount, project, version):
        hows = [self._by_sidecar, self._by_npy] + [self._raw] * (not self.world.links)
        for column in self.chance.sample(PLACED, len(PLACED)):
            path = self.path(mount, project, *ARRAYS[column])
            beside = os.path.join(os.path.dirname(path), f".dying-{version}-{column}")
            with contextlib.suppress(OSError):
                os.mkdir(beside + "-group", 0o700)
                self.chance.choice(hows)(beside, content(version, self._name(project), column), version)
                os.rename(beside, path)
            with contextlib.suppress(OSError):
                os.rename(path, beside + "-group/moved")
                os.rename(beside + "-group/moved", path)
                os.rmdir(beside + "-group")
            with contextlib.suppress(OSError):
                os.link(path, beside + "-link")
                os.unlink(beside + "-link")

    def _wait(self, most):
        """Until any moment, or that at which somebody has just written down what he is about to link or unlink."""
        end = time.monotonic() + self.chance.random() ** 2 * most * self.world.patience
        if self.chance.random() < 0.3:
            time.sleep(max(0.0, end - time.monotonic()))
            return
        end, before = end + most, self._pending()
        while time.monotonic() < end and self._pending() <= before:
            pass

    def _pending(self):
        return {name for name in self.world.place.in_registry() if name.startswith(".pending.")}

    def _kill(self, pid, most):
        self._wait(most)
        everybody = self.chance.random() < 0.5
        try:
            if everybody and os.getpgid(pid) == pid:
                os.killpg(pid, signal.SIGKILL)
            else:
                os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        os.waitpid(pid, 0)
        self._await_session(pid)

    def _await_session(self, session):
        """A loader's child ends with it."""
        deadline = time.monotonic() + 10 * self.world.patience
        while self._has_members(session):
            if time.monotonic() > deadline:
                self.wrong("children of a killed command live on")
            time.sleep(0.002)

    @staticmethod
    def _has_members(group):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True
