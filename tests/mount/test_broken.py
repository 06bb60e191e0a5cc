# SPDX-License-Identifier: MIT
"""Broken and missing arrays keep their sidecar, have no data file, and do not stop the rest of their project."""

import os
import tomllib

import numpy as np
import pytest

from support import h5, toml_text, tools
from support.waiting import wait_until


def no_segment(place, leaf):
    (place.shm / leaf["shm_name"]).unlink()


def foreign_name(place, leaf):
    (place.shm / leaf["shm_name"]).unlink()
    leaf["shm_name"] = "../" + leaf["shm_name"]


def link(place, leaf):
    name = leaf["shm_name"]
    (place.shm / name).unlink()
    victim = place.base / "victim"
    victim.write_bytes(bytes(24))
    (place.shm / name).symlink_to(victim)
    place.foreign.add(name)


def fifo(place, leaf):
    name = leaf["shm_name"]
    (place.shm / name).unlink()
    os.mkfifo(place.shm / name)
    place.foreign.add(name)


HARM = {
    "missing": (no_segment, "missing"),
    "object dtype": (lambda place, leaf: leaf.update(dtype="object"), "broken"),
    "nonsense dtype": (lambda place, leaf: leaf.update(dtype="int63"), "broken"),
    "too short": (lambda place, leaf: leaf.update(shape=[4]), "broken"),
    "negative shape": (lambda place, leaf: leaf.update(shape=[-3]), "broken"),
    "overflowing shape": (lambda place, leaf: leaf.update(shape=[2**62, 2**62]), "broken"),
    "shape of text": (lambda place, leaf: leaf.update(shape="3"), "broken"),
    "name outside": (foreign_name, "broken"),
    "symbolic link": (link, "broken"),
    "fifo": (fifo, "broken"),
}


def publish_harmed(mount, place, way):
    """A project with one array harmed in one way; returns what its state must be."""
    tree = place.lay_out("h", {"good": np.arange(3), "bad": np.arange(3), "last": np.arange(3)})
    harm, state = HARM[way]
    harm(place, tree["bad"])
    place.write_manifest("h", toml_text.document(tree))
    mount.eventually((mount / "h").is_dir, "the project")
    return state


@pytest.mark.parametrize("way", HARM)
def test_it_keeps_its_sidecar_has_no_data_and_disturbs_nobody(mount, place, way):
    state = publish_harmed(mount, place, way)
    array = tomllib.loads((mount / "h/bad.meta").read_text())["array"]
    assert array["state"] == state
    assert array["reason"].isprintable()
    assert {"good", "last", "bad.meta"} <= set(os.listdir(mount / "h"))
    assert "bad" not in os.listdir(mount / "h")
    with pytest.raises(FileNotFoundError):
        os.stat(mount / "h/bad", follow_symlinks=False)
    for name in ("good", "last"):
        assert np.array_equal(np.fromfile(mount / "h" / name, "i8"), np.arange(3))


@pytest.mark.parametrize("way", HARM)
def test_rm_r_cleans_up_and_touches_nothing_else(mount, place, way):
    publish_harmed(mount, place, way)
    foreign = {name: os.lstat(place.shm / name).st_ino for name in place.foreign}
    tools.silent("rm", "-r", "h", cwd=mount.path)
    place.assert_nothing_published()
    assert {name: os.lstat(place.shm / name).st_ino for name in place.foreign} == foreign


def test_a_project_damaged_from_the_start_says_so(mount, place):
    place.damage("d")
    mount.eventually((mount / "d").is_dir, "the project")
    group = tomllib.loads((mount / "d/.meta").read_text())["group"]
    assert group["state"] == "broken"
    tools.silent("rm", "-r", "d", cwd=mount.path)
    assert place.projects() == set()


def cut(place, project):
    """Half of its manifest, which does not parse, closed by its writer; returns the whole."""
    text = place.manifest_path(project).read_text()
    place.manifest_path(project).write_text(text[: text.index('["y"]') + 20])
    with pytest.raises(tomllib.TOMLDecodeError):
        place.manifest(project)
    return text


