# SPDX-License-Identifier: MIT
"""Clients that only look: whatever they see must have been true at some moment while they looked."""

import errno
import mmap
import os
import stat
import subprocess
import tomllib

from .client import Client, duplicates, expected_data
from .ledger import ABSENT, EXISTS, PRESENT, UNKNOWN
from .stamps import ARRAYS, EMPTY, GROUPS, NUMBER, RESIZED, WORD, Wrong, version_of, words

HELD = 24  # open files and mappings that a reader keeps
META = ".meta"


class Reader(Client):
    """Opens, reads, maps, stats arrays and sidecars."""

    NAMES = ("read", "map", "sidecar", "status", "group_sidecar", "look_again", "found", "exact", "held")

    def prepare(self):
        self.held = []

    def turn(self):
        action = self.one_of(
            ((6, self.read), (4, self.map), (3, self.sidecar), (5, self.status), (1, self.group_sidecar), (2, self.look_again))
        )
        action()
        self.pause(0.002)

    def finish(self):
        while self.held:
            self._let_go(0)

    # --- arrays -------------------------------------------------------------------------------------------------------

    def read(self):
        self._open_and(self._take_read)

    def map(self):
        self._open_and(self._take_mapped)

    def _open_and(self, take):
        mount, project = self._mount(), self.project()
        column = self.chance.randrange(len(ARRAYS))
        before = self.ledger.look(project, column)
        opened = self._open(mount, project, column, before)
        if opened is None:
            return
        fd, path = opened
        keep = False
        try:
            data, keep = take(fd, column)
            self._judge(path, project, column, data, before)
        except Wrong as wrong:
            self._complain(path, str(wrong), fd)
        finally:
            if not keep:
                os.close(fd)
        if keep:
            self.count("held")
            self.held.append((fd, data, path, bytes(data[:WORD]), len(data)))

    def _mount(self):
        return self.chance.randrange(len(self.world.mounts))

    def _open(self, mount, project, column, before):
        path = self.path(mount, project, *ARRAYS[column])
        epoch = int(self.ledger.epoch[mount])
        try:
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC), path
        except OSError as error:
            if self.excused(error, mount, epoch):
                return None
            after = self.ledger.look(project, column)
            if error.errno == errno.ESTALE and before.overtaken(after):
                return None  # the kernel looks again once, and it was replaced again
            if error.errno != errno.ENOENT:
                self.wrong(f"{path}: {error}")
        if before.surely_there(after) and (self.world.strict_opens or before.settled(self.world.window)):
            self.wrong(f"{path} is not there, and nobody removed it: {before} {after}")
        return None

    def _take_read(self, fd, column):
        size = os.fstat(fd).st_size if not self._dead() else None
        pieces = []
        while piece := os.read(fd, 1 << 20):
            pieces.append(piece)
        data = b"".join(pieces)
        if size is not None and size != len(data) and column != RESIZED:
            raise Wrong(f"its size is {size}, and {len(data)} bytes were read")
        return data, False

    def _dead(self):
        """A killed daemon answers no fstat, and reads go on."""
        return any(int(epoch) for epoch in self.ledger.epoch)

    def _take_mapped(self, fd, column):
        if column in (RESIZED, EMPTY):  # a mapping that is cut short is a SIGBUS, as on tmpfs
            return self._take_read(fd, column)
        size = os.lseek(fd, 0, os.SEEK_END)
        if size == 0:
            raise Wrong("it is empty")
        data = mmap.mmap(fd, size, mmap.MAP_SHARED, mmap.PROT_READ)
        return data, len(self.held) < HELD and self.chance.random() < 0.1

    def _judge(self, path, project, column, data, before):
        version = version_of(data, self.world.projects[project], column, self.world.links)
        after = self.ledger.look(project, column)
        self.count("found")
        self._judge_version(version, before.floor)
        strict = self.world.strict_opens and column != RESIZED  # which is still readable while it is being cut short
        if before.still(after) and (strict or before.settled(self.world.window)):
            self._judge_exactly(version, before)
        if version is not None and self.world.strict_opens:
            self.ledger.seen(project, column, version)

    def _judge_version(self, version, floor):
        if version is not None and version > self.ledger.newest():
            raise Wrong(f"version {version} was never made")
        if version is not None and version < floor:
            raise Wrong(f"version {version} is past, since {floor} at least")

    def _judge_exactly(self, version, before):
        if before.state == UNKNOWN:
            return
        self.count("exact")
        if before.state == ABSENT:
            raise Wrong(f"version {version} was removed: {before}")
        if version is not None and version != before.version or version is None and words(before.version, EMPTY):
            raise Wrong(f"version {version} instead of {before.version}: {before}")

    def _complain(self, path, text, fd):
        try:
            status = os.fstat(fd)
        except OSError as error:
            status = error
        self.wrong(f"{path}: {text} ({status})")

    # --- what was opened stays as it was ----------------------------------------------------------------------------

    def look_again(self):
        """However often it was replaced and removed since."""
        if self.held:
            self._let_go(self.chance.randrange(len(self.held)))

    def _let_go(self, which):
        fd, mapped, path, first, size = self.held.pop(which)
        try:
            data = mapped[:]
            if data != first * (size // WORD):
                self.wrong(f"{path} changed under its mapping")
            if os.pread(fd, size + 1, 0) != data:
                self.wrong(f"{path}: the descriptor reads something else than the mapping")
        finally:
            mapped.close()
            self._close(fd)

    def _close(self, fd):
        try:
            os.close(fd)
        except OSError:
            if not self._dead():
                raise

    # --- sidecars -----------------------------------------------------------------------------------------------------

    def sidecar(self):
        mount, project = self._mount(), self.project()
        column = self.chance.randrange(len(ARRAYS))
        *groups, last = ARRAYS[column]
        before = self.ledger.look(project, column)
        text = self._text_of(mount, project, (*groups, last + META), before, column)
        if text is None:
            return
        try:
            document = tomllib.loads(text)
            array = document["array"]
            version = document.get("attrs", {}).get("stamp")
            if version is not None:
                self._judge_sidecar(array, version, before, column)
        except (Wrong, tomllib.TOMLDecodeError, KeyError) as error:
            self.wrong(f"{self.world.projects[project]} {ARRAYS[column]}: {error}\n{text}")

    def _judge_sidecar(self, array, version, before, column):
        self._judge_version(version, before.described)
        if array["shape"] != [words(version, column)] and column != RESIZED:
            raise Wrong(f"the shape is {array['shape']}, not [{words(version, column)}]")

    def group_sidecar(self):
        """Of a project, or of a group, which may have none."""
        mount, project = self._mount(), self.project()
        group = self.chance.choice([(), *GROUPS])
        before = self.ledger.look(project, EXISTS)
        text = self._text_of(mount, project, (*group, META), before, EXISTS, required=False)
        if text is not None:
            tomllib.loads(text)

    def _text_of(self, mount, project, keys, before, column, required=True):
        path, epoch = self.path(mount, project, *keys), int(self.ledger.epoch[mount])
        try:
            with open(path, encoding="utf-8") as file:
                return file.read()
        except OSError as error:
            if self.excused(error, mount, epoch):
                return None
            if error.errno != errno.ENOENT:
                self.wrong(f"{path}: {error}")
        after = self.ledger.look(project, column)
        if required and before.surely_described(after) and before.settled(self.world.window):
            self.wrong(f"{path} is not there: {before} {after}")
        return None

    # --- stat ---------------------------------------------------------------------------------------------------------

    def status(self):
        """May lag behind by the window, but no longer."""
        mount, project = self._mount(), self.project()
        column = self.chance.randrange(len(ARRAYS))
        path, epoch = self.path(mount, project, *ARRAYS[column]), int(self.ledger.epoch[mount])
        before = self.ledger.look(project, column)
        expected_mode, resized = int(self.ledger.mode[project, column]), int(self.ledger.resized[project])
        try:
            found = os.stat(path)
        except OSError as error:
            if self.excused(error, mount, epoch):
                return
            if error.errno != errno.ENOENT:
                self.wrong(f"{path}: {error}")
            found = None
        after = self.ledger.look(project, column)
        if not before.settled(self.world.window) or not before.still(after) or before.state == UNKNOWN:
            return
        self.count("exact")
        if (found is None) != (before.state == ABSENT):
            self.wrong(f"{path}: {found} after {self.world.window} s without a change: {before}")
        if found is not None:
            size = resized if column == RESIZED and resized else words(before.version, column) * WORD or int(self.world.links)
            if (found.st_size, stat.S_IMODE(found.st_mode)) != (size, expected_mode):
                self.wrong(f"{path}: {found}, expected size {size} and mode {expected_mode:o}: {before}")


class Lister(Client):
    """Lists, walks, and runs ls, find and du."""

    NAMES = ("top", "walk", "ls", "find", "du", "exact")
    TIMEOUT = 45

    def turn(self):
        self.one_of(((3, self.top), (6, self.walk), (1, self.ls), (1, self.find), (1, self.du)))()
        self.pause(0.01)

    def _mount(self):
        return self.chance.randrange(len(self.world.mounts))

    def top(self):
        mount = self._mount()
        epoch = int(self.ledger.epoch[mount])
        before = [self.ledger.look(project) for project in range(len(self.world.projects))]
        try:
            names = os.listdir(self.world.mounts[mount])
        except OSError as error:
            if not self.excused(error, mount, epoch):
                raise
            return
        if duplicates(names):
            self.wrong(f"twice in a listing: {duplicates(names)}")
        if epoch % 2 or epoch != self.ledger.epoch[mount]:  # perhaps of the directory under the mount
            return
        for project, name in enumerate(self.world.projects):
            after = self.ledger.look(project)
            state = before[project].state[EXISTS]
            if before[project].settled(self.world.window) and before[project].still(after) and state != UNKNOWN:
                self.count("exact")
                if (name in names) != (state == PRESENT):
                    self.wrong(f"{name} in {names} should be {state == PRESENT}: {before[project]}")

    def walk(self):
        mount, project = self._mount(), self.project()
        epoch = int(self.ledger.epoch[mount])
        before = self.ledger.look(project)
        files, errors = self._files_of(self.path(mount, project))
        for error in errors:
            if error.errno != errno.ENOENT and not self.excused(error, mount, epoch):
                self.wrong(f"{error}")
        after = self.ledger.look(project)
        if before.settled(self.world.window) and before.still(after) and epoch == self.ledger.epoch[mount] and epoch % 2 == 0:
            self._judge_tree(project, files, before)

    def _files_of(self, top):
        found, errors = [], []
        for folder, folders, files in os.walk(top, onerror=errors.append):
            again = duplicates([*folders, *files])
            if again:
                self.wrong(f"twice in {folder}: {again}")
            folders[:] = [name for name in folders if name[0] != "."]  # what is being made, see makers.py
            below = os.path.relpath(folder, top)
            keys = () if below == "." else tuple(below.split("/"))
            found += [(*keys, name) for name in files if name[0] != "."]
        return set(found), errors

    def _judge_tree(self, project, files, before):
        self.count("exact")
        must, may = expected_data(before)
        data = {path for path in files if not path[-1].endswith(META)}
        missing = {ARRAYS[column] for column in must} - data
        strange = data - {ARRAYS[column] for column in may}
        naked = {path for path in data - strange if (*path[:-1], path[-1] + META) not in files}
        naked -= {path for path in naked if before.bare[NUMBER[path]] % 2}
        if missing or strange or naked:
            self.wrong(
                f"{self.world.projects[project]}: missing {missing}, strange {strange}, without sidecar {naked}: {before}"
            )

    # --- programs -----------------------------------------------------------------------------------------------------

    def ls(self):
        self._program("ls", "-lR", parse=None)

    def find(self):
        self._program("find", ".", "-type", "f", parse=bytes.splitlines)

    def du(self):
        self._program("du", "-a", parse=lambda out: [line.split(b"\t", 1)[1] for line in out.splitlines()])

    def _program(self, *words_of, parse):
        mount = self._mount()
        epoch = int(self.ledger.epoch[mount])
        try:
            done = subprocess.run(
                words_of, cwd=self.world.mounts[mount], capture_output=True, timeout=self.TIMEOUT * self.world.patience
            )
        except OSError as error:
            if not self.excused(error, mount, epoch):
                raise
            return
        dead = epoch % 2 == 1 or epoch != self.ledger.epoch[mount]
        bad = [line for line in done.stderr.splitlines() if b"No such file or directory" not in line]
        if done.returncode < 0 or (bad and not dead):
            self.wrong(f"{words_of} ended with {done.returncode}: {done.stderr.decode()}")
        again = duplicates(parse(done.stdout)) if parse else []
        if again:
            self.wrong(f"{words_of} shows twice: {again[:5]}")
