# SPDX-License-Identifier: MIT
"""A daemon for a test: started, awaited, ended, and looked after."""

import contextlib
import dataclasses
import os
import pathlib
import re
import shutil
import signal
import subprocess
import threading

from . import programs, users
from .place import Place
from .waiting import patience, wait_until

PASSTHROUGH, SYMLINK = "passthrough", "symlink"
DEVICE = pathlib.Path("/dev/fuse")
LONGEST = 60.0  # seconds that a test may use a mount
VISIBLE = 1.0  # seconds until the mount shows what others did


@dataclasses.dataclass(frozen=True)
class Access:
    """Who runs the daemon and how it shows arrays."""

    name: str
    mode: str
    as_root: bool
    identity: object = None

    @property
    def symlinks(self):
        return self.mode == SYMLINK


ALL = {
    "root-passthrough": Access("root-passthrough", PASSTHROUGH, True),
    "root-symlink": Access("root-symlink", SYMLINK, True),
    "user-symlink": Access("user-symlink", SYMLINK, False, users.nobody if users.is_root() else None),
}


class Mount:
    def __init__(self, place, access, longest=LONGEST):
        self.place = place
        self.longest = longest  # None: no limit
        self.access = access
        self.path = place.mountpoint
        self.log = place.log
        self.process = None
        self._watchdog = None

    def __truediv__(self, name):
        return self.path / name

    @property
    def symlinks(self):
        return self.access.symlinks

    def command(self, *options, foreground=True):
        stay = ["-f"] if foreground else []
        return self.place.command("cuteshmfs", *stay, f"--access={self.access.mode}", *options, self.path)

    def start(self, *options):
        """Runs in the foreground, so that its end and its words are known. Returns when it serves and has said so."""
        said = len(self.text())
        self.launch(*options)
        wait_until(lambda: self.mounted_or_dead() and "access" in self.text()[said:], "the mount")
        return self

    def launch(self, *options):
        """Without waiting for anything."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command(*options),
                env=self.place.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **programs.as_identity(self.place.identity),
            )
        self._watch(self.process)

    def _watch(self, process):
        """A daemon that never answers would hang the test for ever; killed, it makes all calls fail."""
        self._unwatch()
        if self.longest is None:
            return
        self._watchdog = threading.Timer(self.longest * patience(), process.kill)
        self._watchdog.daemon = True
        self._watchdog.start()

    def _unwatch(self):
        if self._watchdog:
            self._watchdog.cancel()

    def mounted_or_dead(self):
        """Asked in this order, a dead mount that is still there, or was just removed, is not taken for a new one."""
        if self.process.poll() is not None:
            raise AssertionError(f"the daemon ended with {self.process.returncode}: {self.text()}")
        return self._answers() and is_mounted(self.path)

    def _answers(self):
        ask = lambda: os.statvfs(self.path)  # noqa: E731
        try:
            return self.place.identity.run(ask) if self.place.identity else ask()
        except OSError:
            return False

    def eventually(self, check, what):
        """Changes made outside must be seen on the next look, within a second."""
        return wait_until(check, f"{what} on the mount", VISIBLE)

    def text(self):
        return self.log.read_text(errors="replace")

    def stop(self, signal_number=signal.SIGTERM):
        """Ends it as a service manager would; it must leave without complaint."""
        self.process.send_signal(signal_number)
        status = self.process.wait(20)
        self.place.assert_no_reports()
        assert status == 0, f"the daemon ended with {status}: {self.text()}"
        assert not is_mounted(self.path)
        self.process = None

    def kill(self):
        self._unwatch()
        self.process.kill()
        self.process.wait(20)
        self.process = None

    def finish(self):
        """Whatever happened: no process and no mount remain."""
        self._unwatch()
        with contextlib.suppress(ProcessLookupError):
            if self.process and self.process.poll() is None:
                self.process.terminate()
                try:
                    self.process.wait(20)
                except subprocess.TimeoutExpired:
                    self.kill()
        detach(self.path)


def beside(place, access):
    """Another mount of the same registry, to be started; to be finished in any case."""
    second = Mount(place, access)
    second.path = place.base / "second"
    second.path.mkdir()
    second.path.chmod(0o777)
    second.log = place.base / "second.log"
    second.log.touch()
    return second


def mounts_at(path):
    """The device numbers of what is mounted there, the lowest first."""
    return [line[2] for line in _lines_of(path)]


def type_of(path):
    line = _lines_of(path)[-1]
    return line[line.index(b"-") + 1].decode()


def source_of(path):
    line = _lines_of(path)[-1]
    return line[line.index(b"-") + 2].decode()


def options_of(path):
    """Those of the file system."""
    return _lines_of(path)[-1][-1].decode().split(",")


def _lines_of(path):
    wanted = os.fsencode(path)
    with open("/proc/self/mountinfo", "rb") as table:
        lines = [line.split() for line in table]
    return [line for line in lines if _unescape(line[4]) == wanted]


def _unescape(field):
    return re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8)]), field)


def is_mounted(path):
    return bool(mounts_at(path))


def detach(path):
    for _ in range(4):
        if not is_mounted(path):
            return
        tool = ["umount", "-l"] if users.is_root() else ["fusermount3", "-u", "-z"]
        subprocess.run([*tool, path], check=False, capture_output=True)
    assert not is_mounted(path)


def why_not(access):
    """Why this way of mounting cannot be had here; None when it can. Raises for what should be but is not."""
    if access.as_root and not users.is_root():
        return "needs root"
    if not DEVICE.exists():
        return f"there is no {DEVICE}"
    if not access.as_root and not fusermount_is_setuid():
        return "a user mounts with fusermount3, which is not installed setuid"
    return _try(access)


def fusermount_is_setuid():
    found = shutil.which("fusermount3")
    return found is not None and bool(os.stat(found).st_mode & 0o4000)


def _try(access):
    """Asks the daemon itself: it must either mount or say in one line why it cannot."""
    place = Place(access.identity)
    mount = Mount(place, access)
    try:
        mount.start().stop()
    except AssertionError as error:
        lines = mount.text().strip().splitlines()
        if access.mode == PASSTHROUGH and len(lines) == 1 and "passthrough" in lines[0]:
            return lines[0]
        raise AssertionError(f"{access.name}: {error}") from error
    finally:
        mount.finish()
        place.finish(strict=False)
    return None


@contextlib.contextmanager
def fuse_for_everybody():
    """Some machines keep /dev/fuse to root; elsewhere it is 0666. Whatever it was, it is again in the end."""
    mode = DEVICE.stat().st_mode & 0o7777 if DEVICE.exists() else None
    try:
        open_device()
        yield
    finally:
        if users.is_root() and mode is not None:
            DEVICE.chmod(mode)


def open_device():
    if users.is_root() and DEVICE.exists():
        DEVICE.chmod(DEVICE.stat().st_mode & 0o7777 | 0o666)
