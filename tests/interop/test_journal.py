# SPDX-License-Identifier: MIT
"""Writers of one project are killed at random moments, one after the other, while the peer reads its manifest.

CUTESHMFS_KILLS says how many (60)."""

import json
import os
import pathlib
import random
import signal
import subprocess
import threading

import numpy as np

from support import programs
from support.waiting import patience

GROUPS = 8
KILLS = int(os.environ.get("CUTESHMFS_KILLS", "60"))
BEHIND = 1.0  # seconds; how far a manifest may lag behind what was acknowledged, on a machine with time
WATCHER = pathlib.Path(__file__).with_name("watch_manifest.py")


class Watcher:
    """The peer, reading all the time."""

    def __init__(self, python, place, project):
        words = [python, WATCHER, place.registry, project]
        self.process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.seen = []
        self.thread = threading.Thread(target=self._listen)
        self.thread.start()

    def _listen(self):
        for line in self.process.stdout:
            seen = json.loads(line)
            if "arrays" not in seen:
                seen["arrays"] = self.seen[-1]["arrays"]
            self.seen.append(seen)

    def stop(self):
        self.process.stdin.close()
        self.thread.join()
        error = self.process.stderr.read()
        assert self.process.wait() == 0, error
        return self.seen


class History:
    """What was tried and what was acknowledged; a change that was tried last may have happened or not."""

    def __init__(self):
        self.tried = {}
        self.done = {}
        self.last = 0

    def begin(self, have):
        """A new writer found `have` changes."""
        assert have in (self.last, self.last + 1), f"{have} changes are there, {self.last} were acknowledged"
        assert have == self.last or have in self.tried
        self.last = have
        self.tried = {number: words for number, words in self.tried.items() if number <= have}

    def take(self, line):
        verb, number, *words = line.split()
        if verb == "have":
            self.begin(int(number))
        elif verb == "try":
            self.tried[int(number)] = words
        else:
            assert verb == "done" and int(number) == self.last + 1
            self.last = int(number)
            self.done[self.last] = float(words[0])

    def states(self, start, wanted):
        """The arrays after each of the wanted numbers of changes."""
        arrays = dict(start)
        for number in range(max(wanted) + 1):
            if number > 0:
                change(arrays, number, *self.tried[number])
                arrays["marker"] = {"count": number}
            if number in wanted:
                yield number, arrays


def change(arrays, number, verb, path, to=None):
    if verb == "remove":
        del arrays[path]
    elif verb == "move":
        arrays[to] = arrays.pop(path)
    else:
        assert verb == "say" or path not in arrays
        arrays[path] = {"value": number}


def writer(place, project, seed):
    program = programs.directory().parent / "tests" / "journal_writer"
    return subprocess.Popen(
        [program, place.registry, place.shm, project, str(seed)],
        env=place.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def run_and_kill(place, project, seed, seconds, history):
    process = writer(place, project, seed)
    history.take(process.stdout.readline())
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    lines = process.stdout.read().split("\n")
    timer.join()
    error = process.stderr.read()
    assert process.wait() == -signal.SIGKILL and error == "", error
    for line in lines[:-1]:  # the last one is torn
        history.take(line)


def clean_up(place, project, history):
    process = writer(place, project, 0)
    out, error = process.communicate(timeout=60)
    assert process.returncode == 0 and error == "", error
    history.take(out)


def count_of(arrays):
    return arrays["marker"].get("count", 0)


def lag(seen, history):
    """How long the oldest change that the reader did not see had been acknowledged."""
    missing = history.done.get(count_of(seen["arrays"]) + 1)
    return max(0.0, seen["began"] - missing) if missing else 0.0


def test_writers_killed_at_any_moment_lose_nothing_and_the_peer_reads_on(place, peer_python, prefix):
    arrays = {f"g{g}": {f"a{i}": np.arange(3) + i for i in range(15)} for g in range(GROUPS)}
    place.publish(prefix, {**arrays, "marker": np.zeros(1)})
    start = {path: leaf["attrs"] for path, leaf in flat(place.manifest(prefix).tree)}
    history = History()
    clean_up(place, prefix, history)
    watcher = Watcher(peer_python, place, prefix)
    try:
        chance = random.Random(KILLS)
        for number in range(KILLS):
            seconds = chance.choice([0.002, 0.03, 0.1, 0.6]) * chance.random() * patience()
            run_and_kill(place, prefix, number + 1, seconds, history)
        clean_up(place, prefix, history)
    finally:
        seen = watcher.stop()
    assert history.last > KILLS and len(seen) > 10
    check(place, prefix, seen, history, start)


def check(place, project, seen, history, start):
    by_count = {}
    for one in seen:
        by_count.setdefault(count_of(one["arrays"]), one["arrays"])
    final = {path: leaf["attrs"] for path, leaf in flat(place.manifest(project).tree)}
    assert count_of(final) == history.last
    by_count[history.last] = final
    for number, arrays in history.states(start, by_count):
        assert by_count[number] == arrays
    counts = [count_of(one["arrays"]) for one in seen]
    assert counts == sorted(counts)
    worst = max(lag(one, history) for one in seen)
    print(f"{KILLS} kills, {history.last} changes, {len(seen)} readings, {len(by_count)} states, {worst:.3f} s behind")
    assert worst < BEHIND * 10 * patience()
    named = place.manifest(project).segments()
    assert {name for name in os.listdir(place.shm) if name.startswith(f"cute-shm.{project}.")} == named
    assert place.in_registry() == {".lock", f"cute-shm.{project}.toml"}


def flat(tree, path=()):
    for key, item in tree.items():
        if "shm_name" in item:
            yield "/".join(path + (key,)), item
        else:
            yield from flat(item, path + (key,))
