# SPDX-License-Identifier: MIT
"""Changes of a big project, beside the same in a small one; and removing many arrays."""

import errno
import itertools
import os
import time

from measure import Goal, NotMeasured, NotYet, OURS, Row, compared, interleaved
from rows_tree import make_twin
from suite import rows

SMALL = 100
UNSUPPORTED = {errno.ENOSYS, errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.EROFS, errno.EXDEV}


class Project:
    """Gives every change a name of its own to work on."""

    def __init__(self, name, path):
        self.name = name
        self.path = path
        self.numbers = itertools.count()

    def next(self):
        return self.path / f"a{next(self.numbers):06d}"


def _into(bench, project, file):
    group = f"into{next(project.numbers)}"
    return bench.place.load(project.name, file, "--into", group)


def _anew(bench, project):
    """One change of each kind for every sample: a small project has not enough arrays for all rows."""
    bench.place.load(project.name, bench.inputs.tiny(SMALL), "-o")
    project.numbers = itertools.count()
    while True:  # until it is the new one that is shown: its last array was not removed by any row
        try:
            os.stat(project.path / "a000000")
            return
        except FileNotFoundError:
            continue


def _rename(array):
    os.rename(array, f"{array}-renamed")


def _sidecar(array):
    with open(f"{array}.meta", "r+b", buffering=0) as file:
        text = file.read()
        file.seek(0)
        file.truncate()
        file.write(text.split(b"\n[attrs]")[0] + b'\n[attrs]\nunits = "m"\n')


def _create(array):
    with open(f"{array}-created", "xb", buffering=0) as file:
        file.write(bytes(64))


def _create_by_sidecar(array):
    with open(f"{array}-made.meta", "xb", buffering=0) as file:
        file.write(b'[array]\ndtype = "float64"\nshape = [8]\n')


CHANGES = {
    "unlink": os.unlink,
    "rename": _rename,
    "sidecar-write": _sidecar,
    "create": _create,
    "create-by-sidecar": _create_by_sidecar,
}
LIMIT = Goal("≤ 2×", most=2.0)


def _timed(act, project):
    """Seconds of one change, the middle of several where that takes no time."""
    taken = []
    while len(taken) < 9 and sum(taken) < 0.2:
        array = project.next()
        start = time.perf_counter()
        try:
            act(array)
        except OSError as error:
            if error.errno in UNSUPPORTED:
                raise NotYet(f"{type(error).__name__}: {error.strerror}") from error
            raise
        taken.append(time.perf_counter() - start)
    return sorted(taken)[len(taken) // 2]


@rows("publish-into", *CHANGES)
def changes(bench):
    place, count = bench.place, bench.sizes.tree
    one = bench.inputs.tiny(1)
    place.load("big", bench.inputs.tiny(count))
    place.load("small", bench.inputs.tiny(SMALL))
    other = f"in one of {SMALL}"
    try:
        with place.mounted() as mount:
            big, small = (Project(name, mount.path / name) for name in ("big", "small"))
            os.stat(big.path / "a000000")
            if bench.wants("publish-into"):
                sides = {OURS: lambda: _into(bench, big, one), other: lambda: _into(bench, small, one)}
                what = f"publish one array into a project of {count:,}"
                yield compared(
                    "publish-into", what, interleaved(sides, bench.runs), LIMIT, note="whole command", runs=bench.runs
                )
            for name, act in CHANGES.items():
                if bench.wants(name):
                    _anew(bench, small)
                    sides = {OURS: lambda a=act: _timed(a, big), other: lambda a=act: _timed(a, small)}
                    yield _change(bench, name, f"{name} in a project of {count:,}", sides)
    finally:
        place.unlink("big")
        place.unlink("small")


def _change(bench, name, what, sides):
    try:
        return compared(name, what, interleaved(sides, bench.runs, warm=False), LIMIT, runs=bench.runs)
    except NotYet as error:
        return Row(name, what, goal=LIMIT.text, note=f"not yet: {error}")


@rows("rm-r")
def remove(bench):
    """Every sample needs a project and a tree anew; only the removal is timed."""
    place, count = bench.place, bench.sizes.tiny
    file, twin = bench.inputs.tiny(count), place.shm / "removed"
    with place.mounted() as mount:
        path = mount.path / "removed"

        def ours():
            place.load("removed", file)
            make_twin(path, twin)
            try:
                return place.timed(["rm", "-r", path], timeout=180)
            except NotMeasured:
                place.unlink("removed")
                raise

        sides = {OURS: ours, "tmpfs": lambda: place.timed(["rm", "-r", twin])}
        goal = Goal("≤ 5×", most=5.0)
        yield compared(
            "rm-r", f"rm -r of {count:,} arrays", interleaved(sides, bench.runs, 60, warm=False), goal, runs=bench.runs
        )
