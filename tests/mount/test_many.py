# SPDX-License-Identifier: MIT
"""Many arrays in one project (a hundred thousand: tests/stress/test_scale.py): everything works, and nothing that is done to one costs as much as all."""

import os
import pathlib

import pytest

from support import programs, tools
from support.waiting import wait_until

COUNT = 4_000 if programs.are_sanitized() else 20_000
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def name_of(number):
    return f"x{number:06d}"


def segment_of(number):
    digits = ""
    for _ in range(10):
        number, digit = divmod(number, len(ALPHABET))
        digits += ALPHABET[digit]
    return f"cute-shm.big.{digits}"


@pytest.fixture
def big(mount, place):
    """Project `big`: array number i has the 8 bytes of i. Written by hand, for that is the quickest."""
    if mount.access.name != "root-passthrough":
        pytest.skip("takes long, and does not depend on how arrays are shown")
    folder = os.open(place.shm, os.O_RDONLY)
    for number in range(COUNT):
        file = os.open(segment_of(number), os.O_WRONLY | os.O_CREAT, 0o600, dir_fd=folder)
        os.write(file, number.to_bytes(8, "little"))
        os.close(file)
    os.close(folder)
    place.write_manifest("big", "".join(map(leaf, range(COUNT))))
    wait_until(lambda: (mount / "big" / name_of(COUNT - 1)).exists(), "the last array", 60)
    yield mount
    place.unlink("big", timeout=200)


def leaf(number):
    name = segment_of(number)
    return (
        f'[{name_of(number)}]\nshm_name = "{name}"\nshm_private_name = "/{name}"\n'
        f'shape = [1]\ndtype = "int64"\n[{name_of(number)}.attrs]\n'
    )


def written_by(process):
    """Bytes, to whatever."""
    lines = pathlib.Path(f"/proc/{process.pid}/io").read_text(encoding="ascii").splitlines()
    return int(dict(line.split(": ") for line in lines)["wchar"])


def test_all_are_listed_and_can_be_looked_at(big):
    with os.scandir(big / "big") as entries:
        sizes = {entry.name: entry.stat().st_size for entry in entries}
    assert len(sizes) == 2 * COUNT
    assert all(sizes[name_of(number)] == 8 for number in range(COUNT))
    for number in range(0, COUNT, COUNT // 100):
        assert (big / "big" / name_of(number)).read_bytes() == number.to_bytes(8, "little")
        assert len((big / "big" / (name_of(number) + ".meta")).read_bytes()) == sizes[name_of(number) + ".meta"]


def test_one_that_is_removed_does_not_cost_as_much_as_all(big, place):
    """What is written of a removal is about that array; the manifest follows once a second or so."""
    manifest = place.manifest_path("big").stat().st_size
    before = written_by(big.process)
    for number in range(0, 1000, 10):
        os.unlink(big / "big" / name_of(number))
    assert written_by(big.process) - before < 20 * manifest
    left = {name for name in os.listdir(big / "big") if not name.endswith(".meta")}
    assert left == {name_of(number) for number in range(COUNT) if number >= 1000 or number % 10}
    assert len(place.segments()) == COUNT - 100
    wait_until(lambda: len(place.manifest("big").leaves()) == COUNT - 100, "the manifest", 60)


def test_all_can_be_removed(big, place):
    tools.run("rm", "-r", "big", cwd=big.path, timeout=300)
    assert place.segments() == set()
    assert os.listdir(big.path) == []
