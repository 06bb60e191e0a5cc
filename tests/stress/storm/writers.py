# SPDX-License-Identifier: MIT
"""Clients that change projects: through our commands, the mount, the peer's package, and behind everybody's back."""

import contextlib
import os
import subprocess
import time
import tomllib

import h5py

from .client import Client, expected_data
from .ledger import ABSENT, EXISTS, PRESENT, UNKNOWN
from .stamps import ARRAYS, BIG, NUMBER, RESIZED, WORD, content, words

ALL = list(range(len(ARRAYS)))
BELOW_H = [NUMBER["h", "d0"], NUMBER["h", "d1"]]
COMMAND_SECONDS = 45
META = ".meta"


def write_file(path, project, version, columns, below=()):
    """An HDF5 file with this version of these arrays; `below` is cut off their paths."""
    with h5py.File(path, "w") as file:
        file.attrs["stamp"] = version
        for column in columns:
            made = file.create_dataset("/".join(ARRAYS[column][len(below) :]), data=content(version, project, column))
            made.attrs["stamp"] = version
    return path


class Writer(Client):
    NAMES = (
        "overwrite", "load", "free_first", "into", "unlink_command", "remove_tree", "find_delete", "remove_group",
        "remove_array", "remove_sidecar", "rm_segment", "truncate_segment", "chmod_segment", "list_json", "fleeting",
        "peer_write", "peer_unlink", "succeeded", "refused", "timed_out", "awaited", "died",
    )  # fmt: skip

    def prepare(self):
        self.file = self.world.place.files / f"{self.name}.h5"
        self.lags = []

    def finish(self):
        with open(self.world.place.files / f"lags-{self.name}", "w", encoding="ascii") as file:
            file.writelines(f"{lag}\n" for lag in self.lags)

    def turn(self):
        action = self.one_of(
            (
                (10, self.overwrite), (3, self.load), (1, self.free_first), (4, self.into),
                (3, self.unlink_command), (3, self.remove_tree), (1, self.find_delete), (3, self.remove_group),
                (6, self.remove_array), (2, self.remove_sidecar),
                (2, self.rm_segment), (3, self.truncate_segment), (3, self.chmod_segment),
                (2, self.list_json), (2, self.fleeting),
            )
        )  # fmt: skip
        action()
        self.pause(0.1)

    # --- one change ---------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _one(self, exclusive_only=False, wait=0.05):
        """A project to change; None when it is somebody else's turn there."""
        world = self.world
        awake = [project for project in range(world.exclusive) if not self.ledger.rests(project)] or [0]
        project = self.chance.choice(awake) if exclusive_only else self.project()
        if project >= world.exclusive:
            yield project
        elif self.ledger.rests(project) or not self.ledger.exclusive[project].acquire(timeout=wait):
            yield None
        else:
            try:
                yield project
                self._perhaps_rest(project)
            finally:
                self.ledger.exclusive[project].release()

    def _perhaps_rest(self, project):
        if self.chance.random() < 0.05:
            self.ledger.rest[project] = time.monotonic() + self.world.window * (1.5 + self.chance.random())

    def _command(self, tool, *words_of):
        """Its status and what it said; never a hang, a crash or more than a line per project."""
        try:
            done = self.world.place.run(tool, *words_of, timeout=COMMAND_SECONDS * self.world.patience)
        except subprocess.TimeoutExpired:
            self.wrong(f"{tool} {words_of} hangs")
        if done.status not in (0, 1):
            self.wrong(f"{done}")
        return done

    def _program(self, *words_of, cwd):
        try:
            return subprocess.run(
                words_of, cwd=cwd, capture_output=True, text=True, timeout=COMMAND_SECONDS * self.world.patience
            )
        except subprocess.TimeoutExpired:
            self.wrong(f"{words_of} hangs")
        except OSError as error:  # of its directory, where the daemon is dead
            if not self.ledger.epoch.any():
                raise
            return subprocess.CompletedProcess(words_of, 1, "", str(error))

    def _result(self, change, done, outcome, must=True):
        """Books how a command ended. `must`: alone, it has to succeed."""
        succeeded = done.status == 0
        alone = self.ledger.was_alone(change)
        late = "timed out" in done.err  # five seconds for the registry's lock
        for column in outcome:
            if outcome[column] and succeeded and alone:
                self.ledger.mode[change.project, column] = 0o600
        if succeeded and RESIZED in outcome:
            self.ledger.resized[change.project] = 0
        self.ledger.end(change, succeeded, outcome)
        self.count("succeeded" if succeeded else "timed_out" if late else "refused")
        if alone and must and not succeeded and not late:
            self.wrong(f"was alone and failed: {done}")

    def _name(self, project):
        return self.world.projects[project]

    # --- publishing ---------------------------------------------------------------------------------------------------

    def _some(self):
        """Which arrays a new version has: mostly all."""
        if self.chance.random() < 0.6:
            return [column for column in ALL if column != BIG or self.chance.random() < 0.5]
        return sorted(self.chance.sample(ALL, self.chance.randint(1, len(ALL))))

    def _publish(self, project, *options):
        columns = self._some()

        def removes(before):
            return "--free-first" in options or any(before[c] != ABSENT and c not in columns for c in ALL)

        change = self.ledger.begin(project, [*ALL, EXISTS], removes)
        write_file(self.file, self._name(project), change.ticket, columns)
        done = self._command("cute-shm-hdf5", *options, "-no-progress", self._name(project), self.file)
        outcome = {column: change.ticket if column in columns else None for column in ALL}
        self._result(change, done, {**outcome, EXISTS: change.ticket}, must="-o" in options)
        if done.status == 0:
            self._await(project)

    def overwrite(self):
        with self._one() as project:
            if project is not None:
                self._publish(project, "-o")

    def free_first(self):
        with self._one() as project:
            if project is not None:
                self._publish(project, "-o", "--free-first")

    def load(self):
        """Refused, with nothing changed, where there is a project."""
        with self._one() as project:
            if project is None:
                return
            if project >= self.world.exclusive or self.ledger.look(project).state[EXISTS] != PRESENT:
                self._publish(project)
                return
            change = self.ledger.begin(project, [], False)
            write_file(self.file, self._name(project), change.ticket, ALL[:2])
            done = self._command("cute-shm-hdf5", self._name(project), self.file)
            self.ledger.cancel(change)
            if done.status == 0:
                self.wrong(f"replaced a project without being told to: {done}")

    def into(self):
        with self._one() as project:
            if project is None:
                return
            change = self.ledger.begin(project, [*BELOW_H, EXISTS], False)
            write_file(self.file, self._name(project), change.ticket, BELOW_H, ("h",))
            done = self._command("cute-shm-hdf5", "-o", "--into", "h", self._name(project), self.file)
            self._result(change, done, {column: change.ticket for column in [*BELOW_H, EXISTS]})

    # --- removing -----------------------------------------------------------------------------------------------------

    def unlink_command(self):
        with self._one() as project:
            if project is None:
                return
            change = self.ledger.begin(project, [*ALL, EXISTS], True)
            done = self._command("cute-shm-unlink", self._name(project))
            self._result(change, done, dict.fromkeys([*ALL, EXISTS]), must=change.before[EXISTS] == PRESENT)

    def remove_tree(self):
        self._remove_by_program([], "rm", "-r")

    def find_delete(self):
        self._remove_by_program([], "find", last=("-delete",))

    def remove_group(self):
        group = self.chance.choice(["g", "g/deep", "h"])
        self._remove_by_program([group], "rm", "-r")

    def _remove_by_program(self, below, *first, last=()):
        """What others did a moment ago it may not see yet; after a while it must, and end with status 0."""
        with self._one() as project:
            if project is None:
                return
            sees = project < self.world.exclusive and self._await(project, 0.5)
            mount = self.chance.randrange(len(self.world.mounts))
            epochs = self.ledger.epochs()
            columns = [c for c in ALL if not below or "/".join(ARRAYS[c]).startswith(below[0] + "/")]
            change = self.ledger.begin(project, [*columns, *([] if below else [EXISTS])], True)
            there = any(change.before[c] == PRESENT for c in (columns if below else [EXISTS]))
            done = self._program(*first, "/".join([self._name(project), *below]), *last, cwd=self.world.mounts[mount])
            succeeded = done.returncode == 0 and not done.stderr
            alone = self.ledger.end(change, succeeded, dict.fromkeys(change.touched))
            self.count("succeeded" if succeeded else "refused")
            undisturbed = alone and sees and there and self.ledger.steady(epochs)
            if undisturbed and not succeeded and not self._waited_for_lock(done.stderr):
                self.wrong(f"{done}")

    @staticmethod
    def _waited_for_lock(text):
        return "Connection timed out" in text

    def remove_array(self):
        with self._one() as project:
            if project is None:
                return
            column = self.chance.choice(ALL)
            mount = self.chance.randrange(len(self.world.mounts))
            epoch = int(self.ledger.epoch[mount])
            change = self.ledger.begin(project, [column], True)
            state, error = change.before[column], None
            try:
                os.unlink(self.path(mount, project, *ARRAYS[column]))
            except OSError as caught:
                error = caught
            gone = error is None or isinstance(error, FileNotFoundError) and state == ABSENT
            # An array whose segment was removed behind its back keeps its sidecar, and there is nothing to unlink.
            tables = None if error is None else (self.ledger.floor,)
            alone = self.ledger.end(change, gone, {column: None}, tables)
            self.count("succeeded" if error is None else "refused")
            if alone and state != UNKNOWN and (error is None) != (state == PRESENT) and not isinstance(error, TimeoutError):
                if error is None or not self.excused(error, mount, epoch):
                    self.wrong(f"{self._name(project)} {ARRAYS[column]} was in state {state}: {error}")

    def remove_sidecar(self):
        """Drops the attributes and nothing else."""
        with self._one(exclusive_only=True) as project:
            if project is None:
                return
            column = self.chance.choice(ALL)
            mount = self.chance.randrange(len(self.world.mounts))
            epoch = int(self.ledger.epoch[mount])
            view = self.ledger.look(project, column)
            if view.state != PRESENT or view.bare % 2:
                return
            change = self.ledger.begin(project, [], False)
            self.ledger.strip(project, column)
            *groups, last = ARRAYS[column]
            try:
                os.unlink(self.path(mount, project, *groups, last + META))
            except OSError as error:
                if not self.excused(error, mount, epoch) and not isinstance(error, TimeoutError):
                    raise
            self.ledger.end(change, True, {})

    # --- behind everybody's back --------------------------------------------------------------------------------------

    def _segment(self, project, column):
        """Of an array that is surely there: by its sidecar, which is never stale. None while the daemon is dead, and of
        an array whose sidecar was removed."""
        if self.ledger.look(project, column).bare % 2:
            return None
        mount = self.chance.randrange(len(self.world.mounts))
        epoch = int(self.ledger.epoch[mount])
        *groups, last = ARRAYS[column]
        try:
            with open(self.path(mount, project, *groups, last + META), "rb") as file:
                return self.world.place.shm / tomllib.load(file)["array"]["segment"]
        except OSError as error:
            if self.excused(error, mount, epoch):
                return None
            raise

    @contextlib.contextmanager
    def _behind(self, column, removes):
        with self._one(exclusive_only=True) as project:
            there = project is not None and self.ledger.look(project, column).state == PRESENT
            segment = self._segment(project, column) if there else None
            if not segment:
                yield None, None
                return
            change = self.ledger.begin(project, [column], removes)
            yield change, segment

    def rm_segment(self):
        column = self.chance.choice(ALL)
        with self._behind(column, True) as (change, segment):
            if change:
                os.unlink(segment)
                self.ledger.end(change, True, {column: None}, tables=(self.ledger.floor,))

    def truncate_segment(self):
        """Longer is shown as it is; shorter is broken, and shown no more."""
        shrink = self.chance.random() < 0.3
        with self._behind(RESIZED, shrink) as (change, segment):
            if not change:
                return
            version = self.ledger.look(change.project, RESIZED).version
            whole = words(version, RESIZED) * WORD
            size = whole // 2 if shrink else whole + self.chance.randrange(1, 64)
            os.truncate(segment, size)
            self.ledger.resized[change.project] = size
            self.ledger.end(change, True, {RESIZED: None if shrink else version}, tables=())

    def chmod_segment(self):
        column = self.chance.choice(ALL)
        with self._behind(column, False) as (change, segment):
            if change:
                mode = self.chance.choice([0o600, 0o640, 0o644])
                os.chmod(segment, mode)
                self.ledger.mode[change.project, column] = mode
                self.ledger.end(change, True, {}, tables=())

    # --- seen by all --------------------------------------------------------------------------------------------------

    def _await(self, project, share=0.5):
        """Sometimes: until the listing is what it must be. How long that takes is told at the end, and never a failure
        by itself, unless it does not come to it at all."""
        epochs = self.ledger.epochs()
        if project >= self.world.exclusive or self.chance.random() > share:
            return False
        mount, start = self.chance.randrange(len(self.world.mounts)), time.monotonic()
        view = self.ledger.look(project)
        if not view.quiet or (view.state == UNKNOWN).any():
            return False
        while not self._shows(mount, project, view):
            if not self.ledger.steady(epochs) or self.ledger.stopped():
                return False
            if time.monotonic() - start > 10 * self.world.patience:
                self.wrong(f"{self._name(project)} is not shown as it is for {time.monotonic() - start:.1f} s: {view}")
            time.sleep(0.001)
        if start - view.ended < 0.01:
            self.lags.append(time.monotonic() - view.ended)
        self.count("awaited")
        return True

    def _shows(self, mount, project, view):
        found, top = set(), self.path(mount, project)
        for folder, folders, files in os.walk(top):
            folders[:] = [name for name in folders if name[0] != "."]  # what is being made, see makers.py
            below = os.path.relpath(folder, top)
            keys = () if below == "." else tuple(below.split("/"))
            found |= {(*keys, name) for name in files if not name.endswith(META) and name[0] != "."}
        must, may = expected_data(view)
        return {ARRAYS[c] for c in must} <= found <= {ARRAYS[c] for c in may} and os.path.isdir(top) == (view.state[EXISTS] == 2)

    def list_json(self):
        done = self._command("cute-shm-list", "--json")
        if done.status != 0:
            self.wrong(f"{done}")

    # --- projects that come and go ------------------------------------------------------------------------------------

    def fleeting(self):
        """Loaded, there at once, removed, gone at once."""
        with self.ledger.mutex:
            version = int(self.ledger.next[0])
            self.ledger.next[0] += 1
        name, columns = f"x{version}", self._some()
        write_file(self.file, name, version, columns)
        if self._command("cute-shm-hdf5", name, self.file).status != 0:
            self.count("refused")
            return
        path = os.path.join(self.world.mounts[0], name, *ARRAYS[columns[0]])
        self._expect(path, content(version, name, columns[0]).tobytes())
        if self.chance.random() < 0.5:
            self._program("rm", "-r", name, cwd=self.world.mounts[0])  # it may not see all of it yet
        if (self.world.place.registry / f"cute-shm.{name}.toml").exists():
            while (done := self._command("cute-shm-unlink", name)).status != 0:
                if "timed out" not in done.err and "No such" not in done.err:
                    self.wrong(f"{done}")
                if not (self.world.place.registry / f"cute-shm.{name}.toml").exists():
                    break
        self._expect(path, None)

    def _expect(self, path, wanted):
        epoch = int(self.ledger.epoch[0])
        try:
            with open(path, "rb") as file:
                found = file.read()
        except OSError as error:
            if self.excused(error, 0, epoch):
                return
            if not isinstance(error, FileNotFoundError):
                raise
            found = None
        if found != wanted and (self.world.strict_opens or found is not None):
            self.wrong(f"{path}: {len(found or b'')} bytes instead of {len(wanted or b'')}, {found is None}")