def shows_a_later_project(mount, place, name):
    """What happened before it has been seen then."""
    place.publish(name, {"x": np.arange(3)})
    mount.eventually((mount / name / "x").exists, name)


def test_a_good_manifest_of_which_half_is_written_anew_leaves_the_old_picture(mount, place):
    place.publish("p", {"x": np.arange(3), "y": np.arange(4)})
    mount.eventually((mount / "p/y").exists, "the project")
    whole = cut(place, "p")
    shows_a_later_project(mount, place, "q")
    assert_old_picture(mount)
    os.utime(place.manifest_path("p"), (1, 1))  # as if long ago
    shows_a_later_project(mount, place, "r")
    assert_old_picture(mount)
    place.manifest_path("p").write_text(whole.replace('"shape" = [4]', '"shape" = [2]'))
    mount.eventually(lambda: "shape = [2]" in (mount / "p/y.meta").read_text(), "the whole")


def assert_old_picture(mount):
    assert sorted(os.listdir(mount / "p")) == ["x", "x.meta", "y", "y.meta"]
    assert not (mount / "p/.meta").exists()
    assert "state" not in (mount / "p/y.meta").read_text()
    assert np.array_equal(np.fromfile(mount / "p/x", "i8"), np.arange(3))
    assert np.array_equal(np.fromfile(mount / "p/y", "i8"), np.arange(4))


def state_of_project(folder):
    return tomllib.loads((folder / ".meta").read_text())["group"].get("state")


def test_half_a_manifest_that_is_found_at_the_start_is_broken_until_it_is_whole(unstarted, place):
    place.publish("p", {"x": np.arange(3), "y": np.arange(4)})
    whole = cut(place, "p")
    os.utime(place.manifest_path("p"), (1, 1))
    unstarted.start()
    assert os.listdir(unstarted.path) == ["p"]
    assert os.listdir(unstarted / "p") == [".meta"]
    assert state_of_project(unstarted / "p") == "broken"
    place.manifest_path("p").write_text(whole)
    unstarted.eventually((unstarted / "p/y").exists, "the array")
    assert not (unstarted / "p/.meta").exists()
    unstarted.stop()


def test_half_a_manifest_of_a_new_project_that_is_never_finished_is_broken_in_the_end(mount, place):
    place.publish("p", {"x": np.arange(3), "y": np.arange(4)})
    text = place.manifest_path("p").read_text()
    place.manifest_path("q").write_text(text[: text.index('["y"]') + 20])
    wait_until(lambda: (mount / "q/.meta").exists(), "a project where there was none", 6.0)
    assert state_of_project(mount / "q") == "broken"
    assert os.listdir(mount / "q") == [".meta"]
    tools.silent("rm", "-r", "q", cwd=mount.path)


def test_a_damaged_project_goes_with_the_segments_of_its_name(mount, place):
    place.new_segment("d", b"lost")
    other = place.new_segment("d.x", b"not its own")
    place.damage("d")
    mount.eventually((mount / "d").is_dir, "the project")
    tools.silent("rm", "-r", "d", cwd=mount.path)
    assert place.segments() == {other}
    (place.shm / other).unlink()


def test_a_symbolic_link_as_manifest_is_no_project(mount, place):
    tree = place.lay_out("q", {"x": np.arange(3)})
    elsewhere = place.base / "elsewhere.toml"
    elsewhere.write_text(toml_text.document(tree))
    place.registry.mkdir(exist_ok=True)
    place.manifest_path("q").symlink_to(elsewhere)
    place.load("p", h5.sample(place.files / "f.h5")).succeeded()
    mount.eventually((mount / "p").is_dir, "the other project")
    assert not (mount / "q/x").exists()
    place.manifest_path("q").unlink()
    (place.shm / tree["x"]["shm_name"]).unlink()


def test_an_extension_document_that_does_not_parse_is_ignored(mount, place):
    place.publish("p", {"x": np.arange(3)}, extension="#~ [project\n#~ nonsense\n")
    mount.eventually((mount / "p/x").exists, "the array")
    assert np.array_equal(np.fromfile(mount / "p/x", "i8"), np.arange(3))
