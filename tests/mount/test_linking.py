# SPDX-License-Identifier: MIT
"""link: a second name for the same segment, across projects too."""

import errno
import os

import numpy as np
import pytest

from support import h5, tools

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
    if target.startswith("p/"):
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
@pytest.mark.parametrize("first", [True, False])
def test_memory_goes_with_the_last_name(mount, place, projects, target, first):
    segment = place.segment("p", "x")
    link(mount / "p/x", mount / target)
    names = ["p/x", target] if first else [target, "p/x"]
    os.unlink(mount / names[0])
    assert segment.exists()
    assert (mount / names[1]).read_bytes() == X.tobytes()
    assert os.lstat(mount / names[1]).st_nlink == 1
    os.unlink(mount / names[1])
    assert not segment.exists()


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
