# SPDX-License-Identifier: MIT
"""Arrays are files: made, written, appended to, emptied and looked at with the tools everybody has."""

import contextlib
import errno
import fcntl
import mmap
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from support import tools, users
from support.arrays import declare, eventually_said, refusal, sidecar
from support.place import map_array
from support.waiting import wait_until


UNSUPPORTED = errno.errorcode[errno.EOPNOTSUPP]  # which has two names


@pytest.fixture
def p(raw_files, mount, sample):
    """The project's directory, where files can be written."""
    return mount / "p"


# --- create -----------------------------------------------------------------------------------------------------------

CONTENT = bytes(range(256)) * 41 + b"tail"

WRITERS = {
    "cp": lambda raw, p: tools.silent("cp", raw, p / "x"),
    "cp -a": lambda raw, p: tools.silent("cp", "-a", raw, p / "x"),
    "cat >": lambda raw, p: tools.shell(f"cat {raw} > x", p),
    "dd": lambda raw, p: tools.run("dd", f"if={raw}", f"of={p}/x", "bs=1000"),
    "dd direct": lambda raw, p: tools.run("dd", f"if={raw}", f"of={p}/x", "bs=4096", "oflag=direct"),
    "tee": lambda raw, p: tools.shell(f"tee x < {raw} > /dev/null", p),
    "install": lambda raw, p: tools.silent("install", "-m", "600", raw, p / "x"),
    "rsync": lambda raw, p: tools.silent("rsync", "--inplace", raw, p / "x"),
    "python": lambda raw, p: (p / "x").write_bytes(raw.read_bytes()),
    "numpy tofile": lambda raw, p: np.fromfile(raw, "u1").tofile(p / "x"),
    "memmap": lambda raw, p: write_by_mapping(raw, p / "x"),
}


def write_by_mapping(raw, path):
    content = np.fromfile(raw, "u1")
    np.memmap(path, "u1", "w+", shape=content.shape)[:] = content


@pytest.mark.parametrize("writer", WRITERS)
def test_a_created_file_is_an_undeclared_vector_of_bytes(p, place, writer):
    if writer == "rsync" and tools.run("sh", "-c", "command -v rsync").returncode:
        pytest.skip("no rsync here")
    raw = place.files / "raw"
    raw.write_bytes(CONTENT)
    WRITERS[writer](raw, p)
    assert (p / "x").read_bytes() == CONTENT
    assert (p / "x").stat().st_size == len(CONTENT)
    leaf = eventually_said(place, "p", ("x",), shape=[len(CONTENT)])
    assert (leaf["dtype"], leaf["declared"], leaf["attrs"]) == ("uint8", False, {})
    assert np.array_equal(place.array("p", "x"), np.frombuffer(CONTENT, "u1"))
    assert "x" in os.listdir(p)


def test_an_undeclared_array_has_no_sidecar(p):
    (p / "x").write_bytes(b"abc")
    assert not os.path.lexists(p / "x.meta")
    assert "x.meta" not in os.listdir(p)


def test_a_file_is_the_segment_itself_from_its_creation_on(p, place):
    with open(p / "x", "w+b", buffering=0) as file:
        file.write(b"12345678")
        segment = newest_segment(place)
        assert segment.read_bytes() == b"12345678"
        with open(segment, "r+b", buffering=0) as direct:
            direct.write(b"abcd")
        assert os.pread(file.fileno(), 8, 0) == b"abcd5678"
        with mmap.mmap(file.fileno(), 8) as mapped:
            mapped[0] = ord("z")
            assert segment.read_bytes() == b"zbcd5678"


def newest_segment(place):
    return max((place.shm / name for name in place.segments()), key=lambda path: path.stat().st_ino)


