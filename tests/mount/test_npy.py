# SPDX-License-Identifier: MIT
"""x.npy: every array as a .npy file, to be read and to be written."""

import errno
import io
import os
import shutil
import struct
import subprocess
import threading
import tomllib

import numpy as np
import pytest
from support import mounting, toml_text, tools, users
from support.place import Place

DTYPES = (
    "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 float128 complex64 complex128 complex256 "
    ">f4 >i2 >c8 >f16 >M8[s] >U3 |S5 <U7 |V8 datetime64[ns] timedelta64[s] datetime64[25s] timedelta64"
).split()
SHAPES = [(), (1,), (7,), (0,), (3, 4), (2, 0, 3), (2, 3, 4)]


def filled(dtype, shape):
    """Bytes that differ, of a kind that is its own for each dtype."""
    dtype = np.dtype(dtype)
    count = int(np.prod(shape)) if shape else 1
    if dtype.kind == "b":
        return (np.arange(count) % 3 == 0).reshape(shape)
    if dtype.kind == "U":
        return np.array([f"{i % 1000}"[: dtype.itemsize // 4] for i in range(count)], dtype).reshape(shape)
    raw = (np.arange(count * dtype.itemsize) * 7 % 251).astype("u1")
    if dtype.kind in "SV":
        raw = raw % 90 + 33
    return np.frombuffer(raw.tobytes(), dtype).reshape(shape)


def same(there, array):
    return (there.dtype, there.shape, there.tobytes()) == (array.dtype, array.shape, array.tobytes())


def saved(array, **how):
    file = io.BytesIO()
    np.lib.format.write_array(file, array, **how)
    return file.getvalue()


def raw_npy(descr, shape, data, version=1, fortran=False):
    header = f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n".encode("latin1" if version < 3 else "utf8")
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header + data


@pytest.fixture
def project(mount, place):
    """A project p with the array a, shown."""


    def make():
        place.publish("p", {"a": np.arange(12.0).reshape(3, 4), "g": {"i": np.arange(5)}}, mode=0o644)
        mount.eventually(lambda: (mount / "p/a.meta").exists(), "the project")

    place.identity.run(make) if place.identity else make()
    return mount / "p"


def in_shm(place, *path):
    return np.array(place.array("p", *path))


def eventually_in_shm(mount, place, array, *path):
    """The journal is folded within a second, and then the peer sees it."""

    def look():
        try:
            return same(in_shm(place, *path), array)
        except (KeyError, FileNotFoundError, AssertionError):
            return False

    mount.eventually(look, "the array in the manifest")


# --- reading ----------------------------------------------------------------------------------------------------------


def test_every_dtype_and_shape_is_read_as_numpy_wrote_it(mount, place):
    arrays = {
        f"{n}_{m}": filled(dtype, shape) for n, dtype in enumerate(DTYPES) for m, shape in enumerate(SHAPES)
    }
    place.publish("p", arrays)
    mount.eventually(lambda: (mount / "p").exists(), "the project")
    for name, array in arrays.items():
        path = mount / f"p/{name}.npy"
        there = path.read_bytes()
        assert len(there) == path.stat().st_size
        assert there == saved(array, version=None), (name, array.dtype, array.shape)
        assert same(np.load(path), array)
        if array.size:
            assert same(np.load(path, mmap_mode="r"), array)


def test_the_data_begins_at_a_multiple_of_64(project):
    data = (project / "a.npy").read_bytes()
    assert data[:8] == b"\x93NUMPY\x01\x00"
    assert (len(data) - 96) % 64 == 0


def test_it_is_not_listed_but_always_there(project):
    assert sorted(os.listdir(project)) == [".meta", "a", "a.meta", "g"] or sorted(os.listdir(project)) == ["a", "a.meta", "g"]
    assert (project / "g/i.npy").is_file()
    assert not (project / "g.npy").exists()
    assert not (project / "nothing.npy").exists()
    assert not (project / "a.meta.npy").exists()
    assert not (project / ".npy").exists()


def test_it_has_a_number_of_its_own_that_stays(mount, project):
    number = (project / "a.npy").stat().st_ino
    assert number == (project / "a.npy").stat().st_ino
    assert len({number, (project / "a.meta").stat().st_ino, os.lstat(project / "a").st_ino}) == 3
    (project / "a.npy").write_bytes(saved(np.zeros(3)))
    assert (project / "a.npy").stat().st_ino == number


def test_owner_and_mode_are_those_of_the_array(place, project):
    os.chmod(place.segment("p", "a"), 0o640)
    tools.silent("true")
    status = os.stat(place.segment("p", "a"))

    def alike():
        view = (project / "a.npy").stat()
        return (view.st_mode & 0o777, view.st_uid, view.st_gid) == (0o640, status.st_uid, status.st_gid)

    assert alike()


def test_another_users_array_is_refused(mount, place, project):
    if not mount.access.as_root:
        pytest.skip("nobody else gets in")
    os.chmod(place.segment("p", "a"), 0o600)
    assert (project / "a.npy").stat().st_mode & 0o777 == 0o600
    with pytest.raises(PermissionError):
        users.stranger.run(lambda: (project / "a.npy").read_bytes())
    with pytest.raises(PermissionError):
        users.stranger.run(lambda: (project / "a.npy").write_bytes(saved(np.zeros(3))))


def test_what_was_read_is_kept_by_the_kernel(unstarted, place):
    def reads():
        return unstarted.text().count("opcode: READ ")

    def make():
        place.publish("p", {"a": np.arange(1000)})
        os.utime(place.segment("p", "a"), (1, 1))  # what was changed a moment ago may be changed again
        unstarted.start("-d")

    place.identity.run(make) if place.identity else make()
    path = unstarted / "p/a.npy"
    assert same(np.load(path), np.arange(1000))
    before = reads()
    assert before > 0
    for _ in range(3):
        assert same(np.load(path), np.arange(1000))
    assert reads() == before
    unstarted.stop()


def test_a_write_into_the_array_is_seen_by_the_next_read(mount, place, project):
    path = project / "a.npy"
    first = np.load(path)
    with open(place.segment("p", "a"), "r+b", buffering=0) as segment:
        for value in (1.5, 2.5, 3.5):
            segment.seek(0)
            segment.write(struct.pack("<d", value))
            assert np.load(path)[0, 0] == value
    assert first[0, 0] == 0


def test_a_write_is_seen_through_an_open_mapping(mount, place, project):
    mapped = np.load(project / "a.npy", mmap_mode="r")
    assert mapped[1, 1] == 5
    with open(place.segment("p", "a"), "r+b", buffering=0) as segment:
        segment.seek(5 * 8)
        segment.write(struct.pack("<d", 77))
    mount.eventually(lambda: mapped[1, 1] == 77, "the new value")


def test_a_write_through_the_mount_is_seen(mount, project):
    if mount.symlinks:
        pytest.skip("it is the segment then")
    mapped = np.load(project / "a.npy", mmap_mode="r")
    assert mapped[0, 0] == 0
    with open(project / "a", "r+b", buffering=0) as file:
        file.write(struct.pack("<d", 42))
    assert np.load(project / "a.npy")[0, 0] == 42
    mount.eventually(lambda: mapped[0, 0] == 42, "the new value")


def test_a_replaced_array_is_another_file(mount, place, project):
    old = np.load(project / "a.npy", mmap_mode="r")
    before = place.segments()
    with open(project / "a.npy", "rb") as still_open:
        place.publish("p", {"a": np.arange(3, dtype=">i2")})
        for segment in before:
            os.unlink(place.shm / segment)
        mount.eventually(lambda: same(np.load(project / "a.npy"), np.arange(3, dtype=">i2")), "the new array")
        assert same(np.load(still_open), np.arange(12.0).reshape(3, 4))
    assert same(np.array(old), np.arange(12.0).reshape(3, 4))


def test_a_large_one_is_read_whole(mount, place):
    array = np.random.default_rng(1).integers(0, 255, (3000, 1111), "u1")
    place.publish("p", {"a": array})
    mount.eventually(lambda: (mount / "p").exists(), "the project")
    assert same(np.load(mount / "p/a.npy"), array)
    assert same(np.load(mount / "p/a.npy", mmap_mode="r"), array)
    assert tools.silent("cksum", mount / "p/a.npy").split()[:2] == _cksum(saved(array), place)


def _cksum(data, place):
    (place.files / "x").write_bytes(data)
    return tools.silent("cksum", place.files / "x").split()[:2]


def test_a_reader_in_c_understands_it(project, place):
    """The way any language does it: magic, length, the text, then the doubles."""
    source = place.files / "reader.c"
    source.write_text(
        """
#include <stdio.h>
#include <string.h>
#include <stdint.h>
int main(int argc, char **argv)
{
    unsigned char start[10];
    char text[65536];
    double value, sum = 0;
    FILE *file = argc > 1 ? fopen(argv[1], "rb") : NULL;
    if (!file || fread(start, 1, 10, file) != 10 || memcmp(start, "\\x93NUMPY\\x01", 8) != 0)
        return 1;
    size_t length = start[8] | start[9] << 8;
    if ((10 + length) % 64 != 0 || fread(text, 1, length, file) != length || text[length - 1] != '\\n')
        return 2;
    text[length] = 0;
    unsigned rows, columns;
    if (sscanf(text, "{'descr': '<f8', 'fortran_order': False, 'shape': (%u, %u), }", &rows, &columns) != 2)
        return 3;
    for (unsigned i = 0; i < rows * columns; i++) {
        if (fread(&value, sizeof value, 1, file) != 1)
            return 4;
        sum += value * (i + 1);
    }
    printf("%u %u %g %d\\n", rows, columns, sum, fgetc(file));
    return 0;
}
"""
    )
    subprocess.run(["cc", "-o", place.files / "reader", source], check=True)
    expected = (np.arange(12.0) * np.arange(1, 13)).sum()
    assert tools.silent(place.files / "reader", project / "a.npy") == f"3 4 {expected:g} -1\n"


def test_it_cannot_be_removed_or_renamed(project):
    with pytest.raises(PermissionError):
        os.unlink(project / "a.npy")
    for target in ("b", "b.npy", "g/b.npy", "a.meta"):
        with pytest.raises(PermissionError):
            os.rename(project / "a.npy", project / target)
    assert same(np.load(project / "a.npy"), np.arange(12.0).reshape(3, 4))
    assert not os.path.lexists(project / "b")


def test_what_has_no_data_has_no_view(mount, place):
    place.publish("p", {"a": np.arange(3), "one": np.float64(3)})
    os.unlink(place.segment("p", "a"))
    os.truncate(place.segment("p", "one"), 3)
    mount.eventually(lambda: (mount / "p/one").exists(), "the project")
    assert not (mount / "p/a.npy").exists()
    assert not (mount / "p/one.npy").exists()
    place.foreign |= place.segments()
    os.truncate(place.segment("p", "one"), 8)
    mount.eventually(lambda: (mount / "p/one.npy").exists(), "the view")
    place.foreign.clear()


# --- writing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["C", "F"])
def test_np_save_of_every_dtype_makes_an_array(mount, place, project, order):
    arrays = {}
    for n, dtype in enumerate(DTYPES):
        for m, shape in enumerate(SHAPES):
            arrays[f"n{n}_{m}"] = np.asarray(filled(dtype, shape), order=order)
    for name, array in arrays.items():
        np.save(project / f"{name}.npy", array)
    for name, array in arrays.items():
        assert same(np.load(project / f"{name}.npy"), np.ascontiguousarray(array).reshape(array.shape)), name
    document = tomllib.loads((project / "n0_4.meta").read_text())
    assert (document["array"]["dtype"], document["array"]["shape"]) == ("bool", [3, 4])
    mount.eventually(lambda: "n28_6" in place.manifest("p").tree, "the manifest")
    for name, array in arrays.items():
        assert same(in_shm(place, name), np.ascontiguousarray(array).reshape(array.shape)), name


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_all_versions_of_the_format_are_taken(project, version):
    array = np.arange(6, dtype="i2").reshape(2, 3)
    (project / "v.npy").write_bytes(saved(array, version=version))
    assert same(np.load(project / "v.npy"), array)


def test_a_large_one_is_written_whole(project):
    """Above 16 MB numpy asks for the memory first."""
    array = np.random.default_rng(6).integers(0, 255, (3000, 7001), "u1")
    for each in (array, np.asfortranarray(array)):
        np.save(project / "large.npy", each)
        assert same(np.load(project / "large.npy"), array)


def test_cp_makes_an_array(mount, place, project):
    array = np.random.default_rng(2).random((500, 700))
    np.save(place.files / "foo.npy", array)
    tools.silent("cp", place.files / "foo.npy", project / "foo.npy")
    assert same(np.load(project / "foo.npy"), array)
    tools.silent("cp", "-p", place.files / "foo.npy", project / "bar.npy")
    tools.silent("cp", project / "foo.npy", project / "g/other.npy")
    assert same(np.load(project / "g/other.npy"), array)
    assert sorted(set(os.listdir(project)) - {".meta"}) == ["a", "a.meta", "bar", "bar.meta", "foo", "foo.meta", "g"]
    eventually_in_shm(mount, place, array, "foo")
    eventually_in_shm(mount, place, array, "g", "other")


def test_a_shell_can_write_one(place, project):
    array = np.arange(1000)
    np.save(place.files / "foo.npy", array)
    foo = place.files / "foo.npy"
    tools.shell(f"cat {foo} > foo.npy", project)
    tools.shell(f"dd if={foo} of=dd.npy bs=1000 status=none", project)
    tools.shell(f"cat {foo} | tee tee.npy > /dev/null", project)
    tools.shell(f"head -c 10 {foo} > /dev/null; exec 5> parts.npy; dd if={foo} bs=8 status=none >&5; exec 5>&-", project)
    for name in ("foo", "dd", "tee", "parts"):
        assert same(np.load(project / f"{name}.npy"), array), name


def test_fortran_order_is_transposed_on_the_way_in(mount, place, project):
    for shape in [(300, 7), (3, 4, 5, 6), (1, 9), (9, 1), (100, 200, 3)]:
        array = np.asfortranarray(np.random.default_rng(3).random(shape).astype(">f4"))
        assert b"'fortran_order': True" in saved(array) or 1 in shape
        (project / "f.npy").write_bytes(saved(array))
        assert same(np.load(project / "f.npy"), np.ascontiguousarray(array))
        np.save(project / "f2.npy", array)
        assert same(np.load(project / "f2.npy"), np.ascontiguousarray(array))
    eventually_in_shm(mount, place, np.ascontiguousarray(array), "f")


def test_pieces_of_any_size_and_order_make_the_same(project):
    structured = np.zeros((5, 4), [("x", "<f8"), ("y", [("p", ">i2"), ("q", "S3", (2,))], (3,))])
    structured["x"] = np.random.default_rng(4).random((5, 4))
    structured["y"]["p"] = np.arange(60).reshape(5, 4, 3)
    structured["y"]["q"] = b"abc"
    structured = np.asfortranarray(structured)
    data = saved(structured)
    for size in (1, 13, 100):
        with open(project / f"s{size}.npy", "wb", buffering=0) as file:
            file.write(data[:200])
            starts = list(range(200, len(data), size))
            for start in starts[::-1]:
                file.seek(start)
                file.write(data[start : start + size])
        assert same(np.load(project / f"s{size}/x.npy"), np.ascontiguousarray(structured["x"]))
        assert same(np.load(project / f"s{size}/y/p.npy"), np.ascontiguousarray(structured["y"]["p"]))
        assert same(np.load(project / f"s{size}/y/q.npy"), np.ascontiguousarray(structured["y"]["q"]))


def test_structured_dtypes_become_groups(mount, place, project):
    dtype = np.dtype({"names": ["a", "grün", "in"], "formats": ["i4", "f8", [("r", "f4"), ("s", "U2")]], "offsets": [0, 8, 16],
                      "itemsize": 40})  # fmt: skip
    array = np.zeros((3, 2), dtype)
    array["a"] = np.arange(6).reshape(3, 2)
    array["grün"] = 2.5
    array["in"]["s"] = "xy"
    np.save(project / "t.npy", array)
    assert sorted(os.listdir(project / "t")) == [".meta", "a", "a.meta", "grün", "grün.meta", "in"]
    group = tomllib.loads((project / "t/.meta").read_text())["group"]
    assert (group["kind"], group["shape"]) == ("compound", [3, 2])
    assert same(np.load(project / "t/a.npy"), np.ascontiguousarray(array["a"]))
    assert same(np.load(project / "t/grün.npy"), np.ascontiguousarray(array["grün"]))
    assert same(np.load(project / "t/in/s.npy"), np.ascontiguousarray(array["in"]["s"]))
    eventually_in_shm(mount, place, np.ascontiguousarray(array["in"]["s"]), "t", "in", "s")
    assert not (project / "t.npy").exists()


def test_a_structured_file_can_be_written_again(mount, place, project):
    for n in range(3):
        np.save(project / "t.npy", np.full(4, n, [("x", "f8"), (f"n{n}", "i4")]))
    assert sorted(os.listdir(project / "t")) == [".meta", "n2", "n2.meta", "x", "x.meta"]
    np.save(project / "t.npy", np.arange(3))
    assert same(np.load(project / "t.npy"), np.arange(3))
    np.save(project / "t.npy", np.zeros(2, [("x", "f8")]))
    assert os.listdir(project / "t")
    tools.silent("rm", "-r", project / "t")
    mount.eventually(lambda: len(place.segments()) == 2, "nothing more")


def test_any_other_group_is_not_replaced(project):
    with pytest.raises(IsADirectoryError):
        (project / "g.npy").write_bytes(saved(np.arange(3)))
    assert (project / "g/i").exists()


def test_object_arrays_are_refused(project):
    for array in (np.array([{}, 1], object), np.zeros(2, [("a", "i4"), ("b", object)])):
        with pytest.raises(OSError, match="Invalid argument"):
            (project / "o.npy").write_bytes(saved(array))
    assert not (project / "o.npy").exists() and not os.path.lexists(project / "o")


BAD = {
    "empty header": b"\x93NUMPY\x01\x00\x00\x00",
    "no npy": b"hello, world, this is text",
    "version 4": b"\x93NUMPY\x04\x00" + saved(np.arange(3))[8:],
    "cut in the data": saved(np.arange(100))[:-1],
    "cut in the header": saved(np.arange(100))[:60],
    "too long": saved(np.arange(100)) + b"x",
    "negative": raw_npy("'<f8'", "(-1,)", b""),
    "huge": raw_npy("'<f8'", "(1152921504606846976, 1152921504606846976)", b""),
    "no shape": b"\x93NUMPY\x01\x00\x10\x00{'descr': '<f8'}",
    "a number is no shape": raw_npy("'<f8'", "(3)", bytes(24)),
    "unknown dtype": raw_npy("'<q8'", "(3,)", bytes(24)),
    "two of one name": raw_npy("[('a', '<i4'), ('a', '<i4')]", "(3,)", bytes(24)),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_file_is_einval_and_leaves_nothing(mount, place, project, what):
    before = place.segments()
    with pytest.raises(OSError, match="Invalid argument"):
        (project / "bad.npy").write_bytes(BAD[what])
    assert not (project / "bad.npy").exists() and not os.path.lexists(project / "bad")
    assert "bad.npy" in mount.text()
    with pytest.raises(OSError, match="Invalid argument"):
        (project / "a.npy").write_bytes(BAD[what])
    assert same(np.load(project / "a.npy"), np.arange(12.0).reshape(3, 4))
    assert place.segments() == before


def test_nothing_written_is_nothing_made(project):
    tools.silent("touch", project / "t.npy")
    open(project / "u.npy", "wb").close()
    assert not os.path.lexists(project / "t") and not os.path.lexists(project / "u")


def test_an_array_that_was_there_keeps_its_attributes_owner_and_mode(mount, place, project):
    tree = {"x": place.leaf("q", np.arange(3), 0o640, attrs={"units": "m"})}
    place.write_manifest("q", toml_text.document(tree), 0o644)
    mount.eventually(lambda: (mount / "q/x.meta").exists(), "the project")
    np.save(mount / "q/x.npy", np.ones((2, 2), ">f4"))
    document = tomllib.loads((mount / "q/x.meta").read_text())
    assert (document["array"]["dtype"], document["array"]["shape"], document["attrs"]) == (">f4", [2, 2], {"units": "m"})
    assert os.stat(mount / "q/x").st_mode & 0o777 == 0o640
    assert same(np.load(mount / "q/x.npy"), np.ones((2, 2), ">f4"))
    assert len(place.segments()) == 3


def test_whoever_has_the_old_one_mapped_keeps_it(mount, place, project):
    old = place.array("p", "a")
    with open(project / "a", "rb") as data:
        np.save(project / "a.npy", np.zeros(2))
        assert data.read() == np.arange(12.0).tobytes()
    assert same(np.array(old), np.arange(12.0).reshape(3, 4))
    assert (project / "a").stat().st_size == 16


def test_whoever_has_the_old_view_mapped_or_open_keeps_it(mount, place, project):
    old = np.load(project / "a.npy", mmap_mode="r")
    with open(project / "a.npy", "rb") as still_open, open(project / "a.npy", "wb", buffering=0) as file:
        data = saved(np.zeros(2))
        assert os.fstat(file.fileno()).st_size == 0
        file.write(data[:100])
        assert os.fstat(file.fileno()).st_size == 100
        assert same(np.array(old), np.arange(12.0).reshape(3, 4))
        assert same(np.load(project / "a.npy"), np.arange(12.0).reshape(3, 4))
        file.write(data[100:])
        file.close()
        assert same(np.load(project / "a.npy"), np.zeros(2))
        assert same(np.load(still_open), np.arange(12.0).reshape(3, 4))
    assert same(np.array(old), np.arange(12.0).reshape(3, 4))


def test_many_overwrite_and_read_at_once(project):
    sizes = [1, 1000, 100_000]

    def write(n):
        for i in range(30):
            np.save(project / "a.npy", np.full(sizes[(n + i) % 3], i))

    def read():
        for _ in range(60):
            try:
                there = np.load(project / "a.npy")
            except FileNotFoundError:  # replaced twice while it was opened
                continue
            assert (there == there.flat[0]).all() or there.shape == (3, 4)

    errors = []

    def guarded(function, *words):
        try:
            function(*words)
        except BaseException as error:  # pylint: disable=broad-except
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=words) for words in [(write, 0), (write, 1), (read,), (read,)]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors


def test_who_makes_one_owns_it(mount, place, project):
    if not mount.access.as_root:
        pytest.skip("there is one user only")
    os.chmod(place.manifest_path("p"), 0o666)
    mount.eventually(lambda: os.stat(project).st_mode & 0o777 == 0o777, "the mode")
    users.stranger.run(lambda: (project / "mine.npy").write_bytes(saved(np.arange(3))))
    status = os.stat(project / "mine")
    assert (status.st_uid, status.st_mode & 0o777) == (users.STRANGER, 0o666 & ~_umask())


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_part_of_it_cannot_be_written(project):
    with pytest.raises(OSError, match="not supported"):
        np.load(project / "a.npy", mmap_mode="r+")
    with pytest.raises(OSError, match="not supported"):
        open(project / "a.npy", "ab").close()
    with pytest.raises(OSError, match="not supported"):
        os.truncate(project / "a.npy", 0)
    with pytest.raises(OSError, match="Invalid argument"):
        np.lib.format.open_memmap(project / "m.npy", "w+", "f8", (3,))
    assert same(np.load(project / "a.npy"), np.arange(12.0).reshape(3, 4))


def test_a_bad_name_is_refused(project):
    for name, error in [(b"\xff.npy", 84), (b"a%2E.npy", None), (b"x.meta.npy", 22), (b"y" * 251 + b".npy", 36)]:
        if error:
            with pytest.raises(OSError) as raised:
                os.close(os.open(os.fsencode(project) + b"/" + name, os.O_CREAT | os.O_WRONLY))
            assert raised.value.errno == error, name


def test_a_full_shared_memory_is_enospc_and_leaves_nothing(access):
    if not users.is_root() or not access.as_root:
        pytest.skip("needs root")
    place = Place(access.identity, shm_mebibytes=16)
    mount = mounting.Mount(place, access)
    try:
        place.publish("p", {"a": np.arange(3)})
        mount.start()
        for array in (np.zeros(4 << 20), np.zeros((1 << 10, 4 << 10), [("x", "f8")]), np.zeros((2048, 2048), order="F")):
            with pytest.raises(OSError, match="No space"):
                (mount / "p/big.npy").write_bytes(saved(array))
            with pytest.raises(OSError):
                np.save(mount / "p/big.npy", array)
            assert not (mount / "p/big").exists()
        np.save(mount / "p/small.npy", np.zeros(1 << 18))
        assert same(np.load(mount / "p/small.npy"), np.zeros(1 << 18))
        mount.stop()
    finally:
        mount.finish()
        place.finish(strict=True)


def test_a_daemon_killed_before_the_close_leaves_the_old(mount, place, project):
    data = saved(np.zeros(100000))
    file = open(project / "a.npy", "wb", buffering=0)
    file.write(data[: len(data) // 2])
    new = open(project / "new.npy", "wb", buffering=0)
    new.write(data)
    mount.kill()
    for each in (file, new):
        try:
            each.close()
        except OSError:
            pass
    mount.start()
    assert same(np.load(project / "a.npy"), np.arange(12.0).reshape(3, 4))
    assert not (project / "new.npy").exists()
    place.assert_consistent()


def test_a_daemon_killed_after_the_close_leaves_the_new(mount, place, project):
    np.save(project / "a.npy", np.zeros(5))
    mount.kill()
    mount.start()
    assert same(np.load(project / "a.npy"), np.zeros(5))
    mount.eventually(lambda: len(place.segments()) == 2, "the old segment to go")


def test_two_writers_and_the_last_to_close_stays(project):
    one, two = (open(project / "w.npy", "wb", buffering=0) for _ in range(2))
    one.write(saved(np.zeros(5)))
    two.write(saved(np.ones(6)))
    one.close()
    assert same(np.load(project / "w.npy"), np.zeros(5))
    two.close()
    assert same(np.load(project / "w.npy"), np.ones(6))


def test_fsync_publishes_what_is_whole(project):
    data = saved(np.arange(10))
    with open(project / "s.npy", "wb", buffering=0) as file:
        file.write(data[:90])
        os.fsync(file.fileno())
        assert not (project / "s.npy").exists()
        file.write(data[90:])
        os.fsync(file.fileno())
        assert same(np.load(project / "s.npy"), np.arange(10))


def test_sparse_files_are_taken_with_their_holes(project, place):
    array = np.zeros(300000)
    array[-1] = 1
    data = saved(array)
    with open(place.files / "h.npy", "wb") as file:
        file.write(data[:128])
        file.seek(len(data) - 8)
        file.write(data[-8:])
    tools.silent("cp", "--sparse=always", place.files / "h.npy", project / "h.npy")
    assert same(np.load(project / "h.npy"), array)
    np.save(place.files / "z.npy", np.zeros(300000))
    tools.silent("cp", "--sparse=always", place.files / "z.npy", project / "z.npy")
    assert same(np.load(project / "z.npy"), np.zeros(300000))


def test_os_replace_of_a_file_onto_it_makes_the_array(mount, place, project):
    if mount.symlinks:
        pytest.skip("a raw file cannot be made")
    array = np.asfortranarray(np.random.default_rng(5).random((30, 50)))
    (project / ".tmp").write_bytes(saved(array))
    os.replace(project / ".tmp", project / "r.npy")
    assert same(np.load(project / "r.npy"), np.ascontiguousarray(array))
    assert not (project / ".tmp").exists()


def test_an_array_that_holds_a_npy_file_can_be_renamed_onto_a_view(mount, place, project):
    data = np.frombuffer(saved(np.arange(7)), "u1")
    place.publish("q", {"raw": data, "also": data, "bad": data[:-1]})
    mount.eventually(lambda: (mount / "q/raw.meta").exists(), "the project")
    os.rename(mount / "q/raw", mount / "q/made.npy")
    assert same(np.load(mount / "q/made.npy"), np.arange(7))
    assert not os.path.lexists(mount / "q/raw") and os.path.lexists(mount / "q/made")
    os.rename(mount / "q/also", mount / "q/also.npy")
    assert same(np.load(mount / "q/also.npy"), np.arange(7))
    assert sorted(set(os.listdir(mount / "q")) - {".meta"}) == ["also", "also.meta", "bad", "bad.meta", "made", "made.meta"]
    with pytest.raises(OSError, match="Invalid argument"):
        os.rename(mount / "q/bad", mount / "q/x.npy")
    mount.eventually(lambda: len(place.segments()) == 5, "the segments of what was renamed to go")


def test_a_file_goes_onto_a_view_of_another_project_as_from_another_disk(mount, place, project):
    data = np.frombuffer(saved(np.arange(7)), "u1")
    place.publish("q", {"raw": data})
    mount.eventually(lambda: (mount / "q/raw.meta").exists(), "the project")
    with pytest.raises(OSError) as caught:  # it would be written there and removed here, not in one step
        os.rename(mount / "q/raw", project / "new.npy")
    assert caught.value.errno == errno.EXDEV
    assert os.path.lexists(mount / "q/raw") and not os.path.lexists(project / "new.npy")
    if mount.symlinks:  # mv would make a link
        return
    tools.silent("mv", mount / "q/raw", project / "new.npy")
    assert same(np.load(project / "new.npy"), np.arange(7))
    assert not os.path.lexists(mount / "q/raw")


def test_mv_from_elsewhere_makes_an_array(place, project):
    np.save(place.files / "foo.npy", np.arange(9))
    tools.silent("mv", place.files / "foo.npy", project / "foo.npy")
    assert same(np.load(project / "foo.npy"), np.arange(9))


def test_rsync_writes_one(mount, place, project):
    if not shutil.which("rsync") or mount.symlinks:
        pytest.skip("rsync makes a raw file first")
    np.save(place.files / "foo.npy", np.arange(9))
    for _ in range(2):
        tools.silent("rsync", "-a", place.files / "foo.npy", project / "foo.npy")
        assert same(np.load(project / "foo.npy"), np.arange(9))
