# SPDX-License-Identifier: MIT
"""cute-shm 1.2 and we read, list and remove each other's projects."""

import json
import os

import numpy as np
import pytest

from support import h5, tools
from support.place import map_array

ODD_KEYS = [
    "with space",
    "a.b",
    "a/b",
    "",
    "grün",
    '"quoted"',
    "back\\slash",
    "tab\t",
    "new\nline",
    "x.meta",
    "[x]",
    "100%",
    "日本",
]


def arrays_of(description, path=()):
    if description["leaf"]:
        return {path: description}
    found = {}
    for key, child in description["children"].items():
        found.update(arrays_of(child, path + (key,)))
    return found


def matches(description, array):
    there = (description["dtype"], description["shape"], description["bytes"])
    return there == (str(array.dtype), list(array.shape), array.tobytes().hex())


# --- we write, it reads -----------------------------------------------------------------------------------------------


def test_it_reads_values_nesting_and_attributes_that_we_loaded(place, peer, prefix):
    file = h5.sample(place.files / "sample.h5")
    place.load(prefix, file).succeeded()
    arrays = arrays_of(peer.read(prefix))
    assert set(arrays) == h5.SAMPLE_ARRAYS
    for path, description in arrays.items():
        assert matches(description, h5.read(file, *path)), path
    assert arrays["a",]["attrs"] == {"units": "m"}
    assert arrays["b", "b1"]["attrs"] == {"scale": [1.0, 2.5]}


@pytest.mark.parametrize("dtype", ["i1", ">i2", "u8", "f2", ">f4", "f8", "longdouble", "c8", ">c16", "?", "S5"])
def test_it_reads_every_dtype(place, peer, prefix, dtype):
    data = np.array([[1, 0, 2], [0, 3, 1]]).astype(dtype)
    place.load(prefix, h5.simple(place.files / "f.h5", x=data)).succeeded()
    (description,) = arrays_of(peer.read(prefix)).values()
    assert np.dtype(description["dtype"]) == data.dtype
    assert description["bytes"] == data.tobytes().hex()


def test_it_reads_scalars_empty_arrays_and_groups(place, peer, prefix):
    with h5.writing(place.files / "f.h5") as file:
        file["scalar"] = 2.5
        file["empty"] = np.zeros((0, 3))
        file.create_group("nothing").attrs["why"] = "because"
        file["table"] = np.zeros(2, [("a", "i4"), ("b", [("c", "f8")])])
    place.load(prefix, place.files / "f.h5").succeeded()
    read = peer.read(prefix)
    arrays = arrays_of(read)
    assert arrays["scalar",]["shape"] == []
    assert arrays["empty",]["shape"] == [0, 3]
    assert read["children"]["nothing"] == {"leaf": False, "children": {}}
    assert arrays["table", "b", "c"]["shape"] == [2]


def test_it_lists_what_we_loaded(place, peer, prefix):
    place.load(prefix, h5.sample(place.files / "f.h5")).succeeded()
    assert "b.b1" in peer.list()
    assert prefix in peer.list(short=True)
    assert "✗" not in peer.list(short=True)


def test_its_unlink_removes_ours_cleanly(place, peer, prefix, segments):
    place.load(prefix, h5.sample(place.files / "f.h5")).succeeded()
    assert len(segments()) == 4
    assert peer.call("unlink", prefix).stderr == ""
    assert segments() == []
    assert place.in_registry() <= {".lock"}


def test_it_reads_what_remains_after_rm_on_the_mount(place, peer, prefix, mount):
    place.load(prefix, h5.sample(place.files / "f.h5")).succeeded()
    mount.eventually((mount / prefix).is_dir, "the project")
    os.unlink(mount / prefix / "a")
    assert set(arrays_of(peer.read(prefix))) == h5.SAMPLE_ARRAYS - {("a",)}


def test_it_reads_odd_keys_that_we_loaded(place, peer, prefix):
    keys = [key for key in ODD_KEYS if key and "/" not in key]
    with h5.writing(place.files / "f.h5") as file:
        for number, key in enumerate(keys):
            file[key] = number
    place.load(prefix, place.files / "f.h5").succeeded()
    arrays = arrays_of(peer.read(prefix))
    assert {path[0]: int.from_bytes(bytes.fromhex(item["bytes"]), "little") for path, item in arrays.items()} == {
        key: number for number, key in enumerate(keys)
    }


# --- it writes, we read -----------------------------------------------------------------------------------------------

