# SPDX-License-Identifier: MIT
"""Loading files: beside cp, h5py's own read, and the peer."""

import os
import resource

from measure import Goal, NotMeasured, OURS, Row, alone, compared, interleaved, seconds
from suite import rows

MIB = 2**20
PEERS_TIME = "the peer without Python's start, ours a whole command"


def _load(bench, file, *options):
    """Its memory is given back before anybody else's turn."""

    def side():
        taken = bench.place.load("loaded", file, *options)
        bench.place.unlink("loaded")
        return taken

    return side


def _cp(bench, file):
    target = bench.place.shm / "copied"

    def side():
        taken = bench.place.timed(["cp", file, target])
        target.unlink()
        return taken

    return side


def _rates(sides, sizes, bench, name, what, goal, note=""):
    samples = interleaved(sides, bench.runs)
    return compared(name, what, samples, goal, dict(zip(samples, sizes)), note, bench.runs)


def _jobs(bench, count):
    """Options for so many jobs, and a word where the loader has no such choice yet."""
    if bench.place.can("cute-shm-hdf5", "--jobs"):
        return [f"--jobs={count}"], ""
    return [], "the loader has no --jobs yet"


def _beside_peer(bench, name, what, goal, make, size):
    """The peer gets a quarter of the size where the whole would take it more than ten seconds; rates are compared."""
    options, note = _jobs(bench, len(os.sched_getaffinity(0)))
    part = size // 4
    try:
        if bench.place.peer(make(part)) * 4 <= 10:
            part = size
        sides = {OURS: _load(bench, make(size), *options), "peer": lambda: bench.place.peer(make(part))}
        smaller = "" if part == size else f"the peer's file is {part / MIB:.0f} MiB, since it is slow"
        note = "; ".join(word for word in (note, smaller, PEERS_TIME) if word)
        return _rates(sides, (size, part), bench, name, what, goal, note)
    except NotMeasured as error:
        return Row(name, what, goal=goal.text, note=f"not measured: {error}")


@rows("load-contiguous-1", "load-contiguous-2", "load-contiguous-peer")
def contiguous(bench):
    size = bench.sizes.contiguous
    file = bench.inputs.contiguous(size)
    for jobs, least in ((1, 1.3), (2, 1.6)):
        name = f"load-contiguous-{jobs}"
        if bench.wants(name):
            options, note = _jobs(bench, jobs)
            if not options and jobs > 1:
                yield Row(
                    name,
                    f"load, contiguous, {size / MIB:.0f} MiB, {jobs} jobs",
                    goal=f"≥ {least}× its rate",
                    note=f"not yet: {note}",
                )
                continue
            sides = {OURS: _load(bench, file, *options), "cp": _cp(bench, file)}
            what = f"load, contiguous, {size / MIB:.0f} MiB, {jobs} job{'s' if jobs > 1 else ''}"
            yield _rates(sides, (size, size), bench, name, what, Goal(f"≥ {least}× its rate", least=least), note)
    if bench.wants("load-contiguous-peer"):
        goal = Goal("≥ 6× its rate", least=6.0)
        what = f"load, contiguous, {size / MIB:.0f} MiB"
        yield _beside_peer(bench, "load-contiguous-peer", what, goal, bench.inputs.contiguous, size)


@rows("load-gzip", "load-gzip-peer")
def gzip(bench):
    size = bench.sizes.gzip
    options, note = _jobs(bench, len(os.sched_getaffinity(0)))
    file = bench.inputs.gzip(size)
    what = f"load, gzip+shuffle, {size / MIB:.0f} MiB"
    if bench.wants("load-gzip"):
        sides = {OURS: _load(bench, file, *options), "h5py": lambda: bench.place.h5py(file)}
        yield _rates(sides, (size, size), bench, "load-gzip", what, Goal("≥ 4× its rate", least=4.0), note)
    if bench.wants("load-gzip-peer"):
        goal = Goal("≥ 8× its rate", least=8.0)
        yield _beside_peer(bench, "load-gzip-peer", what, goal, bench.inputs.gzip, size)


