# SPDX-License-Identifier: MIT
"""Whatever copies a project out of the mount and back in, in whatever order, makes the same project again."""

import os
import random
import shutil
import zlib

import generate_hdf5
import h5py
import numpy as np
import pytest

from support import content, fsnames, h5, programs, tools
from support.demands import lacking
from support.waiting import wait_until

LONGEST_NAME = 240  # rsync puts up to eleven bytes around the name of what it is writing


@pytest.fixture
def mount(mount):
    if mount.symlinks:
        pytest.skip("raw files are not made through symbolic links")
    return mount


def some_rows(name):
    """All; of slow programs a quarter, another one in each test."""
    step = 4 if programs.are_sanitized() else 1
    rows = list(generate_hdf5.ROWS.items())
    return dict(rows[zlib.crc32(name.encode()) % step :: step])


@pytest.fixture
def rich(request, mount, place):
    """Project p has a group for every row of the mapping; what no directory can take by its name is left out."""
    rows = some_rows(request.node.name)
    place.load("p", h5.sample(place.files / "of the project.h5")).succeeded()
    for file in generate_hdf5.generate(place.files, rows):
        place.load("p", file, "--into", file.stem).succeeded()
        file.unlink()
    names = os.fsencode(mount / "p")
    mount.eventually(lambda: set(rows) <= set(os.listdir(mount / "p")), "the project")
    for folder, folders, files in os.walk(names, topdown=False):
        for name in files:
            if not _can_be_made(name) and not name.endswith(b".meta"):
                os.unlink(os.path.join(folder, name))
        for name in folders:
            if not _can_be_made(name):
                tools.silent("rm", "-r", os.path.join(folder, name))
    return content.of_project(place, "p")


def _can_be_made(name):
    try:
        name.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return len(name) <= LONGEST_NAME and not (len(name) > 150 and b"%~" in name)


def same(place, project, before, modes=True):
    """The kernel tells of a last close when close(2) has returned already, so it is waited for."""
    if not modes:  # what copies bytes only makes files of its own
        before = without_modes(before)
    lines = []

    def is_same():
        after = content.of_project(place, project)
        lines[:] = content.differences(before, after if modes else without_modes(after))
        return not lines

    try:
        wait_until(is_same, "the same content", seconds=2)
    except AssertionError as error:
        raise AssertionError("\n".join([str(error), *lines[:20]])) from None
    place.assert_consistent()


def without_modes(found):
    return {path: {key: item for key, item in facts.items() if key != "mode"} for path, facts in found.items()}


def through_tar(source, target):
    """`source` and `target` are directories; the second is made."""
    target.mkdir()
    archive = target.with_name(target.name + ".tar") if target.parent.name == "files" else source.with_name("back.tar")
    tools.silent("tar", "-C", source, "-cf", archive, ".")
    tools.silent("tar", "-C", target, "-xf", archive)


def through_rsync(source, target):
    """Of names with %2E and %25 in them, which stand for themselves in no longer name, rsync can make no temporary file."""
    if not shutil.which("rsync"):
        lacking("no rsync")
    tools.silent("rsync", "-a", "--exclude=*%2[E5]*", f"{source}/", target)
    tools.silent("rsync", "-a", "--inplace", f"{source}/", target)


WAYS = {
    "cp -r": lambda source, target: tools.silent("cp", "-r", source, target),
    "cp -a": lambda source, target: tools.silent("cp", "-a", source, target),
    "tar": through_tar,
    "rsync -a": through_rsync,
}


@pytest.mark.parametrize("way", WAYS)
def test_a_project_copied_out_and_back_in_is_the_same(mount, place, rich, way):
    WAYS[way](mount / "p", place.files / "out")
    assert not any(os.path.islink(place.files / "out" / name) for name in os.listdir(place.files / "out"))
    WAYS[way](place.files / "out", mount / "q")
    same(place, "q", rich)


@pytest.mark.parametrize("way", ["cp -r", "cp -a"])
def test_a_project_copied_within_the_mount_is_the_same(mount, place, rich, way):
    WAYS[way](mount / "p", mount / "q")
    same(place, "q", rich)
    same(place, "p", rich)


def test_a_project_copied_by_the_shell_is_the_same(mount, place, sample):
    before = content.of_project(place, "p")
    shutil.copytree(mount / "p", place.files / "out")
    shutil.copytree(place.files / "out", mount / "q")
    same(place, "q", before)


