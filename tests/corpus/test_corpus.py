# SPDX-License-Identifier: MIT
"""tests/corpus/run on files made here, one per row of the mapping, and on a corpus of real files where there is one."""

import os

import pytest

import generate_hdf5
from support import corpus, programs
from support.demands import lacking


@pytest.mark.parametrize("name", generate_hdf5.ROWS)
def test_every_row_of_the_mapping_comes_out_full(outcomes, tmp_path, name):
    made = tmp_path / "made"
    made.mkdir()
    generate_hdf5.generate(made, {name: generate_hdf5.ROWS[name]})
    assert outcomes(made) == {f"{name}.h5": (corpus.FULL, "")}


def test_real_files_come_out_full_or_are_refused_cleanly(outcomes):
    directory = os.environ.get("CUTESHMFS_CORPUS") or programs.TOP.parent / "shared" / "corpus"
    if not os.path.isdir(directory):
        if os.environ.get("CUTESHMFS_CORPUS"):
            lacking(f"CUTESHMFS_CORPUS: there is no {directory}")
        pytest.skip("no corpus of real files; CUTESHMFS_CORPUS=DIR names one")
    found = outcomes(directory)
    bad = {name: outcome for name, outcome in found.items() if outcome[0] in (*corpus.BAD, corpus.VALUES_ONLY)}
    assert bad == {}
    assert any(category == corpus.FULL for category, _ in found.values())


def test_the_harness_notices_what_is_wrong(place):
    """A loader that loses or changes something must not be called good: a project published by hand stands for it."""
    file = place.files / "f.h5"
    generate_hdf5.generate(place.files, {"f": generate_hdf5.ROWS["compounds"]})
    harness = corpus.Harness(place)
    place.load("good", file).succeeded()
    good = place.manifest_path("good").read_text()
    assert harness._compare("good", str(file)).findings == []
    segment = place.segment("good", "simple", "x")
    with open(segment, "r+b") as memory:
        memory.write(b"\x01")
    assert [item[1] for item in harness._compare("good", str(file)).findings] == ["/simple/x"]
    changes = {"mixed": ("mixes", "attribute"), "[padded": ("[bad", "structure"), '"int32"': ('"uint32"', "value")}
    for old, (new, kind) in changes.items():
        assert old in good
        place.manifest_path("good").write_text(good.replace(old, new))
        assert kind in {item[0] for item in harness._compare("good", str(file)).findings}, old
    place.manifest_path("good").write_text(good)
