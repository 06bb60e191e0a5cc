# SPDX-License-Identifier: MIT
"""link: a second name for the same segment, across projects too."""

import errno
import fcntl
import os
import tomllib

import numpy as np
import pytest

from support import h5, mounting, tools

X = np.arange(6).reshape(3, 2)


@pytest.fixture
def projects(place):
    for name in ("p", "q"):
        with h5.writing(place.files / f"{name}.h5") as file:
            file["x"] = X
            file["x"].attrs["of"] = name
            file["y"] = X + 1
            file.create_group("g")
        place.load(name, place.files / f"{name}.h5").succeeded()


def link(source, target):
    os.link(source, target, follow_symlinks=False)


def error_of(function, *arguments):
    try:
        function(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]
    return None


@pytest.mark.parametrize("target", ["p/second", "p/g/second", "q/second", "q/g/second"])
def test_a_link_is_another_name_of_the_same_segment(mount, place, projects, target):
    before = place.segments()
    first = os.lstat(mount / "p/x")
    link(mount / "p/x", mount / target)
    one, two = os.lstat(mount / "p/x"), os.lstat(mount / target)
    assert (one.st_ino, one.st_dev) == (two.st_ino, two.st_dev) == (first.st_ino, first.st_dev)
    assert one.st_nlink == two.st_nlink == 2
    assert f"# /{target}" in (mount / (target + ".meta")).read_text()
    assert 'of = "p"' in (mount / (target + ".meta")).read_text()
    assert os.lstat(mount / (target + ".meta")).st_ino != os.lstat(mount / "p/x.meta").st_ino
    assert (mount / target).read_bytes() == X.tobytes()
    names = {entry.name: entry.inode() for entry in os.scandir((mount / target).parent)}
    assert names["second"] == two.st_ino
    assert names["second.meta"] == os.lstat(mount / (target + ".meta")).st_ino
    assert place.segments() == before
    with open(mount / target, "r+b") as file:
        file.write(b"seen!")
    assert (mount / "p/x").read_bytes()[:5] == b"seen!"
    mount.stop()
    project, *path = target.split("/")
    assert place.manifest(project).at(*path)["shm_name"] == place.manifest("p").at("x")["shm_name"]
    place.assert_consistent()


@pytest.mark.parametrize("target", ["p/second", "q/second"])
def test_only_the_sidecar_of_the_first_name_has_the_next_number(mount, place, projects, target):
    """rm sorts by number, and an array has one sidecar after it; those of other names have the top bit."""
    link(mount / "p/x", mount / target)
    numbers = [os.lstat(mount / f"{name}.meta").st_ino for name in ("p/x", target)]
    assert numbers[0] == os.lstat(mount / "p/x").st_ino + 1
    assert numbers[1] >> 63 == 1


@pytest.mark.parametrize("target", ["p/second", "q/second"])
@pytest.mark.parametrize("first", [True, False])
def test_memory_goes_with_the_last_name(mount, place, projects, target, first):
    segment = place.segment("p", "x")
    link(mount / "p/x", mount / target)
    names = ["p/x", target] if first else [target, "p/x"]
    os.unlink(mount / names[0])
    assert segment.exists()
    assert (mount / names[1]).read_bytes() == X.tobytes()
    mount.eventually(lambda: os.lstat(mount / names[1]).st_nlink == 1, "one name less")
    os.unlink(mount / names[1])
    assert not segment.exists()


def links(mount, name):
    return os.lstat(mount / name).st_nlink


def test_names_in_all_projects_are_counted(mount, place, projects):
    link(mount / "p/x", mount / "q/second")
    link(mount / "q/second", mount / "q/third")
    assert links(mount, "p/x") == links(mount, "q/third") == 3
    os.rename(mount / "q/third", mount / "p/third")
    mount.eventually(lambda: links(mount, "q/second") == links(mount, "p/third") == 3, "as many as before")
    os.rename(mount / "q", mount / "other")
    mount.eventually(lambda: links(mount, "p/x") == links(mount, "other/second") == 3, "as many as before")
    place.unlink("other").succeeded()
    mount.eventually(lambda: links(mount, "p/x") == 2, "those that are left")
    tools.silent("rm", "-r", "p", cwd=mount.path)
    assert place.segments() == set()


