# SPDX-License-Identifier: MIT
"""Taking samples, and what a row of the table is made of."""

import dataclasses
import math
import statistics
import time

PATIENCE = 120.0  # seconds one comparison may take, its unrecorded first round included
OURS = "ours"


class NotYet(Exception):
    """The programs cannot do this yet."""


class NotMeasured(Exception):
    """This machine cannot tell; why."""


def interleaved(sides, runs, patience=PATIENCE, warm=True):
    """Samples of each side in turn, so that whatever else the machine does meets all of them: {side: [value, …]}.

    A side is a function that returns seconds. What is much too slow is sampled less often, but at least once.
    """
    start = time.monotonic()
    samples = {name: [] for name in sides}
    if warm:
        first = {name: side() for name, side in sides.items()}
        if time.monotonic() - start > patience / 2:
            return {name: [value] for name, value in first.items()}
    for _ in range(runs):
        begun = time.monotonic()
        for name, side in sides.items():
            samples[name].append(side())
        now = time.monotonic()
        if now + (now - begun) - start > patience:
            break
    return samples


@dataclasses.dataclass
class Goal:
    """What is wanted, of the ratio or of our own value (seconds or bytes)."""

    text: str = ""
    most: float = math.inf
    least: float = 0.0
    most_ours: float = math.inf

    def met(self, ratio, ours):
        if not self.text:
            return None
        return (ratio is None or self.least <= ratio <= self.most) and ours <= self.most_ours


@dataclasses.dataclass
class Row:
    """A line of the table. Texts are for people, the rest for programs."""

    name: str
    what: str
    ours: str = ""
    against: str = ""
    ratio: float = None
    goal: str = ""
    met: bool = None
    spread: str = ""
    note: str = ""
    unit: str = "s"
    sizes: dict = None  # bytes that one sample moves, of each side, where rates are compared
    samples: dict = dataclasses.field(default_factory=dict)


def compared(name, what, samples, goal, sizes=None, note="", runs=None):
    """Ours against the other side of `samples`: how many times its time or, of {side: bytes}, its rate."""
    (other,) = (side for side in samples if side != OURS)
    show = lambda side, value: rate(sizes[side] / value) if sizes else seconds(value)  # noqa: E731
    ratios = [
        theirs * sizes[OURS] / (own * sizes[other]) if sizes else own / theirs
        for own, theirs in zip(samples[OURS], samples[other])
    ]
    own = statistics.median(samples[OURS])
    return Row(
        name,
        what,
        ours=show(OURS, own),
        against=f"{other}: {show(other, statistics.median(samples[other]))}",
        ratio=statistics.median(ratios),
        goal=goal.text,
        met=goal.met(statistics.median(ratios), own),
        spread="; ".join(
            [
                *(_range(values, lambda v, s=side: show(s, v)) for side, values in samples.items()),
                f"{min(ratios):.2f}–{max(ratios):.2f}×",
            ]
        ),
        note=_noted(note, samples, runs),
        sizes=sizes,
        samples=samples,
    )


def alone(name, what, values, goal, note="", runs=None, unit="s"):
    """Ours with nothing beside it."""
    show = seconds if unit == "s" else size
    own = statistics.median(values)
    return Row(
        name, what, ours=show(own), goal=goal.text, met=goal.met(None, own), spread=_range(values, show),
        note=_noted(note, {OURS: values}, runs), unit=unit, samples={OURS: values},
    )  # fmt: skip


def _noted(note, samples, runs):
    taken = len(samples[OURS])
    few = f"{taken} of {runs} runs, since it is so slow" if runs and taken < runs else ""
    return "; ".join(word for word in (note, few) if word)


def _range(values, show):
    ends = show(min(values)), show(max(values))
    return "–".join(ends if not ends[0].endswith("/s") else reversed(ends))


def seconds(value):
    for unit, name in ((1, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if abs(value) >= unit:
            break
    return f"{value / unit:.3g} {name}" if value < 1000 else f"{value:.0f} s"


def size(count):
    for unit, name in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if abs(count) >= unit:
            return f"{count / unit:.3g} {name}" if abs(count / unit) < 1000 else f"{count / unit:.0f} {name}"
    return f"{count:.0f} bytes"


def rate(per_second):
    return f"{per_second / 1e9:.2f} GB/s"
