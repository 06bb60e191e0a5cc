# SPDX-License-Identifier: MIT
"""Our mount beside libfuse's own passthrough example, which only hands on: what FUSE itself takes."""

import shutil

from measure import OURS, Goal, compared
from rows_tree import make_twin
from suite import rows

OTHER = "libfuse's example"
ARRAYS = 5000  # the example holds a descriptor for every file it has seen


@rows("example-open", "example-stat", "example-ls-cold", "example-ls-warm")
def example(bench):
    """The first listing of each mount is the cold one, and all are made anew for every sample."""
    place = bench.place
    if not bench.quick and not place.example_program.exists():
        bench.say("building libfuse's example to compare with")
        place.make_example()
    place.load("example", bench.inputs.tiny(ARRAYS))
    twin = place.shm / "example"
    try:
        with place.mounted() as mount:
            make_twin(mount.path / "example", twin)
        samples = {name: {OURS: [], OTHER: []} for name in ("ls-cold", "ls-warm", "open", "stat")}
        for _ in range(bench.runs):
            with place.mounted() as ours, place.example(twin) as other:
                _round(bench, samples, ours.path / "example", other.path)
    finally:
        place.unlink("example")
        shutil.rmtree(twin, ignore_errors=True)
    for name, what in (
        ("open", "open+close for reading"),
        ("stat", "warm stat"),
        ("ls-cold", f"ls -l of {ARRAYS:,} arrays, cold"),
        ("ls-warm", f"ls -l of {ARRAYS:,} arrays, warm"),
    ):
        yield compared(f"example-{name}", f"{what}, beside another FUSE file system", samples[name], Goal())


def _round(bench, samples, ours, other):
    place = bench.place
    sides = ((OURS, ours), (OTHER, other))
    for side, path in sides:
        (path / "a000000").stat()  # ours reads the manifest
        samples["ls-cold"][side].append(place.timed(["ls", "-l", path]))
    for side, path in sides:
        samples["ls-warm"][side].append(place.timed(["ls", "-l", path]))
        samples["stat"][side].append(_stat(place, path))
        samples["open"][side].append(place.probe("open", path / "a000000", 3000)[0][0])


def _stat(place, path):
    """The second pass over all."""
    names = place.base / "names"
    names.write_text("".join(f"{path}/a{number:06d}\n" for number in range(ARRAYS)))
    return place.probe("stat", names)[1][0]
