# SPDX-License-Identifier: MIT
"""Options, wrong usage, bad names: status 2 and one line."""

import re

import pytest

from support import h5, programs

COMMANDS = ("cute-shm-hdf5", "cute-shm-list", "cute-shm-unlink")


@pytest.mark.parametrize("tool", programs.NAMES)
def test_help_goes_to_stdout(place, tool):
    for option in ("-h", "--help", "-help"):
        result = place.run(tool, option, where=False).silent()
        for word in (tool, "--root", "--shm-dir", "--config"):
            assert word in result.out


@pytest.mark.parametrize("tool", programs.NAMES)
def test_version(place, tool):
    said = {place.run(tool, option, where=False).silent().out for option in ("-V", "--version")}
    assert len(said) == 1
    assert re.search(r"\d+\.\d+", said.pop())


@pytest.mark.parametrize(
    "words",
    [
        ["cute-shm-hdf5"],
        ["cute-shm-hdf5", "p"],
        ["cute-shm-hdf5", "p", "f.h5", "more"],
        ["cute-shm-hdf5", "--no-such-option", "p", "f.h5"],
        ["cute-shm-hdf5", "--mode", "abc", "p", "f.h5"],
        ["cute-shm-hdf5", "--mode", "9999", "p", "f.h5"],
        ["cute-shm-hdf5", "--mode"],
        ["cute-shm-hdf5", "--overwrite=yes", "p", "f.h5"],
        ["cute-shm-hdf5", "-Z", "p", "f.h5"],
        ["cute-shm-unlink"],
        ["cute-shm-unlink", "--no-such-option", "p"],
        ["cute-shm-list", "--no-such-option"],
        ["cuteshmfs"],
        ["cuteshmfs", "--no-such-option", "/tmp"],
        ["cuteshmfs", "--access=teleport", "/tmp"],
        ["cuteshmfs", "a", "b", "c"],
    ],
    ids=" ".join,
)
def test_wrong_usage(place, words):
    place.run(words[0], *words[1:]).failed(programs.USAGE)
    assert not place.registry.exists()


BAD_NAMES = {
    "empty": "",
    "dot": ".hidden",
    "slash": "a/b",
    "parent": "..",
    "sidecar": "x.meta",
    "view": "x.npy",
    "long": "x" * 201,
    "long in bytes": "ü" * 101,
    "newline": "a\nb",
    "escape": "a\x1bb",
    "delete": "a\x7fb",
    "not utf-8": b"a\xffb",
}


@pytest.mark.parametrize("name", BAD_NAMES)
def test_bad_project_names(place, name):
    file = h5.simple(place.files / "f.h5", x=[1])
    place.run("cute-shm-hdf5", BAD_NAMES[name], file).failed(programs.USAGE)
    place.run("cute-shm-unlink", BAD_NAMES[name]).failed(programs.USAGE)
    place.assert_nothing_published()


@pytest.mark.parametrize(
    "words", [["-no-progress"], ["--no-progress"], ["-overwrite"], ["-mode", "0600"], ["-stall", "5"]]
)
def test_long_options_work_with_one_dash_as_the_peer_writes_them(place, words):
    file = h5.simple(place.files / "f.h5", x=[1])
    place.load("p", file, *words).succeeded()


def test_options_may_follow_the_operands(place):
    file = h5.simple(place.files / "f.h5", x=[1])
    place.run("cute-shm-hdf5", "p", file, "-o", "--mode=0644").succeeded()
    assert oct(place.segment("p", "x").stat().st_mode & 0o777) == "0o644"


def test_a_closed_stdout_is_an_error_not_a_crash(place):
    file = h5.simple(place.files / "f.h5", x=[1])
    place.load("p", file).succeeded()
    with open("/dev/full", "wb") as full:
        process = place.start("cute-shm-list", stdout=full)
    _, err = process.communicate()
    assert process.returncode == 1
    assert err.count(b"\n") == 1
