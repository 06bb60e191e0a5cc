# SPDX-License-Identifier: MIT
"""Clients that work on the mount as on any file system: make, fill, append, truncate, rename, link, describe.

What they make is made under a name that begins with a dot, which nobody else looks at, and is renamed into its place when
it is whole: so whatever is seen under a name of the storm is always one version. They change exclusive projects only.
"""

import contextlib
import io
import os
import time

import numpy as np

from .ledger import EXISTS, PRESENT, UNKNOWN
from .stamps import ARRAYS, BIG, RESIZED, WORD, content, words
from .writers import ALL, META, Writer

YARD = "yard"  # a project where what is moved away lies for a moment
PLACED = [column for column in ALL if column not in (BIG, RESIZED)]


class Maker(Writer):
    NAMES = (
        *Writer.NAMES, "made_by_sidecar", "made_by_npy", "made_raw", "move_away", "move_to_another_project", "link_and_unlink",
        "resize", "describe", "make_directory", "unseen",
    )  # fmt: skip

    def turn(self):
        raw = () if self.world.links else ((4, self.made_raw), (2, self.link_and_unlink), (4, self.resize))
        action = self.one_of(
            (
                (4, self.made_by_sidecar), (4, self.made_by_npy), (3, self.move_away), (3, self.move_to_another_project),
                (4, self.describe), (2, self.make_directory), *raw,
            )
        )  # fmt: skip
        action()
        self.pause(0.1)

    # --- one change ---------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _place(self, columns):
        """(mount, project, column) of an array that this mount shows; None where there is none."""
        with self._one(exclusive_only=True, wait=0.5) as project:
            column, mount = self.chance.choice(columns), self.chance.randrange(len(self.world.mounts))
            there = project is not None and self._sees(mount, project) and self.ledger.look(project, column).state == PRESENT
            if not there and project is not None:
                self.count("unseen")
            yield (mount, project, column) if there else None

    def _sees(self, mount, project):
        """Nobody else changes it, so that it must be seen some time."""
        end, epochs = time.monotonic() + 10 * self.world.patience, self.ledger.epochs()
        view = self.ledger.look(project)
        if (view.state == UNKNOWN).any() or view.state[EXISTS] != PRESENT:
            return False
        while not self._shows(mount, project, view):
            if not self.ledger.steady(epochs) or self.ledger.stopped():
                return False
            if time.monotonic() > end:
                self.wrong(f"{self._name(project)} is not shown as it is: {view}")
            time.sleep(0.001)
        return True

    def _do(self, change, mount, epoch, act, outcome, tables=None):
        """Books what act() made of it. Alone and with a living daemon it must succeed."""
        error = None
        try:
            act()
        except OSError as caught:
            error = caught
        alone = self.ledger.end(change, error is None, outcome, tables)
        self.count("succeeded" if error is None else "timed_out" if isinstance(error, TimeoutError) else "refused")
        if error and alone and not isinstance(error, TimeoutError) and not self.excused(error, mount, epoch):
            self.wrong(f"{self._name(change.project)}: {error}")

    # --- making -------------------------------------------------------------------------------------------------------

    def made_by_sidecar(self):
        self._make(self._by_sidecar)

    def made_by_npy(self):
        self._make(self._by_npy)

    def made_raw(self):
        self._make(self._raw)

    def _make(self, how):
        """Beside its place, then into it: as who replaces a file at one stroke."""
        with self._place(PLACED) as chosen:
            if chosen is None:
                return
            mount, project, column = chosen
            epoch = int(self.ledger.epoch[mount])
            change = self.ledger.begin(project, [column], False)
            version = change.ticket
            path = self.path(mount, project, *ARRAYS[column])
            beside = os.path.join(os.path.dirname(path), f".new-{version}")

            def act():
                how(beside, content(version, self._name(project), column), version)
                os.rename(beside, path)
                self.ledger.mode[project, column] = 0o600

            self._do(change, mount, epoch, act, {column: version})

    @staticmethod
    def _text(array, version):
        return f'[array]\ndtype = "uint64"\nshape = [{len(array)}]\n\n[attrs]\nstamp = {version}\n'.encode()

    def _by_sidecar(self, path, array, version):
        self._write(path + META, self._text(array, version))
        if len(array):
            self._write(path, array.tobytes(), os.O_WRONLY)

    def _by_npy(self, path, array, version):
        file = io.BytesIO()
        np.save(file, array)
        self._write(path + ".npy", file.getvalue())
        self._write(path + META, self._text(array, version), os.O_WRONLY | os.O_TRUNC)

    def _raw(self, path, array, version):
        data = array.tobytes()
        half = len(data) // 2
        self._write(path, data[:half])
        self._write(path, data[half:], os.O_WRONLY | os.O_APPEND)
        self._write(path + META, self._text(array, version))

    @staticmethod
    def _write(path, data, flags=os.O_WRONLY | os.O_CREAT | os.O_EXCL):
        """With its errors, those of close included."""
        fd = os.open(path, flags | os.O_CLOEXEC, 0o600)
        try:
            while data:
                data = data[os.write(fd, data) :]
        except OSError:
            with contextlib.suppress(OSError):
                os.close(fd)
            raise
        os.close(fd)

    # --- moving -------------------------------------------------------------------------------------------------------

    def move_away(self):
        """And back, within the project."""
        self._move(lambda mount, path, version: [os.path.join(os.path.dirname(path), f".away-{version}"),
                                                 self.path(mount, self.away, f".away-too-{version}")])  # fmt: skip

    def move_to_another_project(self):
        yard = lambda mount: os.path.join(self.world.mounts[mount], YARD)  # noqa: E731

        def places(mount, path, version):
            with contextlib.suppress(FileExistsError):
                os.mkdir(yard(mount), 0o700)
            return [os.path.join(yard(mount), f".away-{version}")]

        self._move(places)

    def _move(self, places_of):
        with self._place(PLACED) as chosen:
            if chosen is None:
                return
            mount, project, column = chosen
            self.away = project
            epoch = int(self.ledger.epoch[mount])
            change = self.ledger.begin(project, [column], True)
            path, version = self.path(mount, project, *ARRAYS[column]), self.ledger.look(project, column).version

            def act():
                here = path
                for there in [*places_of(mount, path, change.ticket), path]:
                    os.rename(here, there)
                    here = there

            # It is the same version again, whose floors may not rise to this change.
            self._do(change, mount, epoch, act, {column: version}, tables=())

    def link_and_unlink(self):
        """Another name for it, which then is the only one."""
        with self._place(PLACED) as chosen:
            if chosen is None:
                return
            mount, project, column = chosen
            epoch = int(self.ledger.epoch[mount])
            change = self.ledger.begin(project, [column], True)
            path, version = self.path(mount, project, *ARRAYS[column]), self.ledger.look(project, column).version
            beside = os.path.join(os.path.dirname(path), f".link-{change.ticket}")

            def act():
                os.link(path, beside)
                os.unlink(path)
                os.rename(beside, path)

            self._do(change, mount, epoch, act, {column: version}, tables=())

    # --- changing -----------------------------------------------------------------------------------------------------

    def resize(self):
        """Longer, longer still, and back to what its version says."""
        with self._place([RESIZED]) as chosen:
            if chosen is None:
                return
            mount, project, column = chosen
            epoch = int(self.ledger.epoch[mount])
            change = self.ledger.begin(project, [column], False)
            path, version = self.path(mount, project, *ARRAYS[column]), self.ledger.look(project, column).version
            whole = words(version, RESIZED) * WORD

            def act():
                os.truncate(path, whole + WORD * self.chance.randint(1, 50))
                self._write(path, bytes(self.chance.randint(1, 100)), os.O_WRONLY | os.O_APPEND)
                os.truncate(path, whole)
                self.ledger.resized[project] = whole

            self._do(change, mount, epoch, act, {column: version}, tables=())

    def describe(self):
        """Its attributes anew; the version stays among them."""
        with self._place(PLACED) as chosen:
            if chosen is None:
                return
            mount, project, column = chosen
            epoch = int(self.ledger.epoch[mount])
            change = self.ledger.begin(project, [], False)
            version = self.ledger.look(project, column).version
            path = self.path(mount, project, *ARRAYS[column]) + META
            text = f"[attrs]\nstamp = {version}\nchange = {change.ticket}\n".encode()
            flags = os.O_WRONLY | os.O_TRUNC | os.O_CREAT  # a removed sidecar may not be shown

            def act():
                self._write(path, text, flags)
                self.ledger.describe(project, column)

            self._do(change, mount, epoch, act, {})

    def make_directory(self):
        with self._place(PLACED) as chosen:
            if chosen is None:
                return
            mount, project, _ = chosen
            epoch = int(self.ledger.epoch[mount])
            change = self.ledger.begin(project, [], False)
            path = self.path(mount, project, f".group-{change.ticket}")

            def act():
                os.mkdir(path, 0o700)
                os.mkdir(os.path.join(path, "below"), 0o700)
                os.rename(os.path.join(path, "below"), path + "-too")
                os.rmdir(path + "-too")
                os.rmdir(path)

            self._do(change, mount, epoch, act, {})