def test_names_in_projects_that_nobody_has_looked_at_are_counted(mount, place, projects):
    link(mount / "p/x", mount / "q/second")
    mount.stop()
    mount.start()
    mount.eventually(lambda: links(mount, "p/x") == 2, "the other name")


@pytest.fixture
def other(mount, place, access):
    """Another daemon on the same registry."""
    second = mounting.beside(place, access)
    try:
        yield second.start()
        second.stop()
    finally:
        second.finish()


def test_names_made_through_another_mount_are_counted(mount, place, projects, other):
    link(mount / "p/x", mount / "p/second")
    mount.eventually(lambda: links(other, "p/second") == 2, "a name in the project")
    link(other / "p/x", other / "q/second")
    mount.eventually(lambda: links(mount, "p/x") == links(other, "p/x") == 3, "a name in another")
    os.unlink(other / "q/second")
    mount.eventually(lambda: links(mount, "p/x") == links(other, "p/x") == 2, "one less")


RESIZED = {
    "truncated": (lambda path: os.truncate(path, 24), [3]),
    "lengthened": (lambda path: os.truncate(path, 80), [10]),
    "appended to": (lambda path: tools.shell(f"printf 12345678 >> {path}", "/"), [7]),
    "rewritten": (lambda path: path.write_bytes(bytes(16)), [2]),
    "emptied": (lambda path: path.write_bytes(b""), [0]),
    "allocated": (lambda path: tools.silent("fallocate", "-l", "64", path), [8]),
}


@pytest.mark.parametrize("looks", [(), ("p", "q"), ("q", "p")])
@pytest.mark.parametrize("how", RESIZED)
def test_a_new_size_is_followed_in_all_projects(mount, place, how, looks):
    """Whatever name was looked at last."""
    if mount.symlinks:
        pytest.skip("links: raw files are not resized")
    change, shape = RESIZED[how]
    place.load("p", h5.simple(place.files / "p.h5", x=np.arange(6))).succeeded()
    (mount / "q").mkdir()
    link(mount / "p/x", mount / "q/second")
    for project in looks:
        tools.silent("ls", "-l", mount / project)
    change(mount / "p/x")
    for name in ("p/x", "q/second"):
        mount.eventually(lambda name=name: is_whole(mount / name, shape), "the new shape")
        assert os.path.basename(name) in os.listdir((mount / name).parent)
        assert os.stat(mount / name).st_size == 8 * shape[0]
    mount.eventually(lambda: place.manifest("q").at("second")["shape"] == shape, "the manifest")
    tools.silent("rm", "-r", "p", "q", cwd=mount.path)
    assert place.segments() == set()


