# SPDX-License-Identifier: MIT
"""What all clients know together, in memory that they share: who is changing what, and what must be seen since.

Whoever changes a project takes a ticket before (a number that only grows; of a publication it is the version) and gives
it back after. When it succeeded, everything that had ended before it began is past: that is the floor, below which no
version may be seen by an open that begins now. What a project is is known exactly when the last change was alone in it.
"""

import dataclasses
import mmap
import multiprocessing
import time
import traceback

import numpy as np

from .stamps import ARRAYS

fork = multiprocessing.get_context("fork")

UNKNOWN, ABSENT, PRESENT = 0, 1, 2
EXISTS = len(ARRAYS)  # a column of its own: the project itself
COLUMNS = EXISTS + 1
IN_FLIGHT = 32  # changes of one project at a time
REMEMBERED = 1 << 16  # tickets
DAEMONS = 2
CLIENTS = 32


@dataclasses.dataclass
class Change:
    project: int
    ticket: int
    low: int  # everything below had ended when this one began
    begun: int
    alone: bool
    removes: bool
    touched: list
    slot: int
    before: list  # what was known of each column when it began


@dataclasses.dataclass
class View:
    """One moment of one array (or of a whole project, when `state`, `version` and `floor` are rows)."""

    begun: int
    quiet: bool
    removing: bool
    removals: int
    ended: float
    state: object
    version: object
    floor: object
    described: object  # the floor of sidecars
    bare: object  # odd: its sidecar was removed; it only grows

    def still(self, after):
        """Nothing of the project was changed between this moment and that."""
        return self.quiet and after.begun == self.begun

    def overtaken(self, after):
        """A change was under way between this moment and that; many consist of several steps."""
        return after.begun > self.begun or not self.quiet

    def settled(self, seconds):
        return self.quiet and time.monotonic() - self.ended > seconds

    def surely_there(self, after):
        """Nobody removed, replaced by nothing, or might have: not even for a moment."""
        return self.state == PRESENT and not self.removing and after.removals == self.removals

    def surely_described(self, after):
        """Its sidecar was not removed either."""
        return self.surely_there(after) and self.bare == after.bare and self.bare % 2 == 0


