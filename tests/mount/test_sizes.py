# SPDX-License-Identifier: MIT
"""The first dimension follows the file's size; a size that cannot be had changes nothing; and nothing is lost by a kill."""

import fcntl
import mmap
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from support import h5, mounting, tools
from support.arrays import declare, eventually_said, refusal, sidecar
from support.place import map_array
from support.waiting import wait_until

MEBIBYTE = 1 << 20


@pytest.fixture
def started(raw_files, unstarted, sample):
    """Starts the daemon, when the test has written what there is to be found; stops it."""

    def start(*options):
        return unstarted.start(*options) / "p"

    yield start
    if unstarted.process and unstarted.process.poll() is None:
        unstarted.stop()


@pytest.fixture
def p(raw_files, mount, sample):
    return mount / "p"


# --- the first dimension ----------------------------------------------------------------------------------------------

ARRAYS = {
    "vector": ("float64", [3], 24),
    "matrix": (">i4", [5, 3], 60),
    "cube": ("|S5", [2, 2, 3], 60),
    "none": ("int64", [0, 3], 0),
    "flat": ("int64", [4, 0, 6], 0),
    "scalar": ("complex128", [], 16),
}

# name, size, the shape then, the rest
FOLLOWING = [
    ("vector", 80, [10], 0),
    ("vector", 23, [2], 7),
    ("vector", 7, [0], 7),
    ("vector", 1, [0], 1),
    ("vector", 0, [0], 0),
    ("matrix", 72, [6, 3], 0),
    ("matrix", 61, [5, 3], 1),
    ("matrix", 11, [0, 3], 11),
    ("matrix", 1, [0, 3], 1),
    ("matrix", 0, [0, 3], 0),
    ("cube", 91, [3, 2, 3], 1),
    ("none", 49, [2, 3], 1),
    ("none", 1, [0, 3], 1),
    ("flat", 100, [4, 0, 6], 100),
    ("flat", 1, [4, 0, 6], 1),
    ("flat", 0, [4, 0, 6], 0),
    ("scalar", 16, [], 0),
    ("scalar", 19, [], 3),
]

RESIZERS = {
    "truncate": lambda path, size: os.truncate(path, size),
    "ftruncate": lambda path, size: resize_open(path, size),
    "write": lambda path, size: path.write_bytes(bytes(size)),
    "append": lambda path, size: append(path, size),
}


def resize_open(path, size):
    with open(path, "r+b") as file:
        file.truncate(size)
        assert os.fstat(file.fileno()).st_size == size


def append(path, size):
    """From nothing, in pieces."""
    os.truncate(path, 0)
    for done in range(0, size, 13):
        with open(path, "ab") as file:
            file.write(bytes(min(13, size - done)))


@pytest.mark.parametrize("how", RESIZERS)
def test_the_first_dimension_is_the_whole_rows_in_the_size(started, place, how):
    declare(place, "p", **{name: (dtype, shape, bytes(count)) for name, (dtype, shape, count) in ARRAYS.items()})
    p = started()
    for name, size, shape, rest in FOLLOWING:
        RESIZERS[how](p / name, size)
        case = (name, size)
        assert (p / name).stat().st_size == len((p / name).read_bytes()) == size, case
        said = sidecar(p / name)
        assert (said["dtype"], said["shape"], said.get("rest", 0)) == (ARRAYS[name][0], shape, rest), case
        assert said["nbytes"] == size - rest, case
        assert os.stat(f"{p / name}.meta").st_size == len((p / f"{name}.meta").read_bytes()), case
    last = {name: shape for name, _, shape, _ in FOLLOWING}
    for name, shape in last.items():
        leaf = eventually_said(place, "p", (name,), shape=shape, dtype=ARRAYS[name][0])
        assert map_array(place.shm / leaf["shm_name"], leaf["dtype"], shape).shape == tuple(shape)
        wait_until(lambda name=name: place.segment("p", name).stat().st_size >= 1, "what the peer can map")


def test_growth_by_truncate_is_zeros_and_keeps_what_was_there(p):
    before = (p / "a").read_bytes()
    os.truncate(p / "a", 320)
    assert (p / "a").read_bytes() == before + bytes(224)
    os.truncate(p / "a", 64)
    os.truncate(p / "a", 96)
    assert (p / "a").read_bytes() == before[:64] + bytes(32)


