# SPDX-License-Identifier: MIT
"""Loads one HDF5 file after the other, compares each with h5py's own read, and says how it went."""

import dataclasses
import json
import os
import re
import select
import signal
import subprocess
import sys
import traceback

from . import ending, programs
from .expect import compare, views, walk
from .expect.model import TooBig, show
from .waiting import patience, wait_until

FULL, VALUES_ONLY, PARTIAL, REFUSED = "full", "values only", "partial", "refused cleanly"
WRONG, CRASHED, LEAKED = "wrong", "crashed", "leaked"
CATEGORIES = (FULL, VALUES_ONLY, PARTIAL, REFUSED, WRONG, CRASHED, LEAKED)
BAD = (WRONG, CRASHED, LEAKED)

SIGNATURE = b"\x89HDF\r\n\x1a\n"
SUFFIXES = (".h5", ".hdf5", ".he5", ".nc4", ".h5ad", ".loom", ".nxs")
CHILD_CRASH = re.compile(r"crash|signal|SIG[A-Z]+", re.IGNORECASE)


@dataclasses.dataclass
class Outcome:
    file: str
    category: str
    reason: str = ""


@dataclasses.dataclass
class Comparison:
    """What a child that used h5py found; `died` says how it ended if it could not tell."""

    died: str = ""
    refused: str = ""  # h5py does not open it, or it is too big to compare
    findings: list = dataclasses.field(default_factory=list)  # [level, path, text, missing]
    unreadable: list = dataclasses.field(default_factory=list)  # paths
    absent: list = dataclasses.field(default_factory=list)  # those of them that were not loaded either


def files_in(directories):
    for directory in directories:
        if os.path.isfile(directory):
            yield directory
        for folder, subfolders, names in os.walk(directory):
            subfolders.sort()
            for name in sorted(names):
                path = os.path.join(folder, name)
                if os.path.isfile(path) and (name.endswith(SUFFIXES) or has_signature(path)):
                    yield path


def has_signature(path):
    """At 0, 512, 1024, 2048, ... as the format allows."""
    with open(path, "rb") as file:
        at, size = 0, os.path.getsize(path)
        while at < size:
            file.seek(at)
            if file.read(8) == SIGNATURE:
                return True
            at = at * 2 or 512
    return False


