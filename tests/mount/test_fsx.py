# SPDX-License-Identifier: MIT
"""Ten thousand random operations on arrays: as on tmpfs, and at every close the sidecar tells the truth."""

import tomllib

import numpy as np
import pytest

from support import fsx, tools
from support.programs import are_sanitized

OPERATIONS = 400 if are_sanitized() else 2000
KINDS = {  # dtype, shape: the rest of the shape stays whatever the size
    "undeclared": None,
    "bytes": ("uint8", [10]),
    "rows": ("float64", [4, 3]),
    "odd rows": ("int16", [2, 7, 5]),
    "empty": ("int32", [0, 5]),
}


@pytest.fixture
def passthrough(mount):
    if mount.symlinks:
        pytest.skip("links lead to tmpfs itself")
    return mount


def document_of(path):
    sidecar = path.with_name(path.name + ".meta")
    return tomllib.loads(sidecar.read_text())["array"] if sidecar.exists() else None


def judge(mount, place, kind):
    """What sidecar and manifest say of a file of this size."""

    def check(size):
        leaf = place.manifest("p").at("x")
        segment = place.shm / leaf["shm_name"]
        mount.eventually(lambda: segment.stat().st_size == (size or 1), "the byte of an empty array")  # nobody waits for RELEASE
        if kind is None:
            assert leaf["declared"] is False
            assert (leaf["dtype"], leaf["shape"]) == ("uint8", [size])
            assert document_of(mount / "p/x") is None
            return
        dtype, shape = kind
        row = int(np.prod(shape[1:])) * np.dtype(dtype).itemsize
        expected = [size // row, *shape[1:]]
        document = document_of(mount / "p/x")
        assert (leaf["dtype"], leaf["shape"]) == (dtype, expected)
        assert (document["dtype"], document["shape"], document.get("rest", 0)) == (dtype, expected, size % row)
        assert "state" not in document

    return check


@pytest.mark.parametrize("kind", KINDS)
def test_random_operations_do_what_they_do_on_tmpfs(passthrough, place, kind):
    mount = passthrough
    shadow = place.shm / "shadow"
    place.foreign |= {"shadow", "shadow-away"}
    content, arrays = b"", {}
    if KINDS[kind]:
        dtype, shape = KINDS[kind]
        arrays["x"] = np.ones(shape, dtype)
        content = arrays["x"].tobytes()
    place.publish("p", arrays)
    mount.eventually((mount / "p").is_dir, "the project")
    if KINDS[kind]:
        tools.shell("printf '\\n[attrs]\\nkept = true\\n' >> p/x.meta", mount.path)
    shadow.write_bytes(content)
    seed = f"{kind}/1"
    print(f"seed {seed}")
    fsx.Fsx(mount / "p/x", shadow, seed, judge(mount, place, KINDS[kind])).run(OPERATIONS)
    if KINDS[kind]:
        assert "kept = true" in (mount / "p/x.meta").read_text()
    (mount / "p/x").unlink()
    shadow.unlink()


def test_it_notices_what_it_is_there_for(tmp_path):
    """Two files, one of which loses a byte."""
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(b"x")
    other.write_bytes(b"y")
    with pytest.raises(fsx.Different, match="seed 1"):
        fsx.Fsx(one, other, 1, lambda size: None).run(10)