def test_an_empty_arrays_byte_never_shows_up_in_what_it_becomes(started, place):
    declare(place, "p", e=("uint8", [0], b"?"), f=("uint8", [0], b"?"), g=("uint8", [0], b"?"))
    p = started()
    os.truncate(p / "e", 10)
    tools.silent("fallocate", "-l", "10", p / "f")
    with open(p / "g", "wb") as file:
        file.seek(5)
        file.write(b"12345")
    assert [(p / name).read_bytes() for name in "efg"] == [bytes(10), bytes(10), bytes(5) + b"12345"]


def test_dtype_and_trailing_shape_survive_any_size(p, place):
    for size in (0, 1, 31, 32, 33, 0, 100, 96):
        os.truncate(p / "a", size)
    assert (sidecar(p / "a")["shape"], sidecar(p / "a")["dtype"]) == ([3, 4], "int64")
    assert eventually_said(place, "p", ("a",), shape=[3, 4])["attrs"] == {"units": "m"}


def test_a_scalar_whose_file_is_too_short_is_broken_but_keeps_it(p, place):
    os.truncate(p / "one", 5)
    assert (p / "one").stat().st_size == 5
    assert sidecar(p / "one")["state"] == "broken"
    assert "one" in os.listdir(p)
    assert not (p / "one.npy").exists()
    os.truncate(p / "one", 0)
    assert ((p / "one").read_bytes(), sidecar(p / "one")["state"]) == (b"", "broken")
    (p / "one").write_bytes(np.float64(1.5).tobytes())
    assert "state" not in sidecar(p / "one")
    assert place.array("p", "one")[()] == 1.5


def test_a_rest_of_one_byte_is_not_taken_for_an_empty_arrays(p, place, unstarted):
    with open(p / "b/b1", "wb") as file:
        file.write(b"z")
    assert (p / "b/b1").read_bytes() == b"z"
    assert sidecar(p / "b/b1")["rest"] == 1
    eventually_said(place, "p", ("b", "b1"), shape=[0], rest=1)
    unstarted.stop()
    unstarted.start()
    assert (p / "b/b1").read_bytes() == b"z"


def test_reading_a_manifest_changes_no_shape(p, place):
    """A segment found longer than its array has a rest until somebody writes through the mount."""
    os.truncate(place.segment("p", "a"), 128)
    wait_until(lambda: (p / "a").stat().st_size == 128, "the length")
    assert (len((p / "a").read_bytes()), sidecar(p / "a")["rest"], sidecar(p / "a")["shape"]) == (128, 32, [3, 4])
    with open(p / "a", "r+b"):
        pass
    assert ("rest" not in sidecar(p / "a"), sidecar(p / "a")["shape"]) == (True, [4, 4])


def test_all_leaves_of_a_shared_segment_follow(raw_files, unstarted, place):
    with h5.writing(place.files / "links.h5") as file:
        file["a"] = np.arange(12).reshape(3, 4)
        file["g/b"] = file["a"]
        file["c"] = file["a"]
    place.load("links", place.files / "links.h5").succeeded()
    top = unstarted.start() / "links"
    numbers = [os.stat(top / f"{name}.meta").st_ino for name in ("a", "g/b", "c")]
    for name, size, rows in (("g/b", 64, 2), ("c", 0, 0), ("a", 160, 5)):
        os.truncate(top / name, size)
        assert [(top / other).stat().st_size for other in ("a", "g/b", "c")] == [size] * 3
        assert [sidecar(top / other)["shape"] for other in ("a", "g/b", "c")] == [[rows, 4]] * 3
    with open(top / "c", "ab") as file:
        file.write(bytes(32))
    for path in (("a",), ("g", "b"), ("c",)):
        eventually_said(place, "links", path, shape=[6, 4])
    assert numbers == [os.stat(top / f"{name}.meta").st_ino for name in ("a", "g/b", "c")]
    unstarted.stop()


