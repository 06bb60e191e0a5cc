# SPDX-License-Identifier: MIT
"""A manifest is obeyed only as far as its owner's rights go, and never outside the shared memory directory."""

import json
import os

import numpy as np
import pytest

from support import h5, toml_text, users


@pytest.fixture
def victim(place):
    """A file that nobody may touch."""
    path = place.base / "victim"
    path.write_bytes(b"precious" * 100)
    path.chmod(0o600)
    yield path
    assert path.read_bytes() == b"precious" * 100


def publish_leaf(place, project, shm_name, **more):
    leaf = {
        "shm_name": shm_name,
        "shm_private_name": "/" + shm_name,
        "shape": [8],
        "dtype": "uint8",
        "attrs": {},
        **more,
    }
    place.write_manifest(project, toml_text.document({"x": leaf}))


def state(place, project):
    projects = json.loads(place.list("--json", project).out)["projects"]
    return [item["state"] for item in projects[0]["arrays"]]


def names_of(victim, place):
    relative = os.path.relpath(victim, place.shm)
    return [relative, str(victim), "..", ".", "", "/", "a/b", "cute-shm.p/../../x", "victim", "cute-shm.p.short",
            "cute-shm.p.elevenchars", "cute-shm.p.AAAA-AAAAA"]  # fmt: skip


def test_names_of_another_form_are_broken_and_never_unlinked(place, victim):
    (place.shm / "victim").write_bytes(b"not ours, though beside ours")
    place.foreign.add("victim")
    for name in names_of(victim, place):
        publish_leaf(place, "p", name)
        assert state(place, "p") == ["broken"], name
        place.unlink("p").succeeded()
        assert place.projects() == set()
    assert (place.shm / "victim").exists()


def test_a_symbolic_link_as_segment_is_not_followed_and_not_removed(place, victim):
    name = "cute-shm.p.AAAAAAAAAA"
    (place.shm / name).symlink_to(victim)
    place.foreign.add(name)
    publish_leaf(place, "p", name)
    assert state(place, "p") == ["broken"]
    place.unlink("p").succeeded()
    assert (place.shm / name).is_symlink()


@pytest.mark.parametrize("kind", ["fifo", "directory"])
def test_a_segment_that_is_no_file_is_broken_and_not_removed(place, kind):
    name = "cute-shm.p.AAAAAAAAAA"
    os.mkfifo(place.shm / name) if kind == "fifo" else (place.shm / name).mkdir()
    place.foreign.add(name)
    publish_leaf(place, "p", name)
    assert state(place, "p") == ["broken"]
    place.unlink("p").succeeded()
    assert (place.shm / name).exists()


def test_a_symbolic_link_as_manifest_is_not_followed(place, victim):
    """Neither what it points at nor the memory named there is touched."""
    tree = place.lay_out("q", {"x": np.arange(3)})
    elsewhere = place.base / "elsewhere.toml"
    elsewhere.write_text(toml_text.document(tree))
    place.registry.mkdir()
    place.manifest_path("q").symlink_to(elsewhere)
    assert tree["x"]["shm_name"] not in place.list().out
    place.unlink("q")
    assert elsewhere.exists()
    assert place.segments() == {tree["x"]["shm_name"]}
    place.manifest_path("q").unlink(missing_ok=True)
    (place.shm / tree["x"]["shm_name"]).unlink()


@pytest.mark.parametrize("kind", ["fifo", "directory"])
def test_a_manifest_that_is_no_file_blocks_nobody(place, kind):
    file = h5.simple(place.files / "f.h5", x=[1])
    place.load("good", file).succeeded()
    at = place.manifest_path("odd")
    os.mkfifo(at) if kind == "fifo" else at.mkdir()
    assert "good" in place.list(timeout=20).out
    assert place.unlink("odd", timeout=20).status == 1
    at.unlink() if kind == "fifo" else at.rmdir()


