# SPDX-License-Identifier: MIT
"""One array through the mount, beside its own segment: the bytes, opening it, and the memory that takes."""

import machine
from measure import Goal, NotMeasured, OURS, compared, interleaved, size
from suite import rows

OTHER = "segment"
NOISE = 2**18  # bytes: the probe's own first pages


def _numbers(probe, *words, column=0):
    return lambda: probe(*words)[0][column]


@rows("scan", "read", "pread", "write", "open-uring", "open-plain")
def array(bench):
    place, length = bench.place, bench.sizes.array
    place.load("array", bench.inputs.contiguous(length))
    segment = place.segment("array", "x")
    try:
        with place.mounted() as mount:
            both = {OURS: mount.path / "array/x", OTHER: segment}
            if bench.wants("scan"):
                yield _scan(bench, both, length)
            yield from _bytes(bench, both, length)
            if bench.wants("open-uring"):
                yield _open(bench, "open-uring", both, mount, True)
        if bench.wants("open-plain"):
            with place.mounted(uring=False) as mount:
                yield _open(bench, "open-plain", {OURS: mount.path / "array/x", OTHER: segment}, mount, False)
    finally:
        place.unlink("array")


def _scan(bench, both, length):
    """Copies would count as the process' own memory, exactly; the page cache is the whole machine's."""
    extra, cached = [], []

    def scan(side, path):
        before = _page_cache()
        seconds, copied = bench.place.probe("scan", path)[0]
        if side == OURS:
            extra.append(copied)
            cached.append(_page_cache() - before)
        return seconds

    sides = {side: lambda side=side, path=path: scan(side, path) for side, path in both.items()}
    samples = interleaved(sides, bench.cheap_runs)
    goal = Goal("1.00 ± 0.02, 0 bytes", least=0.98, most=1.02)
    row = compared("scan", "mmap scan through the mount", samples, goal, _sizes(samples, length), runs=bench.cheap_runs)
    copied = min(extra)
    found = f"extra memory: {size(copied) if copied > NOISE else '0 bytes'} of {size(length)} in the reader"
    others = f"page cache {'grew' if cached[0] >= 0 else 'shrank'} by {size(abs(cached[0]))} meanwhile, by whomever"
    row.note = "; ".join(word for word in (found, others, row.note) if word)
    row.met = row.met and copied <= NOISE
    return row


def _page_cache():
    """Bytes of file content in memory that is not shared memory itself."""
    now = machine.memory()
    return now["Cached"] - now["Shmem"]


def _sizes(samples, length):
    return dict.fromkeys(samples, length)


def _bytes(bench, both, length):
    count = 20000 if bench.quick else 100000
    for name, what, words, goal, whole in (
        ("read", "read() of 1 MiB", (2**20,), Goal("≥ 0.97", least=0.97), length),
        ("pread", "pread of 4 KiB", (count, 4096), Goal("≤ 1.5× its time", most=1.5), None),
        ("write", "write of 8 bytes", (count, 8), Goal("≤ 2× its time", most=2.0), None),
    ):
        if bench.wants(name):
            sides = {side: _numbers(bench.place.probe, name, path, *words) for side, path in both.items()}
            samples = interleaved(sides, bench.cheap_runs)
            yield compared(name, what, samples, goal, _sizes(samples, whole) if whole else None, runs=bench.cheap_runs)


def _open(bench, name, both, mount, uring):
    if uring and not mount.has_uring:
        raise NotMeasured(
            f"the kernel's or libfuse's io_uring is off (enable_uring: {bench.place.uring.state()}; root can set it)"
        )
    if not uring and mount.has_uring:
        raise NotMeasured("io_uring is on, and only root can switch it off")
    limit = 25e-6 if uring else 70e-6
    sides = {side: _numbers(bench.place.probe, "open", path, 3000) for side, path in both.items()}
    samples = interleaved(sides, bench.cheap_runs)
    what = f"open+close for reading, {'with' if uring else 'without'} io_uring"
    return compared(name, what, samples, Goal(f"≤ {limit * 1e6:.0f} µs", most_ours=limit), runs=bench.cheap_runs)