def test_totals_follow(p):
    before = tools.silent("grep", "nbytes", p / ".meta")
    os.truncate(p / "a", 96 + 320)
    after = tools.silent("grep", "nbytes", p / ".meta")
    assert int(after.split("=")[1]) - int(before.split("=")[1]) == 320
    assert (p / ".meta").stat().st_size == len((p / ".meta").read_bytes())


def test_resizing_moves_no_time_of_the_directory(p):
    before = p.stat().st_mtime_ns
    os.truncate(p / "a", 32)
    assert p.stat().st_mtime_ns == before
    (p / "x").touch()
    assert p.stat().st_mtime_ns > before


def test_numpy_grows_an_array_through_the_mount(p, place):
    grown = np.memmap(p / "a", "i8", "r+", shape=(100, 4))
    grown[99] = 7
    assert sidecar(p / "a")["shape"] == [100, 4]
    assert place.array("p", "a").shape == (3, 4) or place.array("p", "a").shape == (100, 4)
    eventually_said(place, "p", ("a",), shape=[100, 4])
    assert np.array_equal(place.array("p", "a")[99], [7] * 4)


# --- mappings ---------------------------------------------------------------------------------------------------------

MAP_AND_TOUCH = """
import mmap, os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
mapped = mmap.mmap(fd, 0)
mapped[len(mapped) - 1]
print("mapped", flush=True)
sys.stdin.readline()
mapped[len(mapped) - 1] = 1
"""


