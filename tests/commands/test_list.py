# SPDX-License-Identifier: MIT
"""cute-shm-list: what is there, for people and for programs."""

import json

import numpy as np
import pytest

from support import h5, toml_text


@pytest.fixture
def sample(place):
    file = h5.sample(place.files / "sample.h5")
    place.load("first", file).succeeded()
    return file


def listed(place, *words):
    return json.loads(place.list("--json", *words).silent().out)["projects"]


def line_with(text, word):
    found = [line for line in text.splitlines() if word in line]
    assert found, f"no line with {word!r} in:\n{text}"
    return found[0]


def test_without_any_project_it_succeeds(place):
    place.list().silent()
    assert listed(place) == []


def test_full_shows_path_shape_dtype_size_attributes_and_segment(place, sample):
    out = place.list().silent().out
    row = line_with(out, place.manifest("first").at("a")["shm_name"])
    for word in ("a", "[3, 4]", "int64", "96 bytes", "units"):
        assert word in row
    row = line_with(out, place.manifest("first").at("b", "b1")["shm_name"])
    for word in ("b", "b1", "[100]", "float32", "400 bytes", "scale"):
        assert word in row


def test_full_shows_every_project_and_its_manifest(place, sample):
    place.load("second", sample).succeeded()
    out = place.list().silent().out
    for project in ("first", "second"):
        assert str(place.manifest_path(project)) in out


def test_only_the_named_projects_are_shown(place, sample):
    place.load("second", sample).succeeded()
    out = place.list("second").silent().out
    assert "second" in out and "first" not in out


def test_a_named_project_that_is_missing_is_one_line_and_the_others_are_shown(place, sample):
    result = place.list("first", "nowhere")
    assert "nowhere" in result.failed()
    assert "first" in result.out


@pytest.mark.parametrize("option", ["-s", "--short", "-short"])
def test_short_has_one_line_per_project(place, sample, option):
    place.load("second", sample).succeeded()
    out = place.list(option).silent().out
    for project in ("first", "second"):
        assert sum(project in line for line in out.splitlines()) == 1
        row = line_with(out, project)
        assert str(place.manifest_path(project)) in row
        assert "4" in row.split()
    assert "b1" not in out


def test_missing_segments_are_marked(place, sample):
    healthy = place.list("-s").silent().out
    place.segment("first", "a").unlink()
    full = place.list().out
    assert "missing" in line_with(full, "[3, 4]").lower()
    assert "missing" not in line_with(full, "[100]").lower()
    assert line_with(place.list("-s").out, "first") != line_with(healthy, "first")
    assert listed(place)[0]["integrity"] == "missing"


def test_a_damaged_manifest_is_listed_as_such_and_hides_nobody(place, sample):
    place.damage("broken")
    out = place.list().out
    assert "damaged" in out.lower() and "first" in out
    assert "damaged" in line_with(place.list("-s").out, "broken").lower()
    assert {item["name"]: item["integrity"] for item in listed(place)} == {"broken": "damaged", "first": "ok"}
    place.unlink("broken").succeeded()


def test_a_half_written_manifest_is_not_there_yet(place, sample):
    """The peer writes in place."""
    place.write_manifest("young", b"[x\nthis is no TOML")
    assert [item["name"] for item in listed(place)] == ["first"]
    place.manifest_path("young").unlink()


def test_json_has_every_array_with_documented_keys(place, sample):
    (project,) = listed(place)
    assert project["name"] == "first"
    assert project["manifest"] == str(place.manifest_path("first"))
    assert (project["array_count"], project["integrity"]) == (4, "ok")
    arrays = {tuple(item["keys"]): item for item in project["arrays"]}
    assert set(arrays) == h5.SAMPLE_ARRAYS
    a = arrays["a",]
    assert (a["shape"], a["dtype"], a["bytes"], a["state"]) == ([3, 4], "int64", 96, "ok")
    assert a["segment"] == place.manifest("first").at("a")["shm_name"]
    assert a["attributes"] == {"units": "m"}
    assert sum(item["bytes"] for item in arrays.values()) == project["bytes"]


def test_json_is_json_for_any_name(place):
    keys = ["new\nline", "\x1b[31m", '"', "\\", "a/b", "", "grün", "\0"]
    place.publish("odd", {key: np.arange(3) for key in keys})
    (project,) = listed(place)
    assert [item["keys"] for item in project["arrays"]] == [[key] for key in keys]


def test_control_characters_in_names_do_not_reach_the_terminal(place):
    place.publish("odd", {"esc\x1b[31m": np.arange(3), "two\nlines": np.arange(3)})
    out = place.list().silent().out
    assert "\x1b" not in out
    assert "two\nlines" not in out


def test_broken_arrays_do_not_stop_the_list(place):
    tree = place.lay_out("p", {"good": np.arange(3), "object": np.arange(3), "short": np.arange(3)})
    tree["object"]["dtype"] = "object"
    tree["short"]["shape"] = [30]
    place.write_manifest("p", toml_text.document(tree))
    (project,) = listed(place)
    states = {item["keys"][0]: item["state"] for item in project["arrays"]}
    assert states == {"good": "ok", "object": "broken", "short": "broken"}
    assert all(item.get("reason") for item in project["arrays"] if item["state"] == "broken")


def test_what_is_no_manifest_is_not_listed(place, sample):
    for name in ("cute-shm.x.toml.bak", "notes.txt", "cute-shm.toml", ".cute-shm.y.toml", "cute-shm..toml"):
        (place.registry / name).write_text("")
    assert [item["name"] for item in listed(place)] == ["first"]
    for name in ("cute-shm.x.toml.bak", "notes.txt", "cute-shm.toml", ".cute-shm.y.toml", "cute-shm..toml"):
        (place.registry / name).unlink()


def test_listing_makes_no_registry(place):
    place.list().silent()
    assert not place.registry.exists()
