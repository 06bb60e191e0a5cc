# SPDX-License-Identifier: MIT
"""What others do to registry and memory is seen on the next look."""

import os

import numpy as np
import pytest

from support import h5, mounting


def test_a_new_project_appears(mount, place):
    assert not (mount / "p").exists()
    place.load("p", h5.sample(place.files / "f.h5")).succeeded()
    mount.eventually(lambda: "p" in os.listdir(mount.path), "the project in the listing")
    mount.eventually((mount / "p/b/b1").exists, "the array")


def test_a_project_made_before_the_registry_existed_appears(unstarted, place):
    """A daemon may start first, on a machine where nothing was ever loaded."""
    unstarted.start()
    assert os.listdir(unstarted.path) == []
    place.load("p", h5.sample(place.files / "f.h5")).succeeded()
    unstarted.eventually((unstarted / "p/a").exists, "the array")


def test_an_unlinked_project_vanishes(mount, place, sample):
    assert (mount / "p/a").read_bytes()
    place.unlink("p").succeeded()
    mount.eventually(lambda: "p" not in os.listdir(mount.path), "the project leaving the listing")
    mount.eventually(lambda: not (mount / "p/a").exists(), "the array leaving")


def test_an_overwritten_project_shows_the_new_values(mount, place, sample):
    assert np.fromfile(mount / "p/a", "i8")[5] == 5
    place.load("p", h5.simple(place.files / "new.h5", a=np.arange(7) * 3, fresh=np.ones(2)), "-o").succeeded()
    mount.eventually(lambda: (mount / "p/fresh").exists(), "the new array")
    mount.eventually(lambda: not (mount / "p/b").exists(), "the old group leaving")
    assert np.array_equal(np.fromfile(mount / "p/a", "i8"), np.arange(7) * 3)
    assert (mount / "p/a").stat().st_size == 56
    assert set(os.listdir(mount / "p")) == {".meta", "a", "a.meta", "fresh", "fresh.meta"}


def test_an_open_never_gets_replaced_data(mount, place):
    """From the moment a load returns, an open gives the new values; a symbolic link may lead nowhere for a moment."""
    for number in range(10):
        file = h5.simple(place.files / f"{number}.h5", x=np.full(1000 + number, number))
        place.load("p", file, "-o").succeeded()
        if mount.symlinks or number == 0:
            mount.eventually(lambda n=number: all_are(mount / "p/x", n), f"load {number}")
        else:
            assert all_are(mount / "p/x", number)


def all_are(path, wanted):
    """False while there is nothing; old values are an error."""
    try:
        values = np.fromfile(path, "i8")
    except FileNotFoundError:
        return False
    assert np.array_equal(values, np.full(1000 + wanted, wanted))
    return True


def test_an_open_never_gets_removed_data(mount, place, sample):
    """However recently it was looked at."""
    for path in ("p/a", "p/a.meta"):
        (mount / path).read_bytes()
    place.unlink("p").succeeded()
    for path in ("p/a", "p/a.meta"):
        with pytest.raises(FileNotFoundError):
            open(mount / path, "rb")


def test_an_open_file_keeps_the_old_and_a_new_one_gets_the_new(mount, place, sample):
    with open(mount / "p/a", "rb") as old:
        place.load("p", h5.simple(place.files / "new.h5", a=np.zeros(12, "i8")), "-o").succeeded()
        mount.eventually(lambda: (mount / "p/a").read_bytes() == bytes(96), "the new values")
        assert old.read() == np.arange(12).tobytes()


def test_a_project_written_by_hand_appears(mount, place):
    """As the peer writes it, without extension document."""
    place.publish("hand", {"x": np.arange(3, dtype="i2"), "g": {"y": np.ones((2, 2)), "empty": {}}})
    mount.eventually((mount / "hand").is_dir, "the project")
    assert np.array_equal(np.fromfile(mount / "hand/x", "i2"), [0, 1, 2])
    assert set(os.listdir(mount / "hand/g")) == {"y", "y.meta", "empty"}
    assert os.listdir(mount / "hand/g/empty") == []


def test_a_half_written_manifest_is_waited_for(mount, place):
    tree_text = place.publish("hand", {"x": np.arange(3)}) and place.manifest_path("hand").read_text()
    path = place.manifest_path("hand")
    path.unlink()
    mount.eventually(lambda: not (mount / "hand").exists(), "the project leaving")
    with open(path, "w", encoding="utf-8") as manifest:
        manifest.write(tree_text[: len(tree_text) // 2])
        manifest.flush()
        assert not (mount / "hand/x").exists()
        manifest.write(tree_text[len(tree_text) // 2 :])
    mount.eventually((mount / "hand/x").exists, "the array")


def test_a_manifest_removed_by_hand_takes_its_project_away(mount, place, sample):
    assert (mount / "p/a").exists()
    segments = place.segments()
    place.manifest_path("p").unlink()
    mount.eventually(lambda: not (mount / "p").exists(), "the project leaving")
    for name in segments:
        (place.shm / name).unlink()


def test_a_segment_removed_by_hand_is_an_array_missing(mount, place, sample):
    assert (mount / "p/a").exists()
    place.segment("p", "a").unlink()
    mount.eventually(lambda: not (mount / "p/a").exists(), "the array leaving")
    mount.eventually(lambda: 'state = "missing"' in (mount / "p/a.meta").read_text(), "its state")
    assert (mount / "p/one").exists()


def test_what_a_dead_writer_wrote_down_goes_but_what_a_manifest_names(mount, place, sample):
    """A running daemon sees the list closed, and nobody else need come."""
    left, named = place.new_segment("gone", b"left by a dead loader"), place.segment("p", "a")
    pending = place.registry / ".pending.12345"
    place.write_file(pending, f"{left}\n{named.name}\n".encode())
    mount.eventually(lambda: not (place.shm / left).exists(), "the end of what was left")
    mount.eventually(lambda: not pending.exists(), "the end of the list")
    assert (mount / "p/a").read_bytes() == np.arange(12).tobytes()
    assert named.exists()


def test_two_mounts_of_one_registry_agree(mount, place, sample, access):
    second_place = mounting.Place(access.identity)
    second = mounting.Mount(second_place, access)
    second.place.registry, second.place.shm, own_shm = place.registry, place.shm, second.place.shm
    try:
        second.start()
        assert (second / "p/a").read_bytes() == (mount / "p/a").read_bytes()
        os.unlink(second / "p/a")
        mount.eventually(lambda: not (mount / "p/a").exists(), "the array leaving the other mount")
        second.stop()
    finally:
        second.finish()
        second_place.shm = own_shm
        second_place.finish(strict=False)


def test_projects_that_come_and_go_leave_no_trace(mount, place):
    count = 12
    file = h5.sample(place.files / "f.h5")
    for number in range(count):
        place.load(f"p{number}", file).succeeded()
    mount.eventually(lambda: len(os.listdir(mount.path)) == count, "all projects")
    place.unlink(*(f"p{number}" for number in range(count))).succeeded()
    mount.eventually(lambda: os.listdir(mount.path) == [], "an empty mount")