ARRAYS = {
    ("a",): np.arange(12).reshape(3, 4),
    ("g", "b"): np.linspace(0, 1, 7, dtype=">f4"),
    ("g", "deep", "flags"): np.array([True, False]),
    ("complex",): np.array([1 + 2j, 3]),
    ("text",): np.array([b"ab", b"cde"]),
    ("unicode",): np.array(["grün", "x"]),
    ("when",): np.array(["2020-01-01", "NaT"], "M8[ns]"),
    ("span",): np.array([1, 2], "m8[s]"),
    ("raw",): np.zeros(3, "V5"),
    ("long",): np.array([1, 2], "longdouble") / 3,
    ("half",): np.array([0.5], "f2"),
}


def write(place, peer, project, arrays):
    file = place.files / "arrays.npz"
    numbered = {str(number): array for number, array in enumerate(arrays.values())}
    np.savez(file, paths=json.dumps(list(arrays)), **numbered)
    peer.call("write", project, file)


@pytest.fixture
def written(place, peer, prefix):
    place.registry.mkdir()
    write(place, peer, prefix, ARRAYS)
    return prefix


def test_we_list_what_it_wrote(place, written):
    (project,) = json.loads(place.list("--json").silent().out)["projects"]
    assert project["name"] == written
    assert project["integrity"] == "ok"
    listed = {tuple(item["keys"]): item for item in project["arrays"]}
    assert set(listed) == set(ARRAYS)
    for path, array in ARRAYS.items():
        there = listed[path]
        assert (there["dtype"], there["shape"], there["bytes"]) == (str(array.dtype), list(array.shape), array.nbytes)


def test_we_mount_and_map_what_it_wrote(place, written, mount):
    for path, array in ARRAYS.items():
        mapped = map_array(mount / written / "/".join(path), array.dtype, array.shape)
        assert mapped.tobytes() == array.tobytes(), path
    there = place.manifest(written).at("g", "b")
    assert f"dtype = \"{there['dtype']}\"" in (mount / written / "g/b.meta").read_text()


def test_it_sees_what_we_store_through_the_mount(place, peer, written, mount):
    map_array(mount / written / "a", "i8", (3, 4), "r+")[2, 3] = 4711
    (stored,) = [item for path, item in arrays_of(peer.read(written)).items() if path == ("a",)]
    assert np.frombuffer(bytes.fromhex(stored["bytes"]), "i8")[-1] == 4711


def test_we_unlink_what_it_wrote(place, written, segments):
    place.unlink(written).silent()
    assert segments() == []
    assert place.projects() == set()


def test_rm_r_removes_what_it_wrote(place, written, mount, segments):
    tools.silent("rm", "-r", written, cwd=mount.path)
    assert segments() == []
    assert place.projects() == set()


def test_removing_one_array_of_what_it_wrote_leaves_it_readable_for_it(place, peer, written, mount):
    os.unlink(mount / written / "g/b")
    assert set(arrays_of(peer.read(written))) == set(ARRAYS) - {("g", "b")}


def test_overwriting_what_it_wrote(place, written, segments):
    place.load(written, h5.sample(place.files / "f.h5"), "-o").succeeded()
    assert len(segments()) == 4


def test_odd_keys_that_it_wrote(place, peer, prefix, mount):
    place.registry.mkdir(exist_ok=True)
    arrays = {(key,): np.full(3, number) for number, key in enumerate(ODD_KEYS)}
    write(place, peer, prefix, arrays)
    mount.eventually((mount / prefix).is_dir, "the project")
    (project,) = json.loads(place.list("--json").silent().out)["projects"]
    assert {tuple(item["keys"]) for item in project["arrays"]} == set(arrays)
    names = [name for name in os.listdir(mount / prefix) if not name.endswith(".meta")]
    assert len(names) == len(arrays)
    tools.silent("rm", "-r", prefix, cwd=mount.path)


def test_what_it_loads_we_mount(place, peer, prefix, mount):
    file = h5.simple(place.files / "f.h5", x=np.arange(5), y=np.ones((2, 2), "f4"))
    place.registry.mkdir(exist_ok=True)
    peer.call("load", prefix, file)
    mount.eventually((mount / prefix).is_dir, "the project")
    assert np.array_equal(np.fromfile(mount / prefix / "x", "i8"), np.arange(5))


def test_what_it_wrote_while_mounted_appears(place, peer, prefix, mount):
    place.registry.mkdir(exist_ok=True)
    write(place, peer, prefix, {("x",): np.arange(3)})
    mount.eventually((mount / prefix / "x").exists, "the array")
    peer.call("unlink", prefix)
    mount.eventually(lambda: not (mount / prefix).exists(), "its end")