def test_a_mapping_beyond_a_truncated_end_is_sigbus_as_on_tmpfs(p):
    os.truncate(p / "a", 4 * 4096)
    words = [sys.executable, "-c", MAP_AND_TOUCH, p / "a"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"mapped\n"
        os.truncate(p / "a", 4096)
        process.stdin.close()
        assert process.wait(20) == -signal.SIGBUS


@pytest.mark.shm_size(16)
def test_a_store_into_a_mapping_never_meets_a_full_memory(p, place):
    """What truncate and create have sized is reserved: it may be filled when nothing else is left."""
    (p / "x").touch()
    os.truncate(p / "x", 6 * MEBIBYTE)
    assert (p / "x").stat().st_blocks * 512 == 6 * MEBIBYTE
    fill(place)
    mapped = map_array(p / "x", "u1", [6 * MEBIBYTE], "r+")
    mapped[:] = 255
    assert mapped.min() == 255


def fill(place):
    """All that is free in the shared memory directory."""
    space = os.statvfs(place.shm)
    with open(place.shm / "filling", "wb") as file:
        os.posix_fallocate(file.fileno(), 0, space.f_bfree * space.f_bsize)
    place.foreign.add("filling")


# --- a full /dev/shm --------------------------------------------------------------------------------------------------


@pytest.fixture
def is_unchanged(p, place):
    """Everything that can be seen of the array `a` is as it was."""

    def look():
        stat = (p / "a").stat()
        manifest = place.manifest_path("p").read_bytes()
        names = sorted(os.listdir(p)), sorted(place.in_registry()), sorted(place.segments())
        content = (p / "a").read_bytes()
        return {
            "size": (stat.st_size, stat.st_blocks),
            "mtime": stat.st_mtime_ns,
            "manifest": manifest,
            "names": names,
            "content": content,
            "sidecar": (p / "a.meta").read_bytes(),
        }

    before = look()

    def check():
        after = look()
        assert {key: after[key] for key in before if before[key] != after[key]} == {}
        return True

    return check


@pytest.mark.shm_size(16)
@pytest.mark.parametrize("size", [17 * MEBIBYTE, 100 * MEBIBYTE, 1 << 50, (1 << 63) - 1])
def test_a_size_that_cannot_be_had_is_enospc_and_changes_nothing(p, place, is_unchanged, size):
    free = os.statvfs(place.shm).f_bfree
    assert refusal(lambda: os.truncate(p / "a", size)) in ("ENOSPC", "EFBIG")
    with open(p / "a", "r+b") as file:
        assert refusal(lambda: file.truncate(size)) in ("ENOSPC", "EFBIG")
        assert refusal(lambda: os.posix_fallocate(file.fileno(), 0, size)) in ("ENOSPC", "EFBIG")
    assert is_unchanged()
    assert os.statvfs(place.shm).f_bfree == free


@pytest.mark.shm_size(64)
def test_what_is_there_needs_no_room_to_be_allocated(p, place):
    (p / "x").write_bytes(bytes(40 * MEBIBYTE))
    tools.silent("fallocate", "-l", str(40 * MEBIBYTE), p / "x")
    assert (p / "x").stat().st_size == 40 * MEBIBYTE


@pytest.mark.shm_size(16)
def test_creating_in_a_full_memory_is_enospc_and_changes_nothing(p, place, is_unchanged):
    fill(place)
    assert refusal(lambda: os.mknod(p / "x")) == "ENOSPC"
    assert is_unchanged()


@pytest.mark.shm_size(16)
def test_a_writer_in_a_full_memory_is_told_and_keeps_what_fits(p, place):
    done = tools.run("dd", "if=/dev/zero", f"of={p / 'x'}", "bs=1M", "count=32")
    assert done.returncode == 1 and b"No space left" in done.stderr
    size = (p / "x").stat().st_size
    assert 10 * MEBIBYTE < size < 16 * MEBIBYTE
    eventually_said(place, "p", ("x",), shape=[size])
    os.truncate(p / "x", 0)
    (p / "y").write_bytes(bytes(8 * MEBIBYTE))
    assert (p / "y").stat().st_size == 8 * MEBIBYTE


def test_more_than_the_machine_has_is_refused_at_once(p, place):
    """On a file system without a limit of its own the kernel would give it, and then end processes."""
    assert refusal(lambda: os.truncate(p / "a", 1 << 45)) == "ENOSPC"
    assert (p / "a").stat().st_size == 96


def test_a_change_that_cannot_be_written_down_changes_nothing(p, place, is_unchanged):
    """The manifest comes first when an array shrinks, and what has grown shrinks again."""
    with open(place.registry / ".lock", "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert refusal(lambda: os.truncate(p / "a", 32)) == "ETIMEDOUT"
        assert is_unchanged()
        assert refusal(lambda: os.truncate(p / "a", MEBIBYTE)) == "ETIMEDOUT"
    assert is_unchanged()


# --- a daemon that dies -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("written", [1, 5, 32, 40])
def test_a_daemon_that_dies_between_write_and_close_loses_nothing(p, place, unstarted, written):
    files = {name: os.open(p / name, os.O_CREAT | os.O_RDWR | os.O_APPEND) for name in ("a", "new", "b/b1")}
    os.ftruncate(files["b/b1"], 0)
    content = bytes(range(1, written + 1))
    for fd in files.values():
        os.write(fd, content)
    unstarted.kill()
    for fd in files.values():
        with pytest.raises(OSError):
            os.close(fd)
    mounting.detach(unstarted.path)
    unstarted.start()
    assert (p / "new").read_bytes() == (p / "b/b1").read_bytes() == content
    assert (p / "a").read_bytes()[96:] == content
    assert (sidecar(p / "a")["shape"], sidecar(p / "a")["rest"]) == ([3, 4], written)
    for name in files:  # the next who writes makes it right
        with open(p / name, "r+b"):
            pass
    assert sidecar(p / "a")["shape"] == [3 + written // 32, 4]
    assert sidecar(p / "b/b1")["shape"] == [written // 4]
    eventually_said(place, "p", ("new",), shape=[written])


def test_a_daemon_that_dies_while_an_empty_array_is_open_leaves_it_empty(p, place, unstarted):
    fd = os.open(p / "new", os.O_CREAT | os.O_WRONLY)
    unstarted.kill()
    with pytest.raises(OSError):
        os.close(fd)
    mounting.detach(unstarted.path)
    unstarted.start()
    assert (p / "new").read_bytes() == b""
    assert (p / "new").stat().st_size == 0
    with open(p / "new", "r+b"):
        pass
    wait_until(lambda: place.segment("p", "new").stat().st_size == 1, "the byte")


# --- what it costs ----------------------------------------------------------------------------------------------------


def written_by(pid):
    """Bytes that the process has handed to write(2) so far."""
    with open(f"/proc/{pid}/io", encoding="ascii") as file:
        return int(dict(line.split(": ") for line in file)["wchar"])


@pytest.fixture
def crowd(raw_files, unstarted, place):
    """A project of many arrays, their segments one and the same."""
    count = 20000
    place.load("p", h5.simple(place.files / "tiny.h5", tiny=np.zeros(1))).succeeded()
    declare(place, "p", first=("int64", [4, 2], bytes(64)))
    segment = place.manifest("p").at("first")["shm_name"]
    leaf = f'shm_name = "{segment}"\nshm_private_name = "/{segment}"\nshape = [4, 2]\ndtype = "int64"\nattrs = {{}}\n'
    with open(place.manifest_path("p"), "a", encoding="utf-8") as file:
        file.writelines(f"[g.x{number:06d}]\n{leaf}" for number in range(count))
    other = "cute-shm.p.other00000"
    (place.shm / other).write_bytes(bytes(64))
    with open(place.manifest_path("p"), "a", encoding="utf-8") as file:
        file.write(f"[alone]\n{leaf.replace(segment, other)}")
    yield unstarted.start() / "p"
    unstarted.stop()


def test_in_a_large_project_each_change_of_size_is_one_line(crowd, place, unstarted):
    os.stat(crowd / "alone")
    pid = unstarted.process.pid
    os.truncate(crowd / "alone", 128)  # whatever has to be done once
    wait_until(lambda: not journals(place), "the journal to be folded", 20)
    before = written_by(pid)
    os.truncate(crowd / "alone", 160)
    with open(crowd / "alone", "ab") as file:
        file.write(bytes(16))
    with open(crowd / "new", "wb") as file:
        file.write(b"abc")
    lines = journal_lines(place)
    assert len(lines) == 4, lines  # truncate, append, and create and its size
    assert sum(len(line) for line in lines) < 2000
    # answers to the kernel are written, too; a manifest would be some megabytes
    assert written_by(pid) - before < 64 << 10
    wait_until(lambda: not journals(place), "the journal to be folded", 20)


def journals(place):
    return [name for name in place.in_registry() if name.startswith(".journal.")]


def journal_lines(place):
    return b"".join((place.registry / name).read_bytes() for name in journals(place)).splitlines()


def test_an_unchanged_size_writes_nothing(p, place, unstarted):
    with open(p / "a", "r+b") as file:  # whatever has to be done once
        file.write(b"1")
    before = place.manifest_path("p").stat()
    for _ in range(10):
        with open(p / "a", "r+b") as file:
            file.write(b"12345678")
            os.fsync(file.fileno())
        os.truncate(p / "a", 96)
    assert journals(place) == []
    after = place.manifest_path("p").stat()
    assert (before.st_ino, before.st_mtime_ns, before.st_size) == (after.st_ino, after.st_mtime_ns, after.st_size)


# --- another mount, and the peer's way --------------------------------------------------------------------------------


def test_another_mount_sees_the_new_shape(p, place, access):
    second = mounting.beside(place, access)
    try:
        other = second.start() / "p"
        assert (other / "a").stat().st_size == 96
        assert sidecar(other / "a")["shape"] == [3, 4]
        os.truncate(p / "a", 64)
        second.eventually(lambda: (other / "a").stat().st_size == 64, "the size")
        second.eventually(lambda: sidecar(other / "a")["shape"] == [2, 4], "the shape")
        with open(other / "a", "ab") as file:
            file.write(bytes(64))
        assert sidecar(other / "a")["shape"] == [4, 4]
        wait_until(lambda: (p / "a").stat().st_size == 128 and sidecar(p / "a")["shape"] == [4, 4], "the shape here")
        second.stop()
    finally:
        second.finish()


def test_a_mapping_grows_with_its_file(p):
    fd = os.open(p / "x", os.O_CREAT | os.O_RDWR)
    os.ftruncate(fd, 4096)
    with mmap.mmap(fd, 4096) as mapped:
        mapped[0] = 1
        os.ftruncate(fd, 3 * 4096)
        mapped.resize(3 * 4096)
        mapped[2 * 4096] = 2
        assert os.pread(fd, 1, 2 * 4096) == b"\2"
    os.close(fd)
