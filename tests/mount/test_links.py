# SPDX-License-Identifier: MIT
"""Arrays shown as symbolic links are resized on their segments, and their sidecars then say what they are."""

import os
import tomllib

import numpy as np
import pytest

from support import h5

ROWS = {"longer": 10, "shorter": 2, "not whole rows of what it was": 7}


@pytest.fixture(autouse=True)
def links(access):
    if not access.symlinks:
        pytest.skip("about symbolic links")


@pytest.mark.parametrize("made", ["loaded", "made by its sidecar"])
@pytest.mark.parametrize("size", ROWS)
def test_an_array_truncated_through_its_link_and_declared_anew_is_whole(mount, place, size, made):
    """Of float64[4, 5] something else of another size; nothing of the time between is left in the sidecar."""
    rows = ROWS[size]
    if made == "loaded":
        place.load("p", h5.simple(place.files / "f.h5", x=np.ones((4, 5)))).succeeded()
        mount.eventually((mount / "p/x").exists, "the array")
    else:
        (mount / "p").mkdir()
        (mount / "p/x.meta").write_text('[array]\ndtype = "float64"\nshape = [4, 5]\n')
    segment = os.readlink(mount / "p/x")
    os.truncate(mount / "p/x", rows * 12)
    (mount / "p/x.meta").write_text(f'[array]\ndtype = "int32"\nshape = [{rows}, 3]\n')
    array = tomllib.loads((mount / "p/x.meta").read_text())["array"]
    assert (array["dtype"], array["shape"]) == ("int32", [rows, 3])
    assert not {"rest", "state", "reason"} & set(array)
    assert {"x", "x.meta"} <= set(os.listdir(mount / "p"))
    assert os.readlink(mount / "p/x") == segment
    assert os.stat(mount / "p/x").st_size == rows * 12
    assert place.array("p", "x").shape == (rows, 3)


def test_an_array_made_longer_through_its_link_has_a_rest_until_it_is_declared(mount, place, sample):
    os.truncate(mount / "p/a", 100)
    mount.eventually(lambda: "rest = 4\n" in (mount / "p/a.meta").read_text(), "the rest")
    os.truncate(mount / "p/a", 112)
    (mount / "p/a.meta").write_text('[array]\ndtype = "int64"\nshape = [7, 2]\n[attrs]\nn = 1\n')
    document = tomllib.loads((mount / "p/a.meta").read_text())
    assert document["array"]["shape"] == [7, 2] and "rest" not in document["array"]
    assert np.array_equal(place.array("p", "a").ravel()[:12], np.arange(12))
    assert {"a", "a.meta"} <= set(os.listdir(mount / "p"))
