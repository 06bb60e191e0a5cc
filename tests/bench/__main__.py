# SPDX-License-Identifier: MIT
"""scripts/bench, once everything is built: which rows, how big, the table."""

import argparse
import dataclasses
import json
import os
import pathlib
import signal
import sys
import time
import traceback

import machine
import rows_files  # noqa: F401  each registers its rows, in the order of the table
import rows_tree  # noqa: F401
import rows_example  # noqa: F401
import rows_load  # noqa: F401
import rows_change  # noqa: F401
import rows_window  # noqa: F401
import suite
import table
from place import Place, disk, shared_memory

GIB, MIB = 2**30, 2**20


@dataclasses.dataclass
class Sizes:
    """Bytes of files and arrays, and how many arrays, datasets and chunks."""

    array: int = GIB
    contiguous: int = GIB
    largest: int = GIB
    gzip: int = GIB // 2
    chunks: int = 100_000
    tiny: int = 10_000
    tree: int = 100_000

    def fit(self, spare):
        """What is said when the machine is small: bytes halve until a load, its copy and the file's pages fit."""
        said = []
        for name in ("array", "contiguous", "largest", "gzip"):
            size = getattr(self, name)
            fitting = size
            while 2 * fitting > spare and fitting > MIB:
                fitting //= 2
            setattr(self, name, fitting)
            said += [f"{name}: {fitting // MIB} MiB instead of {size // MIB}"] if fitting < size else []
        while self.tree * 20_000 > spare and self.tree > 1000:
            self.tree //= 10
            said.append(f"tree: {self.tree:,} arrays")
        return said


QUICK = {
    "array": 128 * MIB,
    "contiguous": 128 * MIB,
    "largest": 128 * MIB,
    "gzip": 64 * MIB,
    "chunks": 10_000,
    "tiny": 1000,
    "tree": 5000,
}


class Bench:
    """What every group of rows gets."""

    def __init__(self, options, say):
        self.quick = options.quick
        self.runs = options.runs or (3 if options.quick else 5)
        self.cheap_runs = 3 * self.runs  # of what takes a moment
        self.sizes = Sizes(**QUICK) if options.quick else Sizes()
        if options.big:
            self.sizes.largest = 8 * GIB
        self.scaled = self.sizes.fit(machine.spare(shared_memory(), disk()))
        self.chosen = options.rows
        self.say = say
        self.place = self.inputs = None
        self.breaks = []

    def wants(self, name):
        return not self.chosen or name in self.chosen

    def broke(self, group, error):
        self.breaks.append(f"{', '.join(group.names)}: {error}")
        traceback.print_exception(error, file=sys.stderr)


def arguments():
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measures how fast loading, the mount and changes are, beside tmpfs, cp, h5py and the peer.",
    )
    parser.add_argument("--quick", action="store_true", help="small inputs and 3 runs: about a minute")
    parser.add_argument("--rows", metavar="A,B", type=chosen, help="only these (--list says which there are)")
    parser.add_argument("--runs", metavar="N", type=positive, help="samples of each side (default 5)")
    parser.add_argument("--big", action="store_true", help="peak memory of a load of 8 GiB")
    parser.add_argument(
        "--json",
        metavar="FILE",
        help="also every sample, for programs; -: to standard output, the table then to standard error",
    )
    parser.add_argument("--keep", action="store_true", help="keep the HDF5 files that were made")
    parser.add_argument("--list", action="store_true", help="the rows' names")
    return parser.parse_args()


def positive(text):
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return int(text)


def chosen(text):
    unknown = set(text.split(",")) - set(suite.names())
    if unknown:
        raise argparse.ArgumentTypeError(f"no row {', '.join(sorted(unknown))}; there are {', '.join(suite.names())}")
    return set(text.split(","))


def main():
    options = arguments()
    if options.list:
        print("\n".join(suite.names()))
        return 0
    started = time.monotonic()
    say = lambda words: print(f"{time.monotonic() - started:5.0f} s  {words}", file=sys.stderr, flush=True)  # noqa: E731
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupted)  # also where a shell started it in the background, with SIGINT ignored
    bench = Bench(options, say)
    try:
        return measure(bench, options)
    except KeyboardInterrupt:
        return 130


def interrupted(number, frame):
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def measure(bench, options):
    import h5py

    from inputs import Inputs

    place = bench.place = Place(bench.say)
    try:
        place.uring.take(bench.say)
        bench.inputs = Inputs(place.files, bench.say)
        facts = machine.facts(place.programs, h5py)
        for words in bench.scaled:
            bench.say(f"this machine has little memory or disk to spare; {words}")
        out = table.Table(sys.stderr if options.json == "-" else sys.stdout)
        rows = [out.add(row) for row in suite.measured(bench)]
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        place.finish(options.keep)
    facts += rest_of_facts(bench)
    out.end(facts)
    if options.json:
        write(
            options.json,
            {
                "facts": dict(facts),
                "quick": bench.quick,
                "sizes": dataclasses.asdict(bench.sizes),
                "rows": [dataclasses.asdict(row) for row in rows],
            },
        )
    return 1 if bench.breaks else 0


def rest_of_facts(bench):
    """What is known only when it has been tried."""
    rest = [("access", bench.place.access)] if bench.place.access else []
    rest.append(("fuse's enable_uring", uring(bench.place.uring)))
    rest += [("scaled down", words) for words in bench.scaled]
    return rest


def uring(switch):
    if switch.switchable:
        return f"Y during the run, {switch.state()} otherwise"
    if switch.others:
        return "another benchmark switched it"
    if switch.state() == "N":
        return "N; with Y, which root can set, opening, cold stat and listing, unlink and rm -r are faster"
    return switch.state()


def write(name, content):
    text = json.dumps(content, indent=1) + "\n"
    if name == "-":
        sys.stdout.write(text)
    else:
        pathlib.Path(name).write_text(text)


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main())
