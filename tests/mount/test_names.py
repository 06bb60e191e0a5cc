# SPDX-License-Identifier: MIT
"""Names on the mount: the keys themselves, except what a directory cannot hold or what belongs to sidecars."""

import os

import numpy as np
import pytest

from support import fsnames, h5, toml_text
from support.arrays import refusal

# key -> directory entry, as the contract says
ENTRIES = {
    "plain": b"plain",
    "with space": b"with space",
    " ends ": b" ends ",
    "new\nline": b"new\nline",
    "grün": "grün".encode(),
    "e\u0301": "e\u0301".encode(),
    "\u00e9": "\u00e9".encode(),
    "": b"%",
    "%": b"%25",
    "100%": b"100%",
    "%41": b"%41",
    "%2f": b"%2f",
    "%2F": b"%252F",
    "%25": b"%2525",
    "%00": b"%2500",
    "%2E": b"%252E",
    ".": b"%2E",
    "..": b"%2E%2E",
    "...": b"...",
    ".hidden": b".hidden",
    "a/b": b"a%2Fb",
    "nul\0": b"nul%00",
    "x.meta": b"x%2Emeta",
    "x.npy": b"x%2Enpy",
    ".meta": b"%2Emeta",
    "x.meta.old": b"x.meta.old",
    "attrs": b"attrs",
    "shm_name": b"shm_name",
    "n" * 250: b"n" * 250,
    "%~0123456789abcdef": b"%25~0123456789abcdef",
    "[x]": b"[x]",
    "-rf": b"-rf",
    "*": b"*",
    "\x7f\x1b": b"\x7f\x1b",
}


def test_the_helper_of_these_tests_knows_the_rules():
    for key, entry in ENTRIES.items():
        assert fsnames.encode(key) == entry


def publish_odd(mount, place):
    arrays = {key: np.full(3, number) for number, key in enumerate(ENTRIES)}
    place.publish("odd", {**arrays, "group": {key: np.full(3, number) for number, key in enumerate(ENTRIES)}})
    mount.eventually((mount / "odd/plain").exists, "the project")
    return mount / "odd"


def test_every_key_has_its_entry(mount, place):
    odd = publish_odd(mount, place)
    for folder in (os.fsencode(odd), os.fsencode(odd / "group")):
        names = set(os.listdir(folder)) - {b"group", b"group.meta", b".meta"}
        assert names == set(ENTRIES.values()) | {entry + b".meta" for entry in ENTRIES.values()}
        for number, entry in enumerate(ENTRIES.values()):
            assert np.array_equal(np.fromfile(os.path.join(folder, entry), "i8"), np.full(3, number)), entry
            with open(os.path.join(folder, entry + b".meta"), "rb") as sidecar:
                assert b"int64" in sidecar.read()


def test_every_key_can_be_removed(mount, place):
    odd = publish_odd(mount, place)
    left = 2 * len(ENTRIES)
    for key, entry in ENTRIES.items():
        os.unlink(os.path.join(os.fsencode(odd), entry))
        left -= 1
        leaves = place.manifest("odd").leaves()
        assert (key,) not in leaves
        assert ("group", key) in leaves
        assert len(leaves) == left


def test_other_spellings_are_not_there(mount, place):
    """Each key has one name only."""
    odd = publish_odd(mount, place)
    for entry in (b"%2Eplain", b"p%6Cain", b"x%2Emeta%", b"%2e", b"a%2fb", b"%25%25", b"%2525%", b"n" * 251, b"\xff"):
        with pytest.raises(OSError):
            os.stat(os.path.join(os.fsencode(odd), entry))


# what no key is spelt as: decoding these would make a second name for a key that has one
SPELLINGS = ["100%25", "%25x", "%2Ex", "x%2E", ".x%2Emeta.AbC123", "%2E%2E%2E", "%25%25", "x%25~0123456789abcdeg"]

MAKING = {
    "mkdir": os.mkdir,
    "sidecar": lambda path: path.with_name(path.name + ".meta").write_text('[array]\ndtype = "int8"\nshape = [2]\n'),
    "rename": lambda path: os.rename(path.parent / "g", path),
    "npy": lambda path: np.save(path.with_name(path.name + ".npy"), np.arange(3)),
    "create": lambda path: os.open(path, os.O_CREAT | os.O_WRONLY),
}