@pytest.mark.parametrize("umask,mode,wanted", [(0o022, 0o666, 0o644), (0o077, 0o666, 0o600), (0, 0o4755, 0o755)])
def test_a_created_file_has_the_mode_that_was_asked_for(p, place, umask, mode, wanted):
    before = os.umask(umask)
    try:
        os.close(os.open(p / "x", os.O_CREAT | os.O_WRONLY, mode))
    finally:
        os.umask(before)
    assert (p / "x").stat().st_mode & 0o7777 == wanted
    assert newest_segment(place).stat().st_mode & 0o7777 == wanted


def test_o_excl_finds_what_is_there(p):
    assert refusal(lambda: os.open(p / "a", os.O_CREAT | os.O_EXCL | os.O_WRONLY)) == "EEXIST"
    os.close(os.open(p / "x", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    assert refusal(lambda: os.open(p / "x", os.O_CREAT | os.O_EXCL | os.O_WRONLY)) == "EEXIST"
    assert refusal(lambda: os.mknod(p / "x")) == "EEXIST"
    assert refusal(lambda: os.open(p / "b", os.O_CREAT | os.O_WRONLY)) == "EISDIR"
    assert refusal(lambda: os.open(p / "b", os.O_CREAT | os.O_EXCL | os.O_WRONLY)) == "EEXIST"


def test_of_those_who_create_exclusively_one_wins(p):
    for round_number in range(10):
        won = []
        barrier = threading.Barrier(4)

        def create(won=won, barrier=barrier, name=f"x{round_number}"):
            barrier.wait()
            try:
                os.close(os.open(p / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
                won.append(True)
            except FileExistsError:
                pass

        run_together([create] * 4)
        assert len(won) == 1


def run_together(functions):
    errors = []

    def guarded(function):
        try:
            function()
        except BaseException as error:  # pylint: disable=broad-except
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_mknod_makes_an_empty_array(p, place):
    os.mknod(p / "x", 0o640)
    assert ((p / "x").stat().st_size, (p / "x").read_bytes()) == (0, b"")
    eventually_said(place, "p", ("x",), shape=[0])
    assert place.segment("p", "x").stat().st_size == 1


BAD_NAMES = {
    b"\xff": "EILSEQ",
    b"y" * 251: "ENAMETOOLONG",
    b"y%~0123456789abcdef": "EINVAL",
}


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_that_no_array_can_have(p, name):
    flags = os.O_CREAT | os.O_WRONLY
    assert refusal(lambda: os.open(os.fsencode(p) + b"/" + name, flags)) == BAD_NAMES[name]


def test_a_name_is_the_key_byte_for_byte(p, place):
    (p / "with space.and\u00e9%2Fslash").write_bytes(b"1")
    eventually_said(place, "p", ("with space.and\u00e9/slash",), shape=[1])


def test_plain_files_at_the_top_are_refused(p):
    assert refusal(lambda: os.open(p.parent / "x", os.O_CREAT | os.O_WRONLY)) == "EPERM"


def test_what_a_user_makes_through_roots_daemon_belongs_to_him(p, place):
    place.load("hers", place.files / "sample.h5", "--mode=0644", identity=users.stranger).succeeded()
    hers = p.parent / "hers"
    wait_until(hers.exists, "her project")
    users.stranger.run(lambda: (hers / "x").write_bytes(b"abc"))
    (hers / "y").write_bytes(b"by root")
    for name in "xy":
        wait_until(lambda name=name: place.manifest("hers").tree.get(name), "the leaf")
        assert (hers / name).stat().st_uid == users.STRANGER
        assert place.segment("hers", name).stat().st_uid == users.STRANGER
    assert refusal(lambda: users.other_stranger.run(lambda: (hers / "z").write_bytes(b"abc"))) == "EACCES"


# --- what is there already --------------------------------------------------------------------------------------------


def test_making_an_array_anew_ends_the_ghost_of_its_sidecar(p):
    """That would still resolve for who removed the array, and must not when he has removed another one since."""
    os.unlink(p / "a")
    assert os.path.lexists(p / "a.meta")
    (p / "a").write_bytes(b"abc")
    assert not os.path.lexists(p / "a.meta")
    os.unlink(p / "a")
    assert not os.path.lexists(p / "a.meta")


def test_creating_a_missing_array_makes_its_data_anew(p, place):
    place.segment("p", "a").unlink()
    wait_until(lambda: not os.path.lexists(p / "a"), "the array leaving")
    assert sidecar(p / "a")["state"] == "missing"
    (p / "a").write_bytes(np.arange(8, dtype="i8").tobytes())
    leaf = eventually_said(place, "p", ("a",), shape=[2, 4], dtype="int64")
    assert leaf["attrs"] == {"units": "m"}
    assert "state" not in sidecar(p / "a")
    assert np.array_equal(place.array("p", "a"), np.arange(8).reshape(2, 4))


def test_the_byte_that_a_dead_daemon_kept_from_an_empty_array_comes_back(unstarted, place, sample):
    """The peer cannot map a segment of no bytes."""
    declare(place, "p", none=("float64", [0, 3], b"?"))
    segment = place.segment("p", "none")
    os.truncate(segment, 0)
    mount = unstarted.start()
    mount.eventually(lambda: os.path.lexists(mount / "p/none") and segment.stat().st_size == 1, "the byte")
    if not mount.symlinks:
        assert (mount / "p/none").read_bytes() == b""


def test_creating_a_broken_array_makes_its_data_anew(raw_files, unstarted, place, sample):
    declare(place, "p", odd=("object", [3], bytes(24)))
    p = unstarted.start() / "p"
    before = place.segment("p", "odd")
    assert sidecar(p / "odd")["state"] == "broken"
    (p / "odd").write_bytes(b"abcd")
    eventually_said(place, "p", ("odd",), shape=[4], dtype="uint8")
    assert not before.exists()
    assert (p / "odd").read_bytes() == b"abcd"
    unstarted.stop()


def test_a_file_takes_over_what_its_waiting_sidecar_says(raw_files, unstarted, place, sample):
    wait_for_data(place, "w", 'dtype = ">i4"\nshape = [5, 3]', "[node.attrs]\nunits = \"K\"")
    wait_for_data(place, "v", 'dtype = "float64"', "")
    wait_for_data(place, "s", 'dtype = "float64"\nshape = []', "")
    p = unstarted.start() / "p"
    for name in "wvs":
        (p / name).write_bytes(bytes(28))
    assert eventually_said(place, "p", ("w",), dtype=">i4", shape=[2, 3])["attrs"] == {"units": "K"}
    eventually_said(place, "p", ("v",), dtype="float64", shape=[3])
    eventually_said(place, "p", ("s",), dtype="float64", shape=[])
    assert [sidecar(p / name)["rest"] for name in "wvs"] == [4, 4, 20]
    assert all("declared" not in place.manifest("p").at(name) for name in "wvs")
    unstarted.stop()


def wait_for_data(place, name, said, attributes):
    path = place.manifest_path("p")
    text = path.read_text()
    node = f'[[node]]\npath = ["{name}"]\nstate = "waiting"\n{said}\n{attributes}\n'
    lines = text.splitlines(keepends=True)
    last = max(i for i, line in enumerate(lines) if line.startswith("#~ "))
    added = [f"#~ {line}\n" for line in node.splitlines()]
    path.write_text("".join(lines[: last + 1] + added + lines[last + 1 :]))


# --- opens for writing ------------------------------------------------------------------------------------------------


def test_o_trunc_empties_an_array_and_keeps_dtype_and_trailing_shape(p, place):
    with open(p / "a", "wb") as file:
        assert os.fstat(file.fileno()).st_size == 0
        assert sidecar(p / "a")["shape"] == [0, 4]
        file.write(bytes(64))
    assert sidecar(p / "a")["shape"] == [2, 4]
    eventually_said(place, "p", ("a",), shape=[2, 4], dtype="int64")


def test_o_trunc_of_who_only_reads_empties_too(p):
    fd = os.open(p / "a", os.O_RDONLY | os.O_TRUNC)
    assert os.read(fd, 10) == b""
    os.close(fd)
    assert sidecar(p / "a")["shape"] == [0, 4]


def test_an_array_that_is_rewritten_in_place_keeps_its_segment_and_its_manifest(p, place):
    before = place.manifest_path("p").stat(), place.segment("p", "a")
    with open(p / "a", "r+b") as file:
        file.write(bytes(96))
    with open(p / "a", "ab"):
        pass
    with open(p / "a", "r+b") as file:
        os.fsync(file.fileno())
    after = place.manifest_path("p").stat(), place.segment("p", "a")
    assert not [name for name in place.in_registry() if name.startswith(".journal")]
    assert (before[0].st_ino, before[0].st_mtime_ns, before[1]) == (after[0].st_ino, after[0].st_mtime_ns, after[1])
    assert not place.array("p", "a").any()


def test_appending_adds_rows(p, place):
    tools.shell("head -c 32 /dev/zero >> a", p)
    assert sidecar(p / "a")["shape"] == [4, 4]
    tools.shell("printf 123 >> a", p)
    assert (sidecar(p / "a")["shape"], sidecar(p / "a")["rest"]) == ([4, 4], 3)
    assert (p / "a").stat().st_size == 131
    eventually_said(place, "p", ("a",), shape=[4, 4])


def test_the_size_follows_before_close_and_fsync_return(p):
    fd = os.open(p / "a", os.O_WRONLY | os.O_APPEND)
    for rows in range(4, 10):
        os.write(fd, bytes(32))
        os.fsync(fd)
        assert sidecar(p / "a")["shape"] == [rows, 4]
    os.write(fd, bytes(32))
    other = os.dup(fd)
    os.close(fd)
    assert sidecar(p / "a")["shape"] == [10, 4]
    os.write(other, bytes(32))
    os.close(other)
    assert sidecar(p / "a")["shape"] == [11, 4]


def test_two_writers_at_once(p, place):
    first = os.open(p / "x", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    second = os.open(p / "x", os.O_RDWR | os.O_APPEND)
    for _ in range(100):
        os.write(first, b"1")
        os.write(second, b"2")
    os.close(first)
    os.write(second, b"2" * 100)
    os.close(second)
    assert sorted((p / "x").read_bytes()) == sorted(b"1" * 100 + b"2" * 200)
    eventually_said(place, "p", ("x",), shape=[300])


def test_many_who_append_at_once_lose_nothing(p, place):
    def append(letter):
        for _ in range(50):
            with open(p / "x", "ab", buffering=0) as file:
                file.write(letter * 7)

    run_together([lambda letter=letter: append(letter) for letter in (b"a", b"b", b"c")])
    content = (p / "x").read_bytes()
    assert sorted(content) == sorted(b"a" * 350 + b"b" * 350 + b"c" * 350)
    eventually_said(place, "p", ("x",), shape=[1050])


def test_flush_of_a_reader_asks_nobody(raw_files, unstarted, sample):
    unstarted.start("-d")
    asked = len(unstarted.text())
    (unstarted / "p/a").read_bytes()
    wait_until(lambda: "RELEASE" in unstarted.text()[asked:], "the release")
    assert "FLUSH" not in unstarted.text()[asked:]
    asked = len(unstarted.text())
    os.close(os.open(unstarted / "p/a", os.O_WRONLY))
    assert "FLUSH" in unstarted.text()[asked:]
    unstarted.stop()


# --- an empty array ---------------------------------------------------------------------------------------------------


@pytest.fixture
def empty(p, place):
    """An empty array as it comes to rest: its segment has a byte that is not its own."""
    (p / "e").touch()
    wait_until(lambda: newest_segment(place).stat().st_size == 1, "the byte")
    eventually_said(place, "p", ("e",), shape=[0])
    return p / "e"


def test_an_empty_array_reads_as_empty_though_its_segment_has_a_byte(empty, place):
    segment = place.segment("p", "e")
    segment.write_bytes(b"?")
    assert empty.stat().st_size == 0
    assert empty.read_bytes() == b""
    assert tools.silent("cat", empty) == ""
    assert tools.silent("wc", "-c", empty).split()[0] == "0"
    fd = os.open(empty, os.O_RDONLY)
    assert refusal(lambda: os.lseek(fd, 0, os.SEEK_DATA)) == "ENXIO"
    assert os.lseek(fd, 0, os.SEEK_END) == 0
    os.close(fd)
    assert "rest" not in place.manifest("p").at("e")


def test_an_open_for_writing_takes_the_byte_away_and_it_comes_back_with_the_old_times(empty, place):
    segment = place.segment("p", "e")
    os.utime(empty, ns=(10**18 + 1, 10**18 + 2))
    fd = os.open(empty, os.O_WRONLY)
    assert segment.stat().st_size == 0
    assert os.fstat(fd).st_size == 0
    os.close(fd)
    wait_until(lambda: segment.stat().st_size == 1, "the byte")
    assert (segment.stat().st_atime_ns, segment.stat().st_mtime_ns) == (10**18 + 1, 10**18 + 2)
    assert empty.stat().st_mtime_ns == 10**18 + 2
    assert empty.read_bytes() == b""
    wait_until(lambda: "rest" not in place.manifest("p").at("e"), "the manifest", 5)


def test_the_first_byte_written_into_an_empty_array_is_its_own(empty, place):
    for flags in (os.O_WRONLY, os.O_WRONLY | os.O_APPEND):
        fd = os.open(empty, flags)
        os.write(fd, b"\0")
        assert os.fstat(fd).st_size == 1
        os.close(fd)
        assert empty.read_bytes() == b"\0"
        eventually_said(place, "p", ("e",), shape=[1])
        tools.silent("truncate", "-s", "0", empty)
        assert empty.read_bytes() == b""
        eventually_said(place, "p", ("e",), shape=[0])


def test_writing_into_an_empty_array_asks_nobody(raw_files, unstarted, sample):
    """Not for each write: it is the segment itself that is written."""
    unstarted.start("-d")
    empty = unstarted / "p/e"
    empty.touch()
    with open(empty, "r+b", buffering=0) as file:
        for _ in range(50):
            file.write(b"12345678")
    assert empty.read_bytes() == b"12345678" * 50
    assert "opcode: WRITE " not in unstarted.text()
    assert "opcode: OPEN " in unstarted.text()
    unstarted.stop()


def test_a_reader_beside_a_writer_of_an_empty_array_sees_what_is_written(empty):
    before = os.open(empty, os.O_RDONLY)  # nobody writes: beside the segment
    writer = os.open(empty, os.O_RDWR)
    beside = os.open(empty, os.O_RDONLY)
    os.write(writer, b"hello")
    assert os.pread(beside, 10, 0) == b"hello"
    assert os.pread(before, 10, 0) == b"hello"
    assert os.pread(before, 10, 3) == b"lo"
    os.close(writer)
    after = os.open(empty, os.O_RDONLY)
    assert os.pread(after, 10, 0) == os.pread(before, 10, 0) == b"hello"
    for fd in (before, beside, after):
        os.close(fd)
    assert empty.read_bytes() == b"hello"


def test_readers_stay_while_an_array_is_emptied_and_filled(p, place):
    reader = os.open(p / "a", os.O_RDONLY)
    tools.silent("truncate", "-s", "0", p / "a")
    assert os.read(reader, 100) == b""
    assert (p / "a").read_bytes() == b""
    tools.shell("printf 12345678123456781234567812345678 > a", p)
    assert os.pread(reader, 100, 0) == b"12345678" * 4
    tools.silent("truncate", "-s", "0", p / "a")
    os.close(reader)
    wait_until(lambda: place.segment("p", "a").stat().st_size == 1, "the byte")
    assert (p / "a").read_bytes() == b""
    assert sidecar(p / "a")["shape"] == [0, 4]


OPEN_AGAIN_AND_AGAIN = """
import os, sys, time
end = time.monotonic() + 2
while time.monotonic() < end:
    fd = os.open(sys.argv[1], getattr(os, sys.argv[2]))
    assert sys.argv[2] != "O_RDONLY" or os.read(fd, 10) == b""
    os.close(fd)
"""


@pytest.mark.parametrize("ways", [["O_WRONLY"] + ["O_RDONLY"] * 3, ["O_RDWR", "O_WRONLY"] * 3 + ["O_RDONLY"] * 6])
def test_openers_of_an_empty_array_never_meet_an_error(raw_files, unstarted, sample, ways):
    """The kernel allows one way of opening at a time; whoever reads and writes at once must not notice."""
    empty = unstarted.start() / "p/e"
    empty.touch()
    words = [sys.executable, "-c", OPEN_AGAIN_AND_AGAIN, empty]
    running = [subprocess.Popen([*words, way], stderr=subprocess.PIPE, text=True) for way in ways]
    assert [process.communicate()[1] for process in running] == [""] * len(ways)
    unstarted.stop()


def test_a_reader_of_an_empty_array_maps_what_is_written_after(empty, place):
    reader = os.open(empty, os.O_RDONLY)
    with open(empty, "wb") as writer:
        writer.write(b"hello")
    mapped = mmap.mmap(reader, 5, mmap.MAP_SHARED, mmap.PROT_READ)
    os.close(reader)
    assert mapped[:] == b"hello"
    with open(place.segment("p", "e"), "r+b") as segment:
        segment.write(b"J")
    assert mapped[:] == b"Jello"


# --- the rest of the table --------------------------------------------------------------------------------------------


def test_holes_are_found_and_copied(p, place):
    with open(p / "x", "wb", buffering=0) as file:
        file.write(b"1" * 4096)
        os.pwrite(file.fileno(), b"2", 1 << 20)
    fd = os.open(p / "x", os.O_RDONLY)
    assert os.lseek(fd, 0, os.SEEK_HOLE) == 4096
    assert os.lseek(fd, 4096, os.SEEK_DATA) == 1 << 20
    os.close(fd)
    assert (p / "x").stat().st_blocks * 512 == 8192
    tools.silent("cp", "--sparse=always", p / "x", p / "y")
    assert (p / "y").read_bytes() == (p / "x").read_bytes()
    assert (p / "y").stat().st_blocks * 512 == 8192


def test_fallocate_reserves_and_grows(p, place):
    with open(p / "a", "r+b") as file:
        os.posix_fallocate(file.fileno(), 0, 1 << 20)
        assert os.fstat(file.fileno()).st_size == 1 << 20
        assert sidecar(p / "a")["shape"] == [1 << 15, 4]
    assert (p / "a").stat().st_blocks * 512 == 1 << 20
    eventually_said(place, "p", ("a",), shape=[1 << 15, 4])


def test_fallocate_in_all_modes_tmpfs_has(p):
    (p / "x").write_bytes(b"1" * 16384)
    tools.silent("fallocate", "-n", "-l", "1M", p / "x")
    assert ((p / "x").stat().st_size, (p / "x").stat().st_blocks * 512) == (16384, 1 << 20)
    tools.silent("fallocate", "-p", "-o", "4096", "-l", "4096", p / "x")
    assert (p / "x").read_bytes() == b"1" * 4096 + bytes(4096) + b"1" * 8192
    tools.silent("fallocate", "-l", "8192", p / "x")  # shorter than it is: no change
    assert (p / "x").stat().st_size == 16384
    for mode in ("-z", "-c", "-i"):
        done = tools.run("fallocate", mode, "-l", "4096", p / "x")
        assert (done.returncode, b"not supported" in done.stderr) == (1, True)


def test_copy_file_range(p):
    (p / "x").write_bytes(CONTENT)
    with open(p / "x", "rb") as source, open(p / "y", "wb") as target:
        copied = 0
        while copied < len(CONTENT):
            copied += os.copy_file_range(source.fileno(), target.fileno(), len(CONTENT) - copied)
    assert (p / "y").read_bytes() == CONTENT


def test_direct_io(p):
    fd = os.open(p / "x", os.O_CREAT | os.O_RDWR | os.O_DIRECT)
    buffer = mmap.mmap(-1, 8192)
    buffer[:] = b"d" * 8192
    assert os.write(fd, buffer) == 8192
    assert os.preadv(fd, [buffer], 0) == 8192
    os.close(fd)
    assert (p / "x").read_bytes() == b"d" * 8192


LOCKS = {
    "flock": "import fcntl, sys; fcntl.flock(open(sys.argv[1], 'r+b'), fcntl.LOCK_EX | fcntl.LOCK_NB)",
    "fcntl": "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'r+b'), fcntl.LOCK_EX | fcntl.LOCK_NB)",
    "OFD": (
        "import fcntl, struct, sys; fcntl.fcntl(open(sys.argv[1], 'r+b'), fcntl.F_OFD_SETLK,"
        " struct.pack('hhqqi', fcntl.F_WRLCK, 0, 0, 0, 0))"
    ),
}


@pytest.mark.parametrize("kind", LOCKS)
def test_locks_work_between_processes(p, kind):
    def other():
        return subprocess.run(["/usr/bin/python3", "-c", LOCKS[kind], p / "a"], capture_output=True, text=True)

    assert other().returncode == 0
    with open(p / "a", "r+b") as file:
        (fcntl.flock if kind == "flock" else fcntl.lockf)(file, fcntl.LOCK_EX)
        refused = other()
        assert refused.returncode == 1 and "BlockingIOError" in refused.stderr
    assert other().returncode == 0


def test_a_file_without_a_name_goes_on_and_can_be_resized(p, place):
    """As of any temporary file: open, unlink, ftruncate, map."""
    fd = os.open(p / "x", os.O_CREAT | os.O_EXCL | os.O_RDWR)
    segment = newest_segment(place)
    os.unlink(p / "x")
    assert not segment.exists()
    os.ftruncate(fd, 10000)
    assert (os.fstat(fd).st_size, os.fstat(fd).st_nlink) == (10000, 0)
    with mmap.mmap(fd, 10000) as mapped:
        mapped[9999] = 7
    assert os.pread(fd, 1, 9999) == b"\7"
    os.posix_fallocate(fd, 0, 20000)
    assert os.fstat(fd).st_size == 20000
    os.ftruncate(fd, 5)
    assert os.fstat(fd).st_size == 5
    os.fsync(fd)
    os.close(fd)
    place.assert_consistent()


def test_memory_is_freed_with_the_last_descriptor_of_a_removed_file(mount, p, place):
    fd = os.open(p / "x", os.O_CREAT | os.O_EXCL | os.O_RDWR)
    os.posix_fallocate(fd, 0, 8 << 20)
    os.unlink(p / "x")
    assert removed_segments(mount.process.pid, place)  # by which it can be resized
    os.close(fd)
    wait_until(lambda: not removed_segments(mount.process.pid, place), "the daemon to let go")


def removed_segments(pid, place):
    """That the process has open."""
    found = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(f"/proc/{pid}/fd/{name}"))
    return [link for link in found if "(deleted)" in link and str(place.shm) in link]


# --- owners, modes and times ------------------------------------------------------------------------------------------


def test_chmod_and_times_are_the_segments(p, place):
    segment = place.segment("p", "a")
    os.chmod(p / "a", 0o6640)
    assert segment.stat().st_mode & 0o7777 == (p / "a").stat().st_mode & 0o7777 == 0o640
    os.utime(p / "a", ns=(10**18, 2 * 10**18))
    assert (segment.stat().st_atime_ns, segment.stat().st_mtime_ns) == (10**18, 2 * 10**18)
    assert ((p / "a").stat().st_atime_ns, (p / "a").stat().st_mtime_ns) == (10**18, 2 * 10**18)
    tools.silent("touch", "-d", "2001-02-03 04:05:06", p / "a")
    assert (p / "a").stat().st_mtime == segment.stat().st_mtime
    fd = os.open(p / "a", os.O_RDWR)
    os.fchmod(fd, 0o600)
    os.utime(fd, ns=(5, 6))
    assert (segment.stat().st_mode & 0o777, segment.stat().st_mtime_ns) == (0o600, 6)
    os.close(fd)
    assert (p / "a").stat().st_ctime_ns == segment.stat().st_ctime_ns


def test_times_move_as_on_any_file(p):
    os.utime(p / "a", ns=(10**18, 10**18))
    (p / "a").read_bytes()
    assert (p / "a").stat().st_mtime_ns == 10**18
    with open(p / "a", "r+b") as file:
        file.write(b"1")
    written = (p / "a").stat().st_mtime_ns
    assert written > 10**18
    os.utime(p / "a", ns=(10**18, 10**18))
    os.truncate(p / "a", 32)
    assert (p / "a").stat().st_mtime_ns > 10**18


def test_only_root_gives_an_array_away_and_only_in_his_own_project(p, place):
    os.chown(p / "a", users.STRANGER, users.STRANGER)
    assert place.segment("p", "a").stat().st_uid == users.STRANGER
    place.load("hers", place.files / "sample.h5", "--mode=0644", identity=users.stranger).succeeded()
    hers = p.parent / "hers"
    wait_until(hers.exists, "her project")
    assert refusal(lambda: os.chown(hers / "a", 0, 0)) == "EPERM"
    assert refusal(lambda: users.stranger.run(lambda: os.chown(hers / "a", users.NOBODY, -1))) == "EPERM"
    assert refusal(lambda: users.other_stranger.run(lambda: os.chmod(hers / "a", 0o666))) == "EPERM"
    assert refusal(lambda: users.other_stranger.run(lambda: os.truncate(hers / "a", 0))) == "EACCES"
    os.chown(hers / "a", users.STRANGER, users.STRANGER)  # nothing is given
    assert place.segment("hers", "a").stat().st_size == 96


def test_in_roots_project_an_array_may_be_given_to_a_group_of_its_owners(p, place):
    place.load("public", place.files / "sample.h5", "--mode=0644").succeeded()
    array = p.parent / "public/a"
    wait_until(array.exists, "the project")
    os.chown(array, users.STRANGER, 0)
    assert refusal(lambda: users.stranger.run(lambda: os.chown(array, -1, users.NOBODY))) == "EPERM"
    users.stranger.run(lambda: os.chown(array, -1, users.STRANGER))
    assert place.segment("public", "a").stat().st_gid == users.STRANGER


def test_du_counts_memory_really_used(p, place):
    with open(p / "x", "wb") as file:
        file.seek((1 << 20) - 1)
        file.write(b"1")
    assert int(tools.silent("du", "-k", p / "x").split()[0]) == 4
    assert int(tools.silent("du", "-k", "--apparent-size", p / "x").split()[0]) == 1024
    assert map_array(p / "x", "u1", [1 << 20])[-1] == ord("1")


# --- without passthrough ----------------------------------------------------------------------------------------------


def test_links_can_be_written_through_but_raw_files_are_not_made(mount, place, sample):
    if not mount.symlinks:
        pytest.skip("about links")
    p = mount / "p"
    assert refusal(lambda: os.open(p / "x", os.O_CREAT | os.O_WRONLY)) == UNSUPPORTED
    assert refusal(lambda: os.open(p / "x", os.O_CREAT | os.O_EXCL | os.O_WRONLY)) == UNSUPPORTED
    assert refusal(lambda: os.mknod(p / "x")) == UNSUPPORTED
    assert "x" not in os.listdir(p)
    with open(p / "a", "r+b") as file:
        file.write(b"12345678")
    assert place.array("p", "a")[0, 0] == int.from_bytes(b"12345678", "little")
    os.truncate(p / "a", 128)  # the segment, through the link
    mount.eventually(lambda: sidecar(p / "a").get("rest") == 32, "the rest")
    assert sidecar(p / "a")["shape"] == [3, 4]
