# SPDX-License-Identifier: MIT
"""Where the storm takes place: two mounts of one registry, the clients, and who watches over them."""

import collections
import contextlib
import os
import pathlib
import random
import subprocess
import time

from support import mounting
from support.place import Place
from support.waiting import patience

from . import quiet
from .client import World
from .killer import Killer
from .ledger import DAEMONS, Ledger
from .makers import Maker
from .peer import Peer
from .readers import Lister, Reader
from .writers import Writer

HANG_SECONDS = 60  # without a sign of life
SHM_MEBIBYTES = 1024


class Arena:
    def __init__(self, access, settings):
        self.access = access
        self.settings = settings
        self.chance = random.Random(settings.seed)
        self.place = Place(access.identity, SHM_MEBIBYTES if os.geteuid() == 0 else None)
        self.second = Place(access.identity)
        self.second_shm = self.second.shm
        self.second.registry, self.second.shm = self.place.registry, self.place.shm
        self.mounts = [mounting.Mount(self.place, access, longest=None), mounting.Mount(self.second, access, longest=None)]
        self.processes = []
        self.clients = []
        self.world = None
        self.resident = []

    # --- from the start to the end ------------------------------------------------------------------------------------

    def run(self):
        """Raises AssertionError for whatever was not as it must be. Returns a summary, lines of text."""
        try:
            self._start()
            self._watch()
            self._calm()
            lines = self._summary()
            quiet.check(self)
            return [*lines, *self._memory()]
        except AssertionError as error:
            raise AssertionError(f"seed {self.settings.seed}: {error}") from error
        finally:
            self._clean_up()

    def _start(self):
        for mount in self.mounts:
            mount.start()
        self.resident = [quiet.resident(mount) for mount in self.mounts]
        settings = self.settings
        projects = [f"p{number}" for number in range(settings.exclusive + settings.wild)]
        ledger = Ledger(projects, self.place.base / "failures")
        self.world = World(
            place=self.place, mounts=[mount.path for mount in self.mounts], ledger=ledger, projects=projects,
            exclusive=settings.exclusive, window=patience(), patience=patience(),
            strict_opens=not self.access.symlinks, peer=settings.peer, seed=settings.seed,
        )  # fmt: skip
        kinds = [Reader] * settings.readers + [Lister] + [Writer] * settings.writers + [Maker] * settings.makers + [Killer] + [Peer] * bool(settings.peer)
        for number, kind in enumerate(kinds):
            client = kind(self.world, number, f"{kind.__name__.lower()}-{number}")
            ledger.beat(number)
            self.clients.append(client)
            self.processes.append(client.start())

    def _watch(self):
        end = time.monotonic() + self.settings.seconds
        next_kill = self._next_kill()
        while time.monotonic() < end and not self.world.ledger.stopped():
            time.sleep(0.05)
            self._look()
            if time.monotonic() > next_kill:
                self._kill_a_daemon()
                next_kill = self._next_kill()
        self._look()

    def _look(self):
        """A daemon that ended, a client that died or hangs."""
        ledger = self.world.ledger
        for mount in self.mounts:
            if mount.process.poll() is not None:
                ledger.fail(str(mount.path), f"the daemon ended with {mount.process.returncode}")
        for client, process in zip(self.clients, self.processes):
            silent = time.monotonic() - ledger.pulse[client.number] if ledger.pulse[client.number] else 0
            if process.exitcode not in (None, 0):
                ledger.fail(client.name, f"died with {process.exitcode}")
            if silent > HANG_SECONDS * patience():
                ledger.fail(client.name, f"silent for {silent:.0f} s\n{self._stacks()}")
        self._raise_failures()

    def _raise_failures(self):
        path = self.world.ledger.failures
        if path.exists():
            time.sleep(0.5)  # what else is said about it
            raise AssertionError(f"{path.read_text(errors='replace')}\n{self._logs()}{self._reports()}")

    def _reports(self):
        reports = [report for place in (self.place, self.second) for report in sorted(place.reports.iterdir())]
        return "".join(f"{report.name}:\n{report.read_text(errors='replace')[:6000]}\n" for report in reports)

    def _logs(self):
        logs = [self.place.log, self.second.log, self.place.files / "peer.log"]
        return "".join(f"{log}:\n{tail(log)}\n" for log in logs if log.exists() and log.stat().st_size)

    def _calm(self):
        """Everybody ends what he is at."""
        ledger = self.world.ledger
        ledger.stop()
        deadline = time.monotonic() + HANG_SECONDS * patience()
        for client, process in zip(self.clients, self.processes):
            process.join(max(0.0, deadline - time.monotonic()))
            if process.is_alive():
                ledger.fail(client.name, f"does not end\n{self._stacks()}")
        self._look()

    # --- killing a daemon ---------------------------------------------------------------------------------------------

    def _next_kill(self):
        return time.monotonic() + self.chance.uniform(1, 5) * patience() if self.settings.kill_daemon else float("inf")

    def _kill_a_daemon(self):
        which = self.chance.randrange(DAEMONS)
        ledger, mount = self.world.ledger, self.mounts[which]
        ledger.epoch[which] += 1
        try:
            mount.kill()
        except subprocess.TimeoutExpired:
            ledger.fail(str(mount.path), f"the killed daemon does not go\n{self._stacks()}")
            self._raise_failures()
        time.sleep(self.chance.random() * 0.3)
        mount.start()  # over the dead mount
        ledger.epoch[which] += 1

    # --- at the end ---------------------------------------------------------------------------------------------------

    def _summary(self):
        counts = collections.Counter()
        for client in self.clients:
            for name, count in zip(client.NAMES, self.world.ledger.counts[client.number]):
                counts[f"{type(client).__name__.lower()}.{name}"] += int(count)
        lines = [f"{name} {count}" for name, count in sorted(counts.items()) if count]
        lags = sorted(float(line) for file in self.place.files.glob("lags-*") for line in file.read_text().split())
        if lags:
            text = f"p50 {lags[len(lags) // 2] * 1e3:.1f}, p99 {lags[len(lags) * 99 // 100] * 1e3:.1f}, most {lags[-1] * 1e3:.1f}"
            lines.append(f"from a change until a listing shows it, in ms: {text} ({len(lags)} times)")
        if self.settings.kill_daemon:
            lines.append(f"daemons killed {int(self.world.ledger.epoch.sum()) // 2}")
        assert counts["reader.found"] and counts["writer.succeeded"], lines
        assert counts["maker.succeeded"] or not self.settings.makers, lines
        return lines

    def _memory(self):
        return [f"resident memory of a daemon, KiB: {before} at the start, {after} at the end" for before, after in self.resident]

    def _stacks(self):
        """Of all who take part: where they hang."""
        pids = [process.pid for process in self.processes] + [mount.process.pid for mount in self.mounts if mount.process]
        text = "".join(kernel_stacks(pid) for parent in pids for pid in [parent, *children(parent)])
        for mount in self.mounts:
            if mount.process and mount.process.poll() is None:
                text += run_quietly("gdb", "-p", str(mount.process.pid), "-batch", "-ex", "thread apply all bt")
        return text

    def _clean_up(self):
        if self.world:
            self.world.ledger.stop()
        for process in self.processes:
            process.join(0.2 if self._failed() else 5)
        if any(process.is_alive() for process in self.processes):
            self._cut_off()
        for process in self.processes:
            process.join(5)
            if process.is_alive():
                process.kill()
                process.join(5)
        for mount in self.mounts:
            mount.finish()
        self.second.shm = self.second_shm
        self.second.finish(strict=False)
        self.place.finish(strict=False)

    def _failed(self):
        return self.world is not None and self.world.ledger.failures.exists()

    def _cut_off(self):
        """The last resort: who waits for a daemon that does not answer gets an error.

        Killing it is not enough when one of its threads hangs in a notification: that keeps the connection.
        """
        devices = [device.decode() for mount in self.mounts for device in mounting.mounts_at(mount.path)]
        control = self.place.base / "fusectl"
        control.mkdir(exist_ok=True)
        if os.geteuid() == 0 and subprocess.run(["mount", "-t", "fusectl", "none", control]).returncode == 0:
            for device in devices:
                with contextlib.suppress(OSError):
                    (control / device.split(":")[1] / "abort").write_text("1")
            subprocess.run(["umount", control])
        for mount in self.mounts:
            with contextlib.suppress(ProcessLookupError):
                if mount.process:
                    mount.process.kill()


def tail(file, lines=40):
    return "\n".join(file.read_text(errors="replace").splitlines()[-lines:])


def kernel_stacks(pid):
    text = ""
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*"):
        with contextlib.suppress(OSError):
            text += f"{pid}/{task.name} {(task / 'comm').read_text().strip()} in {(task / 'wchan').read_text()}\n"
            text += (task / "stack").read_text()
    return text


def children(pid):
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return []


def run_quietly(*words):
    try:
        return subprocess.run(words, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{words[0]}: {error}\n"