@pytest.mark.parametrize("how", ["truncated", "rewritten"])
def test_a_held_lock_is_waited_for_once_however_many_projects_there_are(mount, place, how):
    if mount.symlinks:
        pytest.skip("links: raw files are not resized")
    change, _ = RESIZED[how]
    place.load("p", h5.simple(place.files / "p.h5", x=np.arange(6))).succeeded()
    for project in ("q", "r", "s"):
        (mount / project).mkdir()
        link(mount / "p/x", mount / project / "x")
    with open(place.registry / ".lock", "a+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert error_of(change, mount / "p/x") == "ETIMEDOUT"
    for project in "pqrs":
        mount.eventually(lambda name=mount / project / "x": is_whole(name, [6]), "what it was")
    assert np.array_equal(np.fromfile(mount / "s/x", "i8"), np.arange(6))


def is_whole(path, shape):
    """Of an emptied array there is a rest until the kernel has told of the last close."""
    said = sidecar(path)
    return said["shape"] == shape and not {"rest", "state"} & set(said)


def sidecar(path):
    return tomllib.loads(path.with_name(path.name + ".meta").read_text())["array"]


def test_a_sidecar_does_not_cut_a_link_to_another_project(mount, place):
    """Data of another size in a segment of its own would be here only."""
    (mount / "p").mkdir()
    (mount / "q").mkdir()
    (mount / "p/x.meta").write_text('[array]\ndtype = "int64"\nshape = [2]\n')
    mount.eventually(lambda: os.path.lexists(mount / "p/x"), "the array")
    link(mount / "p/x", mount / "q/second")
    with pytest.raises(OSError) as caught:
        (mount / "p/x.meta").write_text('[array]\ndtype = "int64"\nshape = [5]\n')
    assert caught.value.errno == errno.EINVAL
    assert "other projects" in (mount / "p/x.meta").read_text()
    assert len(place.segments()) == 1


def test_fstat_of_a_removed_name_counts_the_others(mount, place, projects):
    if mount.symlinks:
        pytest.skip("a link leads to the segment itself")
    link(mount / "p/x", mount / "q/second")
    with open(mount / "p/x", "rb") as file:
        os.unlink(mount / "p/x")
        mount.eventually(lambda: os.fstat(file.fileno()).st_nlink == 1, "the other name")
        os.unlink(mount / "q/second")
        mount.eventually(lambda: os.fstat(file.fileno()).st_nlink == 0, "no name")


def test_a_link_by_ln_and_rm_of_a_project_keeps_the_other(mount, place, projects):
    tools.silent("ln", "p/x", "q/second", cwd=mount.path)
    tools.silent("rm", "-r", "p", cwd=mount.path)
    assert (mount / "q/second").read_bytes() == X.tobytes()
    tools.silent("rm", "-r", "q", cwd=mount.path)
    place.assert_nothing_published()


REFUSED = [
    ("p/x", "p/y", "EEXIST"),
    ("p/x", "q/y", "EEXIST"),
    ("p/x", "p/g", "EEXIST"),
    ("p/g", "p/h", "EPERM"),
    ("p", "q/h", "EPERM"),
    ("p/x.meta", "p/other", "EPERM"),
    ("p/x", "new", "EPERM"),
    ("p/x", "p/new.meta", "EINVAL"),
    ("p/x", "p/new.npy", "EINVAL"),
    ("p/x", "p/" + "n" * 251, "ENAMETOOLONG"),
    ("p/x", "p/\udcff", "EILSEQ"),
    ("p/nothing", "p/new", "ENOENT"),
]


@pytest.mark.parametrize("source,target,wanted", REFUSED)
def test_links_that_cannot_be_are_refused(mount, projects, source, target, wanted):
    assert error_of(link, mount / source, mount / target) == wanted


def test_a_link_renamed_onto_its_other_name_does_nothing(mount, place, projects):
    """As rename(2) has it."""
    link(mount / "p/x", mount / "p/second")
    os.rename(mount / "p/x", mount / "p/second")
    assert (mount / "p/x").exists() and (mount / "p/second").exists()


def test_a_linked_name_moves_like_any_other(mount, place, projects):
    link(mount / "p/x", mount / "p/second")
    os.rename(mount / "p/second", mount / "q/third")
    assert os.lstat(mount / "q/third").st_ino == os.lstat(mount / "p/x").st_ino
    assert (mount / "q/third").read_bytes() == (mount / "p/x").read_bytes() == X.tobytes()
    place.assert_consistent()


@pytest.mark.parametrize("target", ["p/second", "q/second"])
def test_a_link_takes_over_the_sidecar_that_waits_for_it(mount, place, projects, target):
    text = (mount / "p/x.meta").read_text().replace('of = "p"', 'of = "waiting"')
    (mount / (target + ".meta")).write_text(text)
    assert 'state = "waiting"' in (mount / (target + ".meta")).read_text()
    link(mount / "p/x", mount / target)
    document = (mount / (target + ".meta")).read_text()
    assert 'of = "waiting"' in document and "state" not in document
    assert os.lstat(mount / target).st_ino == os.lstat(mount / "p/x").st_ino
    assert 'of = "p"' in (mount / "p/x.meta").read_text()


def test_who_links_may_then_create_the_sidecar_exclusively(mount, projects):
    link(mount / "p/x", mount / "p/second")
    assert 'of = "p"' in (mount / "p/second.meta").read_text()
    with pytest.raises(FileExistsError):
        open(mount / "p/y.meta", "x")
    if not mount.access.as_root:
        pytest.skip("a user's daemon may not see what this process, which was root's, is doing")
    link(mount / "p/x", mount / "p/third")
    with open(mount / "p/third.meta", "x") as file:
        file.write("[attrs]\nof = 1\n")
    assert "of = 1" in (mount / "p/third.meta").read_text()
    with pytest.raises(FileExistsError):
        open(mount / "p/third.meta", "x")