class Ledger:
    def __init__(self, projects, failures):
        self.failures = failures  # a file
        self.names = projects
        self.mutex = fork.Lock()
        self.exclusive = [fork.Lock() for _ in projects]
        self._memory = mmap.mmap(-1, 4 << 20)
        self._used = 0
        count = len(projects)
        self.next = self._array(1)
        self.next[0] = 1
        self.begun, self.removals = self._array(count), self._array(count)
        self.flying, self.removing = self._array(count, IN_FLIGHT), self._array(count, IN_FLIGHT)
        self.state, self.version = self._array(count, COLUMNS), self._array(count, COLUMNS)
        # A sidecar outlives a segment that somebody removes behind its back, so it has a floor of its own.
        self.floor, self.described = self._array(count, COLUMNS), self._array(count, COLUMNS)
        self.bare = self._array(count, COLUMNS)  # see View
        # Of exactly known arrays, set between begin() and end(): permissions, and the size of what was resized (else 0).
        self.mode, self.resized = self._array(count, COLUMNS), self._array(count)
        self.ended, self.rest = self._array(count, kind="f8"), self._array(count, kind="f8")
        self.lows = self._array(REMEMBERED)
        self.stopping = self._array(1)
        self.epoch = self._array(DAEMONS)  # odd: this daemon is dead or not yet there
        self.pulse = self._array(CLIENTS, kind="f8")
        self.counts = self._array(CLIENTS, 64)
        self.state[:] = ABSENT

    def _array(self, *shape, kind="i8"):
        size = int(np.prod(shape)) * 8
        made = np.frombuffer(self._memory, kind, size // 8, self._used).reshape(shape)
        self._used += size
        return made

    # --- changing -----------------------------------------------------------------------------------------------------

    def begin(self, project, touched, removes):
        """`removes`: or a function that tells by the states before. What was known a moment earlier need not be true any
        more: another change may have ended in between."""
        with self.mutex:
            before = self.state[project].tolist()
            removes = removes(before) if callable(removes) else removes
            ticket = int(self.next[0])
            self.next[0] = ticket + 1
            flying = self.flying[project]
            slot = int(np.flatnonzero(flying == 0)[0])
            alone = not flying.any()
            flying[slot] = ticket
            self.removing[project, slot] = removes
            self.begun[project] += 1
            self.removals[project] += removes
            low = int(flying[flying != 0].min())
            self.lows[ticket % REMEMBERED] = low
            return Change(project, ticket, low, int(self.begun[project]), alone, removes, list(touched), slot, before)

    def end(self, change, succeeded, outcome=None, tables=None):
        """`outcome`: the version that is now in each column that was touched, None for gone; others stay as they were.

        `tables`: the floors that rise to this change, since what was there before may not be opened any more.
        """
        tables = (self.floor, self.described) if tables is None else tables
        project = change.project
        with self.mutex:
            self.flying[project, change.slot] = 0
            self.removing[project, change.slot] = 0
            alone = change.alone and int(self.begun[project]) == change.begun
            for column in change.touched:
                for table in tables if succeeded else ():
                    table[project, column] = max(int(table[project, column]), change.low)
                if succeeded and alone and column in outcome:
                    version = outcome[column]
                    self.state[project, column] = ABSENT if version is None else PRESENT
                    self.version[project, column] = version or 0
                    if version == change.ticket:
                        self._describe(project, column)
                elif not (succeeded and alone):
                    self.state[project, column] = UNKNOWN
            self.ended[project] = time.monotonic()
            return alone

    def _describe(self, project, column):
        self.bare[project, column] += self.bare[project, column] % 2

    def describe(self, project, column):
        """Somebody has just written its sidecar."""
        with self.mutex:
            self._describe(project, column)

    def strip(self, project, column):
        """Its sidecar is about to be removed, and is shown no more until something is declared again."""
        with self.mutex:
            self.bare[project, column] += 1 - self.bare[project, column] % 2

    def cancel(self, change):
        """It was refused and changed nothing."""
        with self.mutex:
            self.flying[change.project, change.slot] = 0
            self.removing[change.project, change.slot] = 0

    def was_alone(self, change):
        with self.mutex:
            return change.alone and int(self.begun[change.project]) == change.begun

    # --- looking ------------------------------------------------------------------------------------------------------

    def look(self, project, column=slice(None)):
        with self.mutex:
            pick = (lambda table: table[project].copy()) if isinstance(column, slice) else (
                lambda table: int(table[project, column]))  # fmt: skip
            return View(
                int(self.begun[project]), not self.flying[project].any(), bool(self.removing[project].any()),
                int(self.removals[project]), float(self.ended[project]),
                pick(self.state), pick(self.version), pick(self.floor), pick(self.described),
                pick(self.bare),
            )  # fmt: skip

    def seen(self, project, column, version):
        """Whoever opens it from now on may not get what was replaced by this version."""
        with self.mutex:
            low = int(self.lows[version % REMEMBERED])
            if int(self.next[0]) - version < REMEMBERED:
                for table in (self.floor, self.described):
                    table[project, column] = max(int(table[project, column]), low)

    def newest(self):
        return int(self.next[0]) - 1

    # --- the run ------------------------------------------------------------------------------------------------------

    def stopped(self):
        return bool(self.stopping[0])

    def stop(self):
        self.stopping[0] = 1

    def fail(self, who, text):
        line = f"{who}: {text}\n"
        with open(self.failures, "a", encoding="utf-8", errors="replace") as file:
            file.write(line)
        self.stop()

    def fail_with_trace(self, who):
        self.fail(who, traceback.format_exc())

    def beat(self, client):
        self.pulse[client] = time.monotonic()

    def epochs(self):
        return tuple(int(epoch) for epoch in self.epoch)

    def steady(self, epochs):
        """Every daemon was alive then and has been since."""
        return self.epochs() == epochs and not any(epoch % 2 for epoch in epochs)

    def rests(self, project):
        """Left alone for a while, so that what must be seen at the latest can be asked for."""
        return time.monotonic() < self.rest[project]

