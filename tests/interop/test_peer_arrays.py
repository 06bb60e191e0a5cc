# SPDX-License-Identifier: MIT
"""What is written and resized as a file on the mount, the peer reads with the right shape."""

import os

import numpy as np
import pytest

from support import h5
from support.waiting import wait_until


@pytest.fixture
def project(mount, place, prefix):
    if "passthrough" not in mount.text():
        pytest.skip("links: raw files are neither made nor resized")
    place.load(prefix, h5.simple(place.files / "f.h5", a=np.arange(12).reshape(3, 4))).succeeded()
    wait_until((mount / prefix).exists, "the project")
    return mount / prefix


def test_the_peer_reads_what_was_written_as_files(peer, project, prefix):
    (project / "raw").write_bytes(b"abc")
    os.truncate(project / "a", 64)
    (project / "empty").touch()

    def seen():
        tree = peer.read(prefix)["children"]
        return {name: (leaf["dtype"], leaf["shape"], bytes.fromhex(leaf["bytes"])) for name, leaf in tree.items()}

    wanted = {
        "a": ("int64", [2, 4], np.arange(8).tobytes()),
        "raw": ("uint8", [3], b"abc"),
        "empty": ("uint8", [0], b""),
    }
    wait_until(lambda: os.path.exists(project / "raw") and seen() == wanted, "the peer")
    with open(project / "a", "ab") as file:
        file.write(np.arange(8, 16).tobytes())
    wanted["a"] = ("int64", [4, 4], np.arange(16).tobytes())
    wait_until(lambda: seen() == wanted, "the peer")
