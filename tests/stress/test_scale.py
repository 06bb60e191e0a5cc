# SPDX-License-Identifier: MIT
"""A hundred thousand arrays in one project, ten thousand projects: everything ends well and shows all. No timings here."""

import os
import random
import time

import pytest
from support import mounting, programs, tools
from test_stress import best_access

ARRAYS, PROJECTS = (5_000, 1_000) if programs.are_sanitized() else (100_000, 10_000)
FEW = PROJECTS // 50
LOOKS = 2_000  # opens, in a random order
PATIENCE = 60  # seconds that a removal of everything may be expected to take; more is not waited for
LONGEST = 600


@pytest.fixture
def access():
    with mounting.fuse_for_everybody():
        yield best_access()


@pytest.fixture
def mount(place, access):
    made = mounting.Mount(place, access, longest=LONGEST)
    try:
        yield made.start()
        made.stop()
    finally:
        made.finish()


def publish(place, project, count):
    """As somebody else's program would, without the loader: arrays of one word, their own number."""
    place.registry.mkdir(exist_ok=True)
    names = [f"{number:06d}" for number in range(count)]
    folder = os.open(place.shm, os.O_RDONLY)
    for number, name in enumerate(names):
        fd = os.open(segment_of(project, number), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=folder)
        os.write(fd, number.to_bytes(8, "little"))
        os.close(fd)
    os.close(folder)
    text = "".join(leaf(name, segment_of(project, number)) for number, name in enumerate(names))
    temporary = place.registry / "made-whole"
    temporary.write_text(text, encoding="ascii")
    temporary.chmod(0o600)
    temporary.rename(place.manifest_path(project))
    return names


def segment_of(project, number):
    return f"cute-shm.{project}.{number:010d}"


def leaf(name, segment):
    return f'["{name}"]\nshm_name = "{segment}"\nshm_private_name = "/{segment}"\nshape = [1]\ndtype = "int64"\n["{name}".attrs]\n'


def check_opens(paths_and_numbers):
    chance = random.Random(5)
    for path, number in chance.sample(paths_and_numbers, min(LOOKS, len(paths_and_numbers))):
        with open(path, "rb", buffering=0) as file:
            assert int.from_bytes(file.read(), "little") == number


@pytest.fixture
def large(mount, place):
    """The project with many arrays, and their names."""
    names = publish(place, "large", ARRAYS)
    mount.eventually((mount / "large").is_dir, "the project")
    return names


def test_a_project_of_many_arrays_is_listed_looked_at_and_opened(mount, place, large):
    listed = os.listdir(mount / "large")
    assert len(listed) == len(set(listed))
    assert set(large) <= set(listed) <= {*large, *(f"{name}.meta" for name in large), ".meta"}
    for entry in os.scandir(mount / "large"):
        assert entry.name.endswith(".meta") or entry.stat().st_size == 8
    check_opens([(mount / "large" / name, number) for number, name in enumerate(large)])
    assert str(ARRAYS) in place.list("-s").succeeded().out.replace(",", "")


def test_single_arrays_of_many_are_removed(mount, place, large):
    gone = large[:: ARRAYS // 10]
    for name in gone:
        os.unlink(mount / "large" / name)
    listed = set(os.listdir(mount / "large"))
    assert not listed & {*gone, *(f"{name}.meta" for name in gone)}
    assert set(large) - set(gone) <= listed
    assert len(place.segments()) == ARRAYS - len(gone)
    place.unlink("large").succeeded()
    place.assert_nothing_published()
    mount.eventually(lambda: not (mount / "large").exists(), "the project leaving")


def test_rm_r_of_a_project_of_many_arrays(mount, place, large):
    start = time.monotonic()
    for name in large[:5]:
        os.unlink(mount / "large" / name)
    seconds = (time.monotonic() - start) / 5 * ARRAYS
    if seconds > PATIENCE:
        pytest.skip(f"it would take {seconds:.0f} s here")
    done = tools.run("rm", "-r", "large", cwd=mount.path, timeout=LONGEST)
    assert (done.returncode, done.stderr) == (0, b"")
    mount.eventually(lambda: os.listdir(mount.path) == [], "an empty mount")
    place.assert_nothing_published()


def test_many_projects_are_listed_opened_and_removed(mount, place):
    names = [f"p{number:05d}" for number in range(PROJECTS)]
    for name in names:
        publish(place, name, 1)
    mount.eventually(lambda: len(os.listdir(mount.path)) == PROJECTS, "all projects")
    assert sorted(os.listdir(mount.path)) == names
    tools.silent("ls", "-l", cwd=mount.path)
    check_opens([(mount / name / "000000", 0) for name in names])
    assert len(tools.silent("find", ".", "-name", "000000", cwd=mount.path).split()) == PROJECTS
    some, more, rest = names[:FEW], names[FEW : 2 * FEW], names[2 * FEW :]
    tools.silent("rm", "-r", *some, cwd=mount.path)
    place.unlink(*more).succeeded()
    mount.eventually(lambda: sorted(os.listdir(mount.path)) == rest, "the others")
    for name in rest:
        place.manifest_path(name).unlink()
        (place.shm / segment_of(name, 0)).unlink()
    mount.eventually(lambda: os.listdir(mount.path) == [], "an empty mount")
    place.assert_nothing_published()