@pytest.mark.parametrize("how", MAKING)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_other_spellings_cannot_be_made(mount, place, how, spelling):
    if how == "create" and mount.symlinks:
        pytest.skip("links: raw files are not made")
    place.publish("p", {"x": np.arange(3), "g": {}})
    mount.eventually((mount / "p/g").exists, "the project")
    assert refusal(lambda: MAKING[how](mount / "p" / spelling)) == "EINVAL"
    assert sorted(os.listdir(mount / "p")) == ["g", "x", "x.meta"]


LONG = ["n" * 251, "n" * 300, "ü" * 150, "日" * 100, "/" * 120, "n" * 255 + ".meta"]


def test_names_too_long_for_a_directory_are_cut_and_hashed(mount, place):
    place.publish("long", {key: np.full(2, number) for number, key in enumerate(LONG)})
    mount.eventually((mount / "long").is_dir, "the project")
    folder = os.fsencode(mount / "long")
    entries = [name for name in os.listdir(folder) if not name.endswith(b".meta")]
    assert len(entries) == len(LONG)
    for number, key in enumerate(LONG):
        (entry,) = [name for name in entries if fsnames.long_name_matches(key, name)]
        entry.decode("utf-8")  # whole characters
        assert np.array_equal(np.fromfile(os.path.join(folder, entry), "i8"), [number, number])
        os.stat(os.path.join(folder, entry + b".meta"))
        os.unlink(os.path.join(folder, entry))
        assert (key,) not in place.manifest("long").leaves()


def test_names_that_are_not_utf8_are_themselves(mount, place):
    """TOML cannot hold them: %XX for each bad byte, and a flag."""
    leaf = place.leaf("bytes", np.arange(3), bytes_name=True)
    plain = place.leaf("bytes", np.arange(4))
    place.write_manifest("bytes", toml_text.document({"a%FFb%25ff": leaf, "a%FEb": plain}))
    mount.eventually((mount / "bytes").is_dir, "the project")
    folder = os.fsencode(mount / "bytes")
    assert set(os.listdir(folder)) == {b"a\xffb%ff", b"a\xffb%ff.meta", b"a%FEb", b"a%FEb.meta"}
    assert np.array_equal(np.fromfile(os.path.join(folder, b"a\xffb%ff"), "i8"), np.arange(3))
    os.unlink(os.path.join(folder, b"a\xffb%ff"))
    assert set(place.manifest("bytes").leaves()) == {("a%FEb",)}


def test_names_from_a_file_that_are_not_utf8(mount, place):
    with h5.writing(place.files / "f.h5") as file:
        file.create_dataset(b"caf\xe9", data=np.arange(3))
    place.load("q", place.files / "f.h5").succeeded()
    mount.eventually((mount / "q").is_dir, "the project")
    assert b"caf\xe9" in os.listdir(os.fsencode(mount / "q"))


def test_groups_have_the_same_names(mount, place):
    groups = {key: {"x": np.full(2, number)} for number, key in enumerate(ENTRIES)}
    place.publish("groups", groups)
    mount.eventually((mount / "groups").is_dir, "the project")
    folder = os.fsencode(mount / "groups")
    assert set(os.listdir(folder)) == set(ENTRIES.values())
    for number, entry in enumerate(ENTRIES.values()):
        assert np.array_equal(np.fromfile(os.path.join(folder, entry, b"x"), "i8"), [number, number])


def test_projects_have_their_own_names(mount, place):
    names = ["a b", "grün", "x" * 200, "p.x", "p", "100%", "a%2Fb", "cute-shm.x"]
    for number, project in enumerate(names):
        place.publish(project, {"x": np.full(3, number)})
    mount.eventually(lambda: set(os.listdir(mount.path)) == set(names), "the projects")
    for number, project in enumerate(names):
        assert np.array_equal(np.fromfile(mount / project / "x", "i8"), np.full(3, number))
        os.unlink(mount / project / "x")
        os.rmdir(mount / project)
    place.assert_nothing_published()


def test_deep_nesting(mount, place):
    """As deep as the peer goes: entered step by step, since such paths are too long for one call."""
    depth = 900
    leaf = place.leaf("deep", np.arange(3))
    path = ".".join(["d"] * depth)
    fields = toml_text.document({"x": leaf}).replace('["x"', f'[{path}."x"')
    place.write_manifest("deep", fields)
    mount.eventually((mount / "deep").is_dir, "the project")
    fd = os.open(mount / "deep", os.O_DIRECTORY)
    for _ in range(depth):
        below = os.open("d", os.O_DIRECTORY, dir_fd=fd)
        os.close(fd)
        fd = below
    assert set(os.listdir(fd)) == {"x", "x.meta"}
    os.close(fd)