class Harness:
    """Works in a place of its own, with a mount or without."""

    def __init__(self, place, mount=None, seconds=60):
        self.place = place
        self.mount = mount
        self.seconds = seconds
        self.number = 0

    def try_file(self, file):
        file = os.path.abspath(file)
        self.number += 1
        project = f"corpus{self.number}"
        outcome = self._judge(project, file)
        left = self._clean_up(project)
        if left and outcome.category not in (WRONG, CRASHED):
            outcome = Outcome(file, LEAKED, left)
        return outcome

    def _judge(self, project, file):
        try:
            loaded = self._load(project, file)
        except subprocess.TimeoutExpired:
            return Outcome(file, CRASHED, "the loader hangs")
        unclean = self._unclean(project, loaded)
        if unclean:
            return Outcome(file, *unclean)
        if loaded.status == programs.FAILED:
            return self._refused(project, file, loaded)
        return self._published(project, file, loaded, self._compare(project, file))

    def _load(self, project, file, *options):
        limit = max(5, int(self.seconds / 2))
        return self.place.load(
            project, file, f"--stall={limit}", *options, timeout=self.seconds * patience(), cwd=os.path.dirname(file)
        )

    def _unclean(self, project, loaded):
        """An end that no input excuses."""
        if loaded.status not in (programs.DONE, programs.FAILED, programs.IN_PART):
            return CRASHED, f"status {loaded.status}: {loaded.err[-300:]!r}"
        if loaded.status != programs.FAILED:
            return None
        if self.place.segments() or project in self.place.projects():
            return LEAKED, f"status 1, but there are {sorted(self.place.segments())[:3]}"
        lines = loaded.error_lines
        if len(lines) != 1 or not lines[0].startswith("cute-shm-hdf5: ") or not lines[0].isprintable():
            return WRONG, f"the error is not one line: {loaded.err[-500:]!r}"
        return None

    # --- refused ------------------------------------------------------------------------------------------------------

    def _refused(self, project, file, loaded):
        reason = loaded.error_lines[0].removeprefix("cute-shm-hdf5: ").replace(file, os.path.basename(file))
        h5py_read = self._compare(None, file)
        readable = not (h5py_read.died or h5py_read.refused)
        complete = readable and not h5py_read.unreadable
        if CHILD_CRASH.search(reason) and complete:
            return Outcome(file, CRASHED, reason)
        self._forgive_reports(complete)
        part = self._load(project, file, "--skip-errors")
        self._forgive_reports(complete)
        if part.status != programs.IN_PART:
            return Outcome(file, REFUSED, reason + (" (h5py reads it)" if complete else ""))
        return self._published(project, file, part, self._compare(project, file))

    def _forgive_reports(self, complete):
        """Where h5py fails or crashes, libhdf5 may crash in the loader's child: a report of that is no news."""
        if not complete:
            for report in self.place.reports.iterdir():
                report.unlink()

    # --- published ----------------------------------------------------------------------------------------------------

    @staticmethod
    def _published(project, file, loaded, result):
        if result.died or result.refused:
            return Outcome(file, PARTIAL, "not compared: " + (result.died or result.refused))
        reported = loaded.err if loaded.status == programs.IN_PART else ""
        findings = [item for item in result.findings if not (item[3] and item[1] in reported)]
        findings += [["structure", path, "neither loaded nor reported", False] for path in result.absent
                     if path not in reported]  # fmt: skip
        wrong = [item for item in findings if item[0] != "attribute" or not item[3]]
        if wrong:
            return Outcome(file, WRONG, _summary(wrong))
        if findings:
            return Outcome(file, VALUES_ONLY, _summary(findings))
        if loaded.status == programs.IN_PART:
            return Outcome(file, PARTIAL, "; ".join(line.split(": ", 2)[-1] for line in loaded.error_lines[:3]))
        note = f"h5py cannot read {', '.join(result.unreadable[:3])}" if result.unreadable else ""
        return Outcome(file, FULL, note)

    def _compare(self, project, file):
        """In a child, because h5py itself crashes or hangs on some files. Without a project: just reads."""
        if project and self.mount:
            wait_until(lambda: os.path.isdir(self.mount / project), f"{project} on the mount", 5)
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            ending.just_end_on_sigterm()
            os.close(reader)
            self._compare_and_exit(project, file, writer)
        os.close(writer)
        text = _read_until(reader, self.seconds * patience())
        if text is None:
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        if text:
            return Comparison(**json.loads(text))
        if text is None:
            return Comparison(died="h5py hangs")
        return Comparison(died=f"h5py died of signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else "no answer")

    def _compare_and_exit(self, project, file, writer):
        try:
            os.chdir(os.path.dirname(file))  # where external files are looked for
            sys.setrecursionlimit(20_000)
            result = self._compare_here(project, file)
        except BaseException:  # pylint: disable=broad-except
            result = Comparison(findings=[["structure", "/", traceback.format_exc(limit=-3), False]])
        with open(writer, "w", encoding="utf-8", errors="replace") as pipe:
            json.dump(dataclasses.asdict(result), pipe)
        os._exit(0)

    def _compare_here(self, project, file):
        try:
            expected = walk.expected_tree(file)
        except (OSError, KeyError, RuntimeError, TooBig) as error:
            return Comparison(refused=f"{type(error).__name__}: {error}")
        if not project:
            return Comparison(unreadable=[show(path) for path in _unreadable(expected)])
        text = self.place.manifest_path(project).read_bytes()
        result = _result(expected, views.from_manifest(text, self.place.shm), False)
        if self.mount:
            on_mount = _result(expected, views.from_mount(self.mount / project), True)
            result.findings += [[level, path, "on the mount: " + text, missing]
                                for level, path, text, missing in on_mount.findings]  # fmt: skip
        return result

    # --- after it -----------------------------------------------------------------------------------------------------

    def _clean_up(self, project):
        """What is left once the project is unlinked, as one line."""
        if project in self.place.projects():
            gone = self.place.unlink(project)
            if gone.status != programs.DONE:
                return f"unlink: {gone.err.strip()}"
        if self.mount:
            wait_until(lambda: not os.path.exists(self.mount / project), f"{project} leaving the mount", 5)
        left = sorted(self.place.segments()) + sorted(self.place.in_registry() - {".lock"})
        reports = [report.read_text(errors="replace")[:1500] for report in self.place.reports.iterdir()]
        for name in left:
            (self.place.shm / name).unlink(missing_ok=True)
        for report in self.place.reports.iterdir():
            report.unlink()
        return "; ".join(left[:5] + [text for text in reports if text.strip()])


def _result(expected, actual, on_mount):
    findings, unreadable, absent = compare.compare(expected, actual, on_mount)
    return Comparison(
        findings=[[item.level, show(item.path), item.text, item.missing] for item in findings],
        unreadable=[show(path) for path in unreadable],
        absent=[show(path) for path in absent],
    )


def _unreadable(node, path=()):
    if node.what == "unreadable" or None in node.attributes.values():
        yield path
    for key, child in node.children.items():
        yield from _unreadable(child, path + (key,))


def _summary(findings):
    more = f"; and {len(findings) - 3} more" if len(findings) > 3 else ""
    return "; ".join(f"{path}: {text}" for _, path, text, _ in findings[:3]) + more


def _read_until(reader, seconds):
    """Everything up to the end, or None when that takes too long."""
    text = b""
    with open(reader, "rb", buffering=0) as pipe:
        while select.select([pipe], [], [], seconds)[0]:
            part = pipe.read(1 << 20)
            if not part:
                return text.decode()
            text += part
    return None


def table(outcomes, top=""):
    """For people: every file, then how many of each category."""
    lines = []
    for outcome in outcomes:
        name = os.path.relpath(outcome.file, top) if top else outcome.file
        reason = (
            outcome.reason.encode("unicode_escape").decode() if not outcome.reason.isprintable() else outcome.reason
        )
        lines.append(f"{outcome.category:15}  {name}" + (f"\n{'':17}{reason}" if reason else ""))
    counts = {category: sum(outcome.category == category for outcome in outcomes) for category in CATEGORIES}
    lines.append("")
    lines += [f"{category:15}  {count}" for category, count in counts.items()]
    lines.append(f"{'files':15}  {len(outcomes)}")
    return "\n".join(lines)
