# SPDX-License-Identifier: MIT
"""The README's examples do what it says they do.

A fence whose first line is a comment with a file's name (`# map.py`, `// map.c: ...`) is that file; a ```console fence
after it shows what people type ("$ ...") and what they then see. Both are taken as they stand, against the sample that
scripts/up shows; only the mount point is exchanged. What needs the peer's package is left to the interop suite.
"""

import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from support import mounting, programs
from support.demands import lacking

README = programs.TOP / "README.md"
SAMPLE = programs.TOP / "scripts" / "lib" / "sample.c"
MOUNT_POINT = "/mnt/cuteshm"
FENCE = re.compile(r"^```(?P<language>\w+)[^\n]*\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL)
FILE_NAME = re.compile(r"(?:#|//) *(?P<name>[\w-]+\.(?:py|c|go))\b")


class Example:
    """A program and the console session after it, if there is one."""

    def __init__(self, name, text):
        self.name = name
        self.text = text
        self.session = []  # [command, output]

    def add_session(self, text):
        for line in text.splitlines():
            if line.startswith("$ "):
                self.session.append([line[2:], ""])
            elif self.session:
                self.session[-1][1] += line + "\n"


def examples():
    found, last = [], None
    for fence in FENCE.finditer(README.read_text(encoding="utf-8")):
        named = FILE_NAME.match(fence["text"])
        if fence["language"] == "console" and last:
            last.add_session(fence["text"])
            last = None
        elif named and fence["language"] in ("python", "c"):
            last = Example(named["name"], fence["text"])
            found.append(last)
        else:
            last = None
    return [example for example in found if "import cute_shm" not in example.text]


@pytest.fixture
def mount(request, place):
    """The sample that scripts/up loads, mounted however this machine can."""
    with mounting.fuse_for_everybody():
        made = mounting.Mount(place, mounting.Access("any", "auto", True))
        reason = mounting.why_not(mounting.ALL["root-symlink" if os.geteuid() == 0 else "user-symlink"])
        if reason:
            lacking(reason)
        place.load("sample", sample_file(place)).succeeded()
        try:
            yield made.start()
            if request.node.passed:
                made.stop()
        finally:
            made.finish()


def sample_file(place):
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "hdf5"], capture_output=True, text=True, check=True)
    compile_c(SAMPLE, place.files / "make-sample", *flags.stdout.split(), "-lm")
    subprocess.run([place.files / "make-sample", place.files / "sample.h5"], check=True, capture_output=True)
    return place.files / "sample.h5"


def compile_c(source, program, *flags):
    compiler = shutil.which("cc")
    if not compiler:
        lacking("no C compiler")
    command = [compiler, "-std=gnu17", "-Wall", "-Wextra", "-Werror", "-o", program, source, *flags]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def typed(mount, command):
    """What a person at the example's directory sees, warnings and errors included."""
    path = f"{os.path.dirname(sys.executable)}:{programs.directory()}:{os.environ['PATH']}"
    where = {"CUTE_SHM_ROOT": str(mount.place.registry), "CUTE_SHM_DIR": str(mount.place.shm)}
    done = subprocess.run(
        ["sh", "-c", command.replace(MOUNT_POINT, str(mount.path))],
        cwd=mount.place.files, env={**mount.place.environment, **where, "PATH": path},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, f"$ {command}\n{done.stdout}"
    return done.stdout.replace(str(mount.path), MOUNT_POINT)


def test_nothing_is_left_to_be_filled_in():
    assert "@@" not in README.read_text(encoding="utf-8")


def test_there_are_examples_in_python_and_c():
    assert {os.path.splitext(example.name)[1] for example in examples()} >= {".py", ".c"}


@pytest.mark.parametrize("suffix", [".py", ".c"])
def test_examples_do_what_is_shown(mount, suffix):
    for example in examples():
        if not example.name.endswith(suffix):
            continue
        source = mount.place.files / example.name
        source.write_text(example.text.replace(MOUNT_POINT, str(mount.path)), encoding="utf-8")
        if suffix == ".c":
            compile_c(source, source.with_suffix(""), "-lm")
        assert example.session, f"no console session after {example.name}"
        for command, output in example.session:
            assert typed(mount, command) == output


# --- what the how-tos say of files ------------------------------------------------------------------------------------

FILES = "Make an array from a shell script", "Append to an array", "Edit attributes", "Move, rename", "Back up", "Read and write .npy"


def scripts(beginning):
    """The ```sh fences of the how-to."""
    text = README.read_text(encoding="utf-8")
    (section,) = [part for part in text.split("\n### ")[1:] if part.startswith(beginning)]
    return [fence["text"] for fence in FENCE.finditer(section) if fence["language"] == "sh"]


def test_the_how_tos_of_files_do_what_they_say(mount):
    """One after the other, as they stand there."""
    if os.path.islink(mount / "sample/temperature"):
        lacking("passthrough, without which raw files are not made")
    if not shutil.which("rsync"):
        lacking("no rsync")
    here = mount.place.files
    (here / "velocities.raw").write_bytes(np.ones((1000, 3), "f4").tobytes())
    (here / "more.raw").write_bytes(np.full((10, 3), 2, "f4").tobytes())
    (here / "new.raw").write_bytes(np.full((500, 3), 3, "f4").tobytes())
    np.save(here / "model.npy", np.arange(6.0).reshape(2, 3))
    for beginning in FILES:
        found = scripts(beginning)
        assert found, beginning
        for text in found:
            typed(mount, f"set -e\n{text}")
    assert (mount / "run2/position").stat().st_size == 24_000
    assert (mount / "run2/forces/vel").read_bytes() == (here / "new.raw").read_bytes()
    assert np.array_equal(np.load(mount / "run1/model.npy"), np.arange(6.0).reshape(2, 3))
    for kept in ("run1", "run2"):
        assert "second run" in (mount / kept / ".meta").read_text()
        assert "shape = [500, 3]" in (mount / kept / "forces/vel.meta").read_text()