def test_rsync_of_what_is_the_same_writes_nothing(mount, place, sample):
    if not shutil.which("rsync"):
        lacking("no rsync")
    out = f"{place.files / 'out'}/"
    tools.silent("rsync", "-a", f"{mount / 'p'}/", out)
    assert tools.silent("rsync", "-ai", f"{mount / 'p'}/", out) == ""


# --- orders -----------------------------------------------------------------------------------------------------------


def copy_in(files, source, target):
    """Directories first, then these files, each at one go."""
    for folder, _, _ in os.walk(source):
        os.mkdir(os.path.join(target, os.path.relpath(folder, source)) if folder != os.fspath(source) else target)
    for name in files:
        shutil.copyfile(os.path.join(source, name), os.path.join(target, name))


def files_below(source):
    return sorted(os.path.relpath(os.path.join(folder, name), source) for folder, _, names in os.walk(source) for name in names)


def sidecars_first(name):
    return (not name.endswith(".meta"), name)


def data_first(name):
    return (name.endswith(".meta"), name)


@pytest.mark.parametrize("order", [sidecars_first, data_first], ids=["sidecars-first", "data-first"])
def test_the_order_of_sidecars_and_data_does_not_matter(mount, place, rich, order):
    tools.silent("cp", "-r", mount / "p", place.files / "out")
    copy_in(sorted(files_below(place.files / "out"), key=order), place.files / "out", mount / "q")
    same(place, "q", rich, modes=False)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_any_order_of_files_gives_the_same_project(mount, place, rich, seed):
    tools.silent("cp", "-r", mount / "p", place.files / "out")
    files = files_below(place.files / "out")
    random.Random(seed).shuffle(files)
    copy_in(files, place.files / "out", mount / "q")
    same(place, "q", rich, modes=False)


@pytest.mark.parametrize("seed", [1, 2])
def test_files_that_are_written_in_pieces_all_at_once_give_the_same_project(mount, place, sample, seed):
    """As several copies at a time do."""
    before = content.of_project(place, "p")
    shutil.copytree(mount / "p", place.files / "out")
    copy_in([], place.files / "out", mount / "q")
    chance = random.Random(seed)
    left = []
    for name in files_below(place.files / "out"):
        left.append([os.open(mount / "q" / name, os.O_WRONLY | os.O_CREAT, 0o600), (place.files / "out" / name).read_bytes()])
    while left:
        which = chance.randrange(len(left))
        fd, rest = left[which]
        length = chance.randint(1, 64)
        assert os.write(fd, rest[:length]) == len(rest[:length])
        left[which][1] = rest[length:]
        if not rest[length:]:
            os.close(fd)
            del left[which]
    same(place, "q", before, modes=False)


# --- single facts that a copy may lose --------------------------------------------------------------------------------


@pytest.fixture
def facts(mount, place):
    with h5.writing(place.files / "facts.h5") as file:
        file["table"] = np.zeros((2, 3), [("a", "i4"), ("b", "f8")])
        file["table"].attrs["of"] = "a compound"
        file["nothing"] = h5py.Empty("f8")
        file["nothing"].attrs["why"] = "null"
        file["none"] = np.zeros((0, 7), "f4")
        file["none"].attrs["n"] = np.int16(3)
        file["one"] = np.float32(1.5)
        file["words"] = np.array([b"ab", b"c"], "S4")
        file["colour"] = np.array([0, 1, 1], "i1").astype(h5py.enum_dtype({"RED": 0, "GREEN": 1}, "i1"))
        file.create_group("empty")
        file.create_group("with")["x"] = [1]
        file["with"].attrs["attribute"] = "of a group"
        file.attrs["of"] = "the project"
    place.load("p", place.files / "facts.h5").succeeded()
    mount.eventually((mount / "p/one").exists, "the project")
    return content.of_project(place, "p")


FACTS = {
    ("none",): ("shape", "[0, 7]"),
    ("one",): ("shape", "[]"),
    ("words",): ("encoding", "'ascii'"),
    ("colour",): ("enum", "{'GREEN': 1, 'RED': 0}"),
    ("table",): ("kind", "'compound'"),
    ("nothing",): ("shape", "'null'"),
    ("empty",): ("is", "group"),
    ("with",): ("attrs", "{'attribute': 'of a group'}"),
    (): ("attrs", "{'of': 'the project'}"),
}


@pytest.mark.parametrize("way", WAYS)
def test_shapes_kinds_and_attributes_come_back(mount, place, facts, way):
    for path, (key, item) in FACTS.items():
        assert facts[path][key] == item, path
    WAYS[way](mount / "p", place.files / "out")
    WAYS[way](place.files / "out", mount / "q")
    same(place, "q", facts)


