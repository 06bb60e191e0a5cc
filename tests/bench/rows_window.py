# SPDX-License-Identifier: MIT
"""From a change beside the mount until the mount shows it."""

import shutil
import statistics

from measure import Goal, OURS, alone, seconds
from suite import rows

NEVER = 5.0  # seconds after which bench-probe gives up


@rows("window-publish", "window-unpublish", "window-replace", "window-removed", "window-back")
def window(bench):
    count = 100 if bench.quick else 1000
    place = bench.place
    place.load("window", bench.inputs.tiny(2))
    registry = place.base / "registry"
    manifest, put_away = registry / "cute-shm.window.toml", registry / "put-away"
    try:
        with place.mounted() as mount:
            watched = mount.path / "window/a000000"
            if bench.wants("window-publish") or bench.wants("window-unpublish"):
                manifest.rename(put_away)
                try:
                    lines = place.probe("appear", put_away, manifest, watched, count)
                finally:
                    put_away.rename(manifest)
                yield _row("window-publish", "project published until stat finds it", [line[0] for line in lines])
                yield _row("window-unpublish", "project removed until stat fails", [line[1] for line in lines])
            if bench.wants("window-replace"):
                lines = _replaced(bench, manifest, watched, count)
                yield _row(
                    "window-replace",
                    "project replaced until stat shows the new size",
                    [v for line in lines for v in line],
                )
            if bench.wants("window-removed") or bench.wants("window-back"):
                lines = place.probe("segment", place.segment("window", "a000000"), watched, count)
                yield _row("window-removed", "segment removed until stat fails", [line[0] for line in lines])
                yield _row("window-back", "segment made again until stat finds it", [line[1] for line in lines])
    finally:
        place.unlink("window")


def _replaced(bench, manifest, watched, count):
    """The other version names another segment, twice as long."""
    place = bench.place
    segment = place.segment("window", "a000000")
    longer = segment.with_name(segment.name[:-10] + "longer0000")
    longer.write_bytes(bytes(2 * segment.stat().st_size))
    longer.chmod(0o600)
    versions = [place.base / "version-1", place.base / "version-2"]
    shutil.copy(manifest, versions[0])
    text = manifest.read_text()
    versions[1].write_text(text.replace(segment.name, longer.name).replace("[16]", "[32]", 1))
    try:
        return place.probe("replace", *versions, manifest, watched, max(count // 2, 1))
    finally:
        shutil.copy(versions[0], f"{manifest}.new")
        (manifest.parent / f"{manifest.name}.new").rename(manifest)
        longer.unlink()


def _row(name, what, values):
    never = sum(value >= NEVER for value in values)
    goal = Goal("≤ 100 ms at worst, typically < 1 ms")
    row = alone(name, f"seen: {what}", values, goal)
    row.met = max(values) <= 0.1 and statistics.median(values) < 1e-3
    row.spread = (
        f"worst of {len(values)}: {seconds(max(values))}; 99 %: {seconds(sorted(values)[int(len(values) * 0.99)])}"
    )
    row.note = f"{never} not seen within {NEVER:.0f} s" if never else ""
    row.samples = {OURS: values}
    return row