@rows("index-btree", "index-btree-linear", "index-extensible", "index-extensible-linear")
def index(bench):
    count = bench.sizes.chunks
    for kind, text in (("btree", "v1 B-tree"), ("extensible", "extensible array")):
        once, twice = (bench.inputs.chunks(many, kind) for many in (count, 2 * count))
        name = f"index-{kind}"
        if bench.wants(name):
            sides = {OURS: _load(bench, once), "h5py": lambda f=once: bench.place.h5py(f)}
            goal = Goal("≤ 1 s over the decoding", most_ours=1.0)
            yield compared(
                name, f"one dataset of {count:,} chunks, {text}", interleaved(sides, bench.runs), goal, runs=bench.runs
            )
        if bench.wants(f"{name}-linear"):
            half = f"{count:,} chunks"
            sides = {OURS: _load(bench, twice), half: _load(bench, once)}
            goal = Goal("linear (≤ 2.5× for twice as many)", most=2.5)
            yield compared(
                f"{name}-linear", f"{2 * count:,} chunks, {text}", interleaved(sides, bench.runs), goal, runs=bench.runs
            )


@rows("tiny", "tiny-peer", "tiny-many")
def tiny(bench):
    count, many = bench.sizes.tiny, bench.sizes.tree
    file = bench.inputs.tiny(count)
    if bench.wants("tiny"):
        values = interleaved({OURS: _load(bench, file)}, bench.runs)[OURS]
        yield alone("tiny", f"load, {count:,} tiny datasets", values, Goal("≤ 1 s", most_ours=1.0), runs=bench.runs)
    if bench.wants("tiny-peer"):
        yield _tiny_peer(bench, count)
    if bench.wants("tiny-many"):
        values = interleaved({OURS: _load(bench, bench.inputs.tiny(many))}, bench.runs, warm=False)[OURS]
        yield alone("tiny-many", f"load, {many:,} tiny datasets", values, Goal(), runs=bench.runs)


def _tiny_peer(bench, count):
    """Every array of the peer holds a descriptor while it loads, so it can do so many as it may open."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    theirs = count if most > count + 100 else min(count, most - 100)
    sides = {
        OURS: _load(bench, bench.inputs.tiny(count)),
        "peer": lambda: bench.place.peer(bench.inputs.tiny(theirs)) * count / theirs,
    }
    what, goal = f"load, {count:,} tiny datasets", Goal("≥ 10× its rate (≤ 0.1× its time)", most=0.1)
    scaled = "" if theirs == count else f", scaled to {count:,}"
    note = f"the peer with {theirs:,}, its limit of open files raised{scaled}; {PEERS_TIME}"
    try:
        return compared("tiny-peer", what, interleaved(sides, bench.runs), goal, note=note, runs=bench.runs)
    except NotMeasured as error:
        return Row("tiny-peer", what, goal=goal.text, note=f"not measured: {error}")


@rows("memory-contiguous", "memory-gzip")
def memory(bench):
    for name, make, size in (
        ("memory-contiguous", bench.inputs.contiguous, bench.sizes.largest),
        ("memory-gzip", bench.inputs.gzip, bench.sizes.gzip),
    ):
        if bench.wants(name):
            yield _peak(bench, name, make(size), size)


def _peak(bench, name, file, size):
    runs = 1 if size > 2**31 else bench.runs
    command = bench.place.command("cute-shm-hdf5", "--no-progress", "loaded", file)
    peaks, times = [], []
    for _ in range(runs):
        peak, taken = bench.place.probe("peak", *command)[0]
        bench.place.unlink("loaded")
        peaks.append(peak)
        times.append(taken)
    what = f"peak private memory of a load, {name.split('-')[1]}, {size / MIB:.0f} MiB"
    note = f"anonymous memory of the loader and its child, every 5 ms; {seconds(min(times))}"
    return alone(name, what, peaks, Goal("≤ 64 MiB + chunks in flight", most_ours=72 * MIB), note, unit="bytes")