@pytest.mark.parametrize("kind", ["link", "fifo", "directory"])
def test_a_lock_that_is_no_file_harms_nobody(place, victim, kind):
    file = h5.simple(place.files / "f.h5", x=[1])
    place.load("p", file).succeeded()
    lock = place.registry / ".lock"
    lock.unlink()
    {"link": lambda: lock.symlink_to(victim), "fifo": lambda: os.mkfifo(lock), "directory": lock.mkdir}[kind]()
    place.unlink("p", timeout=20).failed()
    lock.rmdir() if kind == "directory" else lock.unlink()


def test_a_pending_file_may_name_only_what_it_could_name_itself(place, victim):
    """One that a dead writer left, by the look of it: names of other forms and published segments stay."""
    file = h5.simple(place.files / "f.h5", x=[1])
    place.load("p", file).succeeded()
    published = next(iter(place.segments()))
    orphan = place.new_segment("gone", b"left by a dead loader")
    lines = [orphan, published, os.path.relpath(victim, place.shm), str(victim), "victim", ".."]
    (place.shm / "victim").write_bytes(b"x")
    place.foreign.add("victim")
    place.write_file(place.registry / ".pending.12345", "\n".join(lines).encode() + b"\n")
    place.load("next", file).succeeded()
    assert (place.shm / "victim").exists()
    assert published in place.segments()
    assert orphan not in place.segments()
    assert not [name for name in place.in_registry() if name.startswith(".pending")]


@pytest.fixture
def shared(place):
    """A registry for everybody, and root to make things in others' names."""
    if not users.is_root():
        pytest.skip("needs root")
    place.load("seed", h5.simple(place.files / "seed.h5", x=[1])).succeeded()
    return place


def test_a_manifest_of_one_user_cannot_name_the_memory_of_another(shared):
    foreign = shared.segment("seed", "x")
    publish_leaf(shared, "evil", foreign.name)
    os.chown(shared.manifest_path("evil"), users.STRANGER, users.STRANGER)
    assert state(shared, "evil") == ["broken"]
    shared.unlink("evil").succeeded()
    assert foreign.exists()


def test_a_pending_file_of_one_user_cannot_remove_the_memory_of_another(shared):
    orphan = shared.new_segment("gone", b"root's")
    pending = shared.registry / ".pending.12345"
    shared.write_file(pending, orphan.encode() + b"\n")
    os.chown(pending, users.STRANGER, users.STRANGER)
    shared.load("next", shared.files / "seed.h5").succeeded()
    assert orphan in shared.segments()
    (shared.shm / orphan).unlink()
    pending.unlink(missing_ok=True)


def test_a_user_cannot_unlink_or_replace_the_project_of_another(shared):
    before = shared.segments()
    shared.unlink("seed", identity=users.stranger).failed()
    file = shared.files / "seed.h5"
    shared.load("seed", file, "-o", identity=users.stranger).failed()
    assert shared.projects() == {"seed"}
    assert shared.segments() == before


def test_users_share_one_registry(shared):
    file = shared.files / "seed.h5"
    shared.load("hers", file, identity=users.stranger).succeeded()
    shared.load("his", file, identity=users.other_stranger).succeeded()
    assert shared.segment("hers", "x").stat().st_uid == users.STRANGER
    shared.unlink("hers", identity=users.stranger).succeeded()
    assert shared.projects() == {"seed", "his"}
    shared.assert_consistent()


def test_deeply_nested_manifests_harm_nobody(place):
    """One header of 50,000 parts overflows the stack of a careless parser."""
    place.load("good", h5.simple(place.files / "f.h5", x=[1])).succeeded()
    texts = {
        "header": "[" + ".".join(["a"] * 50_000) + "]\n",
        "arrays": "x = " + "[" * 50_000 + "]" * 50_000 + "\n",
        "tables": "x = " + "{a=" * 50_000 + "1" + "}" * 50_000 + "\n",
        "binary": bytes(range(256)) * 100,
    }
    for name, text in texts.items():
        place.damage(name, text.encode() if isinstance(text, str) else text)
    result = place.list("-s")
    assert "good" in result.out
    assert result.status in (0, 1)
    place.unlink(*texts).succeeded()
