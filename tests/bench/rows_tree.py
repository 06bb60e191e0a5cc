# SPDX-License-Identifier: MIT
"""Many arrays in one project, looked at: beside a tree of the same names and sizes on tmpfs."""

import os
import pathlib
import shutil

from measure import Goal, OURS, alone, compared, interleaved
from suite import rows

OTHER = "tmpfs"
COMMANDS = {
    "ls": ("ls -l", lambda path: ["ls", "-l", path]),
    "find": ("find", lambda path: ["find", path]),
    "find-size": ("find -size", lambda path: ["find", path, "-size", "+1M"]),
    "du": ("du", lambda path: ["du", "-a", path]),
}
ALLOWED = 5 * 2**20  # bytes the daemon may have without any array


def _tree_names():
    return [f"{name}-{state}" for state in ("warm", "cold") for name in ("stat", *COMMANDS)]


@rows("daemon-memory", *_tree_names())
def tree(bench):
    place, count = bench.place, bench.sizes.tree
    place.load("tree", bench.inputs.tiny(count))
    twin = place.shm / "twin"
    try:
        with place.mounted() as mount:
            memory = _memory(mount, count)
            if bench.wants("daemon-memory"):
                yield _memory_row(bench, memory, count)
            if not any(bench.wants(name) for name in _tree_names()):
                return
            make_twin(mount.path / "tree", twin)
            stats = _stat_samples(bench, mount.path / "tree", twin)
            if bench.wants("stat-warm"):
                yield compared("stat-warm", "warm stat", stats[1], Goal("≤ 1.1×", most=1.1), runs=bench.runs)
            yield from _warm(bench, mount.path / "tree", twin, count)
        yield from _cold(bench, twin, count)
    finally:
        place.unlink("tree")
        shutil.rmtree(twin, ignore_errors=True)


def make_twin(directory, twin):
    """Files without content take no memory, and listing them takes as long as if they had some."""
    twin.mkdir()
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                make_twin(pathlib.Path(entry.path), twin / entry.name)
            else:
                with open(twin / entry.name, "wb") as file:
                    file.truncate(entry.stat().st_size)


def _memory(mount, count):
    """Resident bytes of the daemon when it has seen the project, after every array was listed, and at most."""
    os.stat(mount.path / "tree/a000000")
    seen, _ = mount.resident()
    for entry in os.scandir(mount.path / "tree"):
        entry.stat()
    listed, most = mount.resident()
    return seen, listed, most


def _memory_row(bench, memory, count):
    per_array = max(memory[1] - ALLOWED, 0) / count
    goal = Goal("≤ 250 bytes per array over 5 MB", most_ours=250)
    seen, listed, most = (f"{count / 1e6:.1f} MB" for count in memory)
    note = f"resident: {seen} after the first look, {listed} after all were listed, {most} at most"
    return alone("daemon-memory", f"daemon memory per array, {count:,} arrays", [per_array], goal, note, unit="bytes")


def _stat_samples(bench, ours, twin):
    """Of 20,000 names at most: [cold, warm], the first mount's first look and every look after it."""
    cold, warm = ({OURS: [], OTHER: []} for _ in range(2))
    for _ in range(bench.runs):
        for side, directory in ((OURS, ours), (OTHER, twin)):
            first, again = (line[0] for line in bench.place.probe("stat", _list(bench, directory)))
            cold[side].append(first)
            warm[side].append(again)
    return cold, warm


def _list(bench, directory):
    file = bench.place.base / "names"
    names = (f"{directory}/a{number:06d}" for number in range(min(bench.sizes.tree, 20000)))
    file.write_text("".join(f"{name}\n" for name in names))
    return file


def _command(bench, name, directory):
    return lambda: bench.place.timed(COMMANDS[name][1](directory))


def _warm(bench, ours, twin, count):
    for name, (text, _) in COMMANDS.items():
        if bench.wants(f"{name}-warm"):
            sides = {OURS: _command(bench, name, ours), OTHER: _command(bench, name, twin)}
            samples = interleaved(sides, bench.runs)
            goal = Goal("≤ 1.1×", most=1.1)
            yield compared(f"{name}-warm", f"{text} of {count:,} arrays, warm", samples, goal, runs=bench.runs)


def _cold(bench, twin, count):
    """On a new mount each time, once it has read the manifest; tmpfs is never cold."""

    def on_new_mount(action):
        def side():
            with bench.place.mounted() as mount:
                os.stat(mount.path / "tree/a000000")
                return action(mount.path / "tree")

        return side

    for name, (text, _) in COMMANDS.items():
        if bench.wants(f"{name}-cold"):
            sides = {
                OURS: on_new_mount(lambda path, n=name: _command(bench, n, path)()),
                OTHER: _command(bench, name, twin),
            }
            samples = interleaved(sides, bench.runs, warm=False)
            goal = Goal("≤ 2×", most=2.0)
            yield compared(f"{name}-cold", f"{text} of {count:,} arrays, cold", samples, goal, runs=bench.runs)
    if bench.wants("stat-cold"):
        first = lambda path: bench.place.probe("stat", _list(bench, path))[0][0]  # noqa: E731
        samples = interleaved({OURS: on_new_mount(first), OTHER: lambda: first(twin)}, bench.runs, warm=False)
        yield compared("stat-cold", "cold stat", samples, Goal("≤ 2×", most=2.0), runs=bench.runs)