LONG = "n" * 260
LATIN = b"caf\xe9"


@pytest.fixture
def unnameable(mount, place):
    """Keys that nobody can make on the mount, beside those that anybody can, as arrays and as groups."""
    with h5.writing(place.files / "odd.h5") as file:
        for number, key in enumerate((LONG.encode(), LATIN, b"plain", b"\xc3\xbc" * 124)):
            file.create_dataset(key, data=np.arange(number + 2)).attrs["n"] = number
        for key in (b"g" + LONG.encode(), b"g" + LATIN, b"group"):
            file.create_group(key).create_dataset("in", data=np.arange(3))
    place.load("p", place.files / "odd.h5").succeeded()
    mount.eventually((mount / "p/group/in").exists, "the project")
    return content.of_project(place, "p")


def test_keys_that_cannot_be_made_are_copied_out(mount, place, unnameable):
    tools.silent("cp", "-r", mount / "p", place.files / "out")
    out = os.fsencode(place.files / "out")
    assert sorted(os.listdir(out)) == sorted(os.listdir(os.fsencode(mount / "p")))
    (cut,) = [name for name in os.listdir(out) if fsnames.long_name_matches(LONG, name)]
    for number, name in enumerate((cut, LATIN, b"plain")):
        with open(os.path.join(out, name), "rb") as file:
            assert file.read() == np.arange(number + 2).tobytes()
        with open(os.path.join(out, name + b".meta"), "rb") as file:
            assert b"n = %d\n" % number in file.read()
    assert os.path.getsize(os.path.join(out, b"g" + LATIN, b"in")) == 24


def test_keys_that_cannot_be_made_are_refused_on_the_way_back_and_the_rest_arrives(mount, place, unnameable):
    tools.silent("cp", "-r", mount / "p", place.files / "out")
    back = tools.run("cp", "-r", place.files / "out", mount / "q")
    assert back.returncode == 1
    refused = back.stderr.decode("utf-8", "surrogateescape").splitlines()
    assert len(refused) == 2 * 2 + 2, back.stderr  # array, sidecar, group; of each name
    assert all("Invalid or incomplete multibyte" in line or "Invalid argument" in line for line in refused)
    good = {"plain", "\u00fc" * 124, "group", "in"}
    arrived = {path: facts for path, facts in unnameable.items() if set(path) <= good}
    assert len(arrived) == 4
    assert content.of_project(place, "q").keys() == arrived.keys()
    assert not content.differences(arrived, content.of_project(place, "q"))
    place.assert_consistent()


def test_copies_of_an_undeclared_array_are_undeclared(mount, place):
    (mount / "p").mkdir()
    (mount / "p/raw").write_bytes(b"bytes")
    before = content.of_project(place, "p")
    assert before["raw",]["declared"] == "False"
    tools.silent("cp", "-r", mount / "p", mount / "q")
    assert sorted(os.listdir(mount / "q")) == [name for name in sorted(os.listdir(mount / "p"))]
    same(place, "q", before)


def test_cp_a_keeps_two_names_of_one_array(mount, place):
    with h5.writing(place.files / "links.h5") as file:
        file["x"] = np.arange(5)
        file["g/y"] = file["x"]
    place.load("p", place.files / "links.h5").succeeded()
    mount.eventually((mount / "p/x").exists, "the project")
    tools.silent("cp", "-a", mount / "p", mount / "q")
    assert len(place.manifest("q").segments()) == 1
    assert len(place.segments()) == 2
    assert (mount / "q/x").stat().st_ino == (mount / "q/g/y").stat().st_ino


def test_cp_a_keeps_times_and_modes_of_arrays(mount, place, sample):
    os.chmod(mount / "p/a", 0o640)
    os.utime(mount / "p/a", (1_000_000_000, 1_100_000_000))
    tools.silent("cp", "-a", mount / "p", mount / "q")
    status = (mount / "q/a").stat()
    assert (status.st_mode & 0o777, status.st_mtime) == (0o640, 1_100_000_000)


def test_a_sidecar_that_was_copied_alone_waits_for_its_data(mount, place, sample):
    (mount / "q").mkdir()
    tools.silent("cp", mount / "p/a.meta", mount / "q/a.meta")
    assert not (mount / "q/a").exists()
    assert 'state = "waiting"' in (mount / "q/a.meta").read_text()
    assert place.manifest("q").leaves() == {}
    tools.silent("cp", mount / "p/a", mount / "q/a")
    assert "state" not in (mount / "q/a.meta").read_text()
    assert content.of_project(place, "q")["a",] == content.of_project(place, "p")["a",]
