# SPDX-License-Identifier: MIT
"""Sidecars are written like files: by shells, editors, languages and tools, and what is bad changes nothing."""

import concurrent.futures
import contextlib
import ctypes
import errno
import os
import pty
import shutil
import threading
import tomllib

import numpy as np
import pytest

from support import h5, tools, users
from support.demands import lacking
from support.waiting import wait_until

NOREPLACE, EXCHANGE = 1, 2
GOOD = '[array]\ndtype = "float64"\nshape = [1000, 3]\n'


def read(path):
    """Its document; the size that stat tells is exact (once a writer's close has come through)."""
    wait_until(lambda: path.stat().st_size == len(path.read_bytes()), "its size")
    return tomllib.loads(path.read_text())


def refusal(act):
    with pytest.raises(OSError) as caught:
        act()
    return errno.errorcode[caught.value.errno]


def eventually(check):
    return wait_until(check, "what a writer's last close does", 2.0)


@pytest.fixture
def p(mount, sample):
    return mount / "p"


@pytest.fixture
def raw(p, access):
    """Where raw files can be made."""
    if access.symlinks:
        pytest.skip("links: raw files are not made")
    return p


@pytest.fixture(autouse=True)
def consistent(request, place):
    yield
    if request.node.passed:
        place.assert_consistent()


# --- writing it whole -------------------------------------------------------------------------------------------------


def by_temporary(path, text):
    temporary = path.parent / (".%s.AbC123" % path.name)
    temporary.write_text(text)
    os.replace(temporary, path)
    assert not temporary.exists()


def by_copy(path, text, place):
    file = place.files / "text"
    file.write_text(text)
    tools.silent("cp", file, path)


WRITERS = {
    "open('w')": lambda path, text, place: path.write_text(text),
    "echo >": lambda path, text, place: tools.silent("sh", "-c", 'printf %s "$1" > "$2"', "sh", text, path),
    "bash": lambda path, text, place: tools.silent("bash", "-c", 'echo "$1" > "$2"', "bash", text, path),
    "cat >": lambda path, text, place: tools.silent("sh", "-c", 'printf %s "$1" | cat > "$2"', "sh", text, path),
    "tee": lambda path, text, place: tools.silent("sh", "-c", 'printf %s "$1" | tee "$2"', "sh", text, path),
    "cp": by_copy,
    "dd": lambda path, text, place: tools.shell(f"printf %s '{text}' | dd of={path} bs=7 status=none", "/"),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_writing_one_replaces_it_whole(p, place, writer):
    path = p / "a.meta"
    before = path.stat().st_mtime_ns
    WRITERS[writer](path, '[array]\ndtype = "int64"\nshape = [4, 3]\n[attrs]\ncolour = "red"\nn = [1, 2]\n', place)
    document = read(path)
    assert (document["array"]["shape"], document["attrs"]) == ([4, 3], {"colour": "red", "n": [1, 2]})
    assert path.stat().st_mtime_ns > before
    leaf = place_leaf(place, "a", lambda leaf: leaf["shape"] == [4, 3])
    assert leaf["attrs"] == {"colour": "red", "n": [1, 2]}
    assert np.array_equal(place.array("p", "a"), np.arange(12).reshape(4, 3))


def place_leaf(place, name, check):
    """As the manifest, and so the peer, has it: within a second."""
    return wait_until(lambda: (lambda leaf: leaf if check(leaf) else None)(place.manifest("p").at(name)), "the manifest")


def test_temporary_and_rename(raw, place):
    by_temporary(raw / "a.meta", "[attrs]\nby = 'rename'\n")
    wait_until(lambda: read(raw / "a.meta").get("attrs") == {"by": "rename"}, "the new sidecar")
    assert sorted(os.listdir(raw)) == [".meta", "a", "a.meta", "b", "one", "one.meta"]


def test_temporary_and_rename_of_what_is_not_there(raw, place):
    by_temporary(raw / "pos.meta", GOOD)
    wait_until(lambda: (raw / "pos").exists(), "the array")
    assert (raw / "pos").stat().st_size == 24000
    assert read(raw / "pos.meta")["array"]["shape"] == [1000, 3]


def test_a_bad_text_renamed_onto_it_leaves_both(raw):
    temporary = raw / "t"
    temporary.write_text("nonsense")
    before = (raw / "a.meta").read_bytes()
    assert refusal(lambda: os.replace(temporary, raw / "a.meta")) == "EINVAL"
    assert temporary.read_text() == "nonsense"
    assert (raw / "a.meta").read_bytes() == before


def test_many_who_open_and_close_it_at_once_leave_it_as_it_is(p, place):
    """Each open is counted once, whoever else comes and goes (also under a sanitizer)."""
    before = read(p / "a.meta")

    def open_and_close():
        for _ in range(400):
            os.close(os.open(p / "a.meta", os.O_WRONLY))

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for task in [pool.submit(open_and_close) for _ in range(4)]:
            task.result()
    assert read(p / "a.meta") == before
    (p / "a.meta").write_text("[attrs]\nafter = 1\n")
    wait_until(lambda: read(p / "a.meta").get("attrs") == {"after": 1}, "the last text")


def test_two_descriptors_write_one_text(p):
    one = os.open(p / "a.meta", os.O_WRONLY | os.O_TRUNC)
    other = os.open(p / "a.meta", os.O_WRONLY)
    os.pwrite(one, b"[attrs]\nx", 0)
    os.pwrite(other, b" = 5\n", 9)
    os.close(other)
    os.close(one)
    assert read(p / "a.meta")["attrs"] == {"x": 5}


def test_append(p):
    tools.silent("sh", "-c", "echo 'more = 7' >> a.meta", cwd=p)
    assert read(p / "a.meta")["attrs"] == {"units": "m", "more": 7}
    with open(p / "a.meta", "a") as file:
        file.write("# one more\n")
        file.write("and_more = 8\n")
    assert read(p / "a.meta")["attrs"] == {"units": "m", "more": 7, "and_more": 8}


def test_dd_conv_notrunc_changes_bytes_in_the_middle(p):
    at = (p / "a.meta").read_bytes().index(b'"m"') + 1
    tools.shell(f"printf k | dd of=a.meta bs=1 seek={at} conv=notrunc status=none", p)
    assert read(p / "a.meta")["attrs"] == {"units": "k"}


def test_read_and_write_through_one_descriptor(p):
    with open(p / "a.meta", "r+") as file:
        text = file.read()
        file.seek(0)
        file.write(text.replace('"m"', '"km"'))
        file.truncate()
        file.flush()
        file.seek(0)
        assert '"km"' in file.read()
        assert '"m"' in (p / "a.meta").read_text()  # nothing was judged yet
        assert os.fstat(file.fileno()).st_size == len(text) + 1
    assert read(p / "a.meta")["attrs"] == {"units": "km"}


def test_fsync_judges(p):
    with open(p / "a.meta", "w") as file:
        file.write("[attrs]\nx = 1\n")
        file.flush()
        os.fsync(file.fileno())
        assert read(p / "a.meta")["attrs"] == {"x": 1}
        file.write("y = 2\n")
    assert read(p / "a.meta")["attrs"] == {"x": 1, "y": 2}


def test_fsync_refuses(p):
    with open(p / "a.meta", "w") as file:
        file.write("nonsense")
        file.flush()
        assert refusal(lambda: os.fsync(file.fileno())) == "EINVAL"
    assert read(p / "a.meta")["attrs"] == {"units": "m"}


def test_emptied_only_the_last_close_judges(p):
    path = p / "a.meta"
    one = os.open(path, os.O_WRONLY | os.O_TRUNC)
    os.close(os.dup(one))
    assert path.read_text().count("units") == 1
    os.close(one)
    eventually(lambda: "attrs" not in path.read_text())
    assert read(path)["array"]["shape"] == [3, 4]


@pytest.mark.parametrize("how", ["truncate", "ftruncate", "cut"])
def test_truncate(p, how):
    path = p / "a.meta"
    if how == "truncate":
        os.truncate(path, 0)
        assert "attrs" not in read(path)
    elif how == "ftruncate":
        tools.silent("truncate", "-s", "0", path)
        eventually(lambda: "attrs" not in path.read_text())
    else:
        assert refusal(lambda: os.truncate(path, path.read_text().index("units") + 3)) == "EINVAL"
        assert read(path)["attrs"] == {"units": "m"}


def test_what_it_says_already_changes_nothing(p, place):
    before = (p / "a.meta").stat()
    text = (p / "a.meta").read_text()
    (p / "a.meta").write_text(text)
    after = (p / "a.meta").stat()
    assert (p / "a.meta").read_text() == text
    assert (after.st_mtime_ns, after.st_size) == (before.st_mtime_ns, before.st_size)


def test_the_mtime_of_others_stays(p):
    before = (p / "one.meta").stat().st_mtime_ns
    (p / "a.meta").write_text("[attrs]\nx = 1\n")
    assert (p / "one.meta").stat().st_mtime_ns == before


# --- what counts ------------------------------------------------------------------------------------------------------


def test_missing_dtype_and_shape_mean_the_present_ones_and_missing_attrs_none(p):
    (p / "a.meta").write_text("")
    eventually(lambda: "attrs" not in (p / "a.meta").read_text())
    array = read(p / "a.meta")["array"]
    assert (array["dtype"], array["shape"]) == ("int64", [3, 4])


def test_a_new_dtype_alone_is_the_vector_that_fills_the_file(p):
    (p / "a.meta").write_text('[array]\ndtype = "float32"\n')
    assert read(p / "a.meta")["array"]["shape"] == [24]
    (p / "a.meta").write_text('[array]\ndtype = "|S7"\n')
    array = read(p / "a.meta")["array"]
    assert (array["shape"], array["rest"]) == ([13], 5)
    (p / "a.meta").write_text((p / "a.meta").read_text() + "[attrs]\nx = 1\n")
    assert read(p / "a.meta")["array"] == array


def test_descriptive_keys_are_ignored(p):
    descriptive = 'nbytes = 7\nsegment = "cute-shm.p.AAAAAAAAAA"\nstate = "broken"\nreason = "no"\n'
    (p / "a.meta").write_text("[array]\n" + descriptive)
    array = read(p / "a.meta")["array"]
    assert (array["nbytes"], array["shape"]) == (96, [3, 4])
    assert "state" not in array


def test_encoding_enum_kind_and_tag_count(p, place):
    text = '[array]\ndtype = "int64"\nshape = [3, 4]\nenum = {RED = 0, GREEN = 1}\n'
    text += 'kind = "k"\nencoding = "ascii"\ntag = "t"\n'
    (p / "a.meta").write_text(text)
    array = read(p / "a.meta")["array"]
    assert (array["enum"], array["kind"], array["encoding"], array["tag"]) == ({"RED": 0, "GREEN": 1}, "k", "ascii", "t")
    (p / "a.meta").write_text("[attrs]\nx = 1\n")
    assert read(p / "a.meta")["array"] == array
    (p / "a.meta").write_text('[array]\ndtype = "int64"\n')
    assert "enum" not in read(p / "a.meta")["array"]


def test_groups_and_projects(p, place):
    (p / "b/.meta").write_text('[group]\nkind = "ragged"\nshape = [2]\narrays = 99\n[attrs]\nx = 1\n')
    document = read(p / "b/.meta")
    assert (document["group"]["kind"], document["group"]["shape"], document["attrs"]) == ("ragged", [2], {"x": 1})
    assert document["group"]["arrays"] == 2
    (p / ".meta").write_text("[attrs]\ntitle = 'new'\n")
    assert read(p / ".meta")["attrs"] == {"title": "new"}
    assert read(p / ".meta")["group"]["created"]
    (p / "b/.meta").write_text("[group]\n")
    assert not (p / "b/.meta").exists()


def test_meta_where_there_is_none(p):
    fd = os.open(p / "b/deep/.meta", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    os.write(fd, b"[attrs]\nx = 1\n")
    os.close(fd)
    assert read(p / "b/deep/.meta")["attrs"] == {"x": 1}
    assert ".meta" in os.listdir(p / "b/deep")
    assert refusal(lambda: os.open(p / "b/deep/.meta", os.O_CREAT | os.O_EXCL | os.O_WRONLY)) == "EEXIST"


# --- what is bad ------------------------------------------------------------------------------------------------------

BAD = {
    "no TOML": ("[array\n", "line 1"),
    "an unknown key": ('[array]\ndtype = "int64"\nshpae = [3]\n', 'line 3: unknown key "shpae"'),
    "an unknown table": ("[attributes]\n", "line 1"),
    "no dtype": ('[array]\n\ndtype = "int65"\n', "line 3"),
    "a shape that is none": ("[array]\nshape = [-1]\n", "line 2"),
    "another size": ('[array]\nshape = [5]\n', "40 bytes"),
    "null": ('[array]\nshape = "null"\n', "null dataset"),
    "binary": ("\0\1\2", "line 1"),
    "too large": ('[array]\ndtype = "float64"\nshape = [9223372036854775807, 9]\n', "too large"),
}


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_document_is_refused_and_the_old_one_stays(mount, p, place, bad):
    text, why = BAD[bad]
    path = p / "a.meta"
    before, manifest = path.read_text(), place.manifest_path("p").read_bytes()
    assert refusal(lambda: path.write_text(text)) == "EINVAL"
    after = path.read_text()
    assert after.startswith(before)
    assert why in after[len(before) :] and after[len(before) :].startswith("\n# ")
    assert path.stat().st_size == len(after)
    assert why.replace('"', "") in mount.text().replace('"', "").replace("\\", "")
    assert place.manifest_path("p").read_bytes() == manifest
    path.write_text(before)  # until the next good write
    assert path.read_text() == before
    assert path.stat().st_size == len(before)


def test_the_remark_of_a_project(p):
    before = (p / ".meta").read_text()
    assert refusal(lambda: (p / ".meta").write_text("[array]\n")) == "EINVAL"
    assert (p / ".meta").read_text().startswith(before + "\n# line 1")
    assert len((p / ".meta").read_bytes()) == (p / ".meta").stat().st_size
    (p / ".meta").write_text(before)
    assert (p / ".meta").read_text() == before
    assert len(before.encode()) == (p / ".meta").stat().st_size


def test_a_shell_is_told(p):
    done = tools.run("cp", "/dev/stdin", str(p / "a.meta"))
    assert done.returncode in (0, 1)
    done = tools.run("dd", "if=/etc/passwd", f"of={p}/a.meta", "status=none")
    assert done.returncode == 1 and b"Invalid argument" in done.stderr


def test_too_long(p):
    fd = os.open(p / "a.meta", os.O_WRONLY)
    assert refusal(lambda: os.pwrite(fd, b"x", 65 << 20)) == "EFBIG"
    os.close(fd)
    assert read(p / "a.meta")["attrs"] == {"units": "m"}


# --- making an array --------------------------------------------------------------------------------------------------


def test_making_an_array_by_its_sidecar(p, place):
    tools.shell("printf '[array]\\ndtype = \"float64\"\\nshape = [1000, 3]\\n' > pos.meta", p)
    assert np.array_equal(place.array("p", "pos"), np.zeros((1000, 3)))
    segment = place.segment("p", "pos").stat()
    assert (segment.st_size, segment.st_blocks * 512 >= 24000) == (24000, True)
    assert np.array_equal(np.fromfile(p / "pos"), np.zeros(3000))
    assert {"pos", "pos.meta"} <= set(os.listdir(p))
    assert read(p / "pos.meta")["array"]["nbytes"] == 24000


def test_with_attributes_an_empty_array_and_a_scalar(p, place):
    (p / "x.meta").write_text('[array]\ndtype = "int8"\nshape = [0, 3]\n[attrs]\nn = 1\n')
    (p / "y.meta").write_text('[array]\ndtype = ">f4"\nshape = []\n[attr_types]\nm = "int16"\n[attrs]\nm = 2\n')
    assert place.array("p", "x").shape == (0, 3)
    assert place.array("p", "y") == 0
    assert place.manifest("p").at("x")["attrs"] == {"n": 1}
    assert (p / "x").is_symlink() or (p / "x").stat().st_size == 0


def test_a_null_dataset(p):
    (p / "n.meta").write_text('[array]\ndtype = "float32"\nshape = "null"\n')
    assert not (p / "n").exists()
    assert read(p / "n.meta")["array"] == {"dtype": "float32", "shape": "null"}
    (p / "n.meta").write_text("[attrs]\nx = 1\n")
    assert read(p / "n.meta") == {"array": {"dtype": "float32", "shape": "null"}, "attrs": {"x": 1}}
    os.unlink(p / "n.meta")
    assert not (p / "n.meta").exists()


def test_a_sidecar_copied_out_of_a_mount_waits(p, place):
    text = (p / "a.meta").read_text()
    (p / "w.meta").write_text(text)
    assert not (p / "w").exists()
    document = read(p / "w.meta")
    assert (document["array"]["state"], document["array"]["shape"]) == ("waiting", [3, 4])
    assert document["attrs"] == {"units": "m"}
    (p / "w.meta").write_text((p / "w.meta").read_text() + "more = 1\n")  # as it shows itself
    assert read(p / "w.meta")["array"]["state"] == "waiting"
    assert read(p / "w.meta")["attrs"]["more"] == 1
    assert "w" not in os.listdir(p)


def test_a_waiting_one_gets_its_data(raw):
    (raw / "w.meta").write_text((raw / "a.meta").read_text())
    shutil.copyfile(raw / "a", raw / "w")
    document = read(raw / "w.meta")
    assert (document["array"]["dtype"], document["array"]["shape"]) == ("int64", [3, 4])
    assert document["attrs"] == {"units": "m"}


def test_a_waiting_one_is_removed_by_removing_it(p):
    (p / "w.meta").write_text((p / "a.meta").read_text())
    os.unlink(p / "w.meta")
    assert not (p / "w.meta").exists()


def test_what_is_needed_to_make_one(mount, p):
    for text in ('[array]\ndtype = "int8"\n', "[array]\nshape = [2]\n", "[attrs]\nx = 1\n", "nonsense"):
        assert refusal(lambda text=text: (p / "new.meta").write_text(text)) == "EINVAL"
        eventually(lambda: not (p / "new.meta").exists())
        assert "new.meta" not in os.listdir(p)
    assert "takes a dtype and a shape" in mount.text()


def test_an_empty_one_makes_nothing(p):
    tools.silent("touch", p / "new.meta")
    eventually(lambda: not (p / "new.meta").exists())
    (p / "new.meta").write_text('[array]\ndtype = "int8"\nshape = [2]\n')
    assert (p / "new").stat().st_size == 2 or (p / "new").is_symlink()


def test_names_that_cannot_be(p):
    assert refusal(lambda: (p / "b.meta").write_text(GOOD)) == "EISDIR"
    assert refusal(lambda: (p / "x.meta.meta").write_text(GOOD)) == "EINVAL"
    assert refusal(lambda: (p / "x.npy.meta").write_text(GOOD)) == "EINVAL"
    assert refusal(lambda: open(bytes(p) + b"/\xff.meta", "w")) == "EILSEQ"
    assert refusal(lambda: (p / ("x" * 251 + ".meta")).write_text(GOOD)) == "ENAMETOOLONG"


def test_it_is_there_for_who_writes_it(p):
    path = p / "new.meta"
    fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o640)
    os.write(fd, GOOD[:20].encode())
    assert os.fstat(fd).st_size == path.stat().st_size == 20
    assert path.stat().st_ino == os.fstat(fd).st_ino
    assert path.read_text() == GOOD[:20]
    assert refusal(lambda: os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)) == "EEXIST"
    with open(path, "a") as other:
        other.write(GOOD[20:40])
        assert not (p / "new").exists()
        other.write(GOOD[40:])
    assert (p / "new").exists()
    os.close(fd)
    assert read(path)["array"]["shape"] == [1000, 3]


def test_removed_before_it_is_closed(p):
    fd = os.open(p / "new.meta", os.O_CREAT | os.O_WRONLY)
    os.write(fd, GOOD.encode())
    os.unlink(p / "new.meta")
    os.close(fd)
    assert not (p / "new.meta").exists() and not (p / "new").exists()


def test_the_array_is_removed_while_its_sidecar_is_written(p):
    fd = os.open(p / "a.meta", os.O_WRONLY | os.O_TRUNC)
    os.write(fd, GOOD.encode())
    tools.silent("rm", p / "a")
    os.close(fd)
    assert not (p / "a.meta").exists() and not (p / "a").exists()


def test_a_killed_daemon_leaves_nothing_of_what_is_not_closed(unstarted, place, sample):
    mount = unstarted.start()
    fd = os.open(mount / "p/new.meta", os.O_CREAT | os.O_WRONLY)
    os.write(fd, GOOD.encode())
    manifest = place.manifest_path("p").read_bytes()
    mount.kill()
    with pytest.raises(OSError):
        os.close(fd)
    mount.start()
    assert place.manifest_path("p").read_bytes() == manifest
    assert "new.meta" not in os.listdir(mount / "p")
    mount.stop()


def test_made_anew_by_who_removed_the_array(p):
    os.unlink(p / "a")
    (p / "a.meta").write_text(GOOD)
    assert read(p / "a.meta")["array"]["shape"] == [1000, 3]
    assert (p / "a").exists()


@pytest.mark.parametrize("name", ["a.meta", "new.meta", ".meta", "b/deep/.meta"])
def test_chmod_chown_and_utimens_of_what_is_written(p, name):
    fd = os.open(p / name, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o644)
    os.write(fd, b'[attrs]\nx = 1\n' if name != "new.meta" else GOOD.encode())
    os.fchmod(fd, 0o640)
    os.utime(fd, (1, 2))
    os.fchown(fd, os.getuid() if os.fstat(fd).st_uid == os.getuid() else -1, -1)
    os.close(fd)
    os.utime(p / name, (1, 2))
    assert read(p / name).get("attrs", {"x": 1}) == {"x": 1}


def test_cp_a_of_sidecars(p, place):
    for name in ("a.meta", "b/.meta", ".meta", "b/b1.meta"):
        tools.silent("cp", "-a", p / name, place.files / "copy")
        before = read(p / name)
        tools.silent("cp", "-a", place.files / "copy", p / name)
        assert read(p / name) == before


def test_many_writers_and_readers_at_once(p):
    allowed = {errno.EINVAL, errno.ENOENT, errno.ESTALE, errno.EEXIST}
    wrong = []

    def work(number):
        for turn in range(60):
            try:
                name = p / f"s{turn % 3}.meta"
                if number == 0 and turn % 7 == 0:
                    os.unlink(p / f"s{turn % 3}")
                elif number == 1:
                    text = name.read_text()
                    assert text == "" or "dtype" in text, text
                elif number == 2 and turn % 5 == 0:
                    os.unlink(name)
                else:
                    name.write_text(f'[array]\ndtype = "int8"\nshape = [4]\n[attrs]\nn = {number}\n')
            except OSError as error:
                if error.errno not in allowed:
                    wrong.append(error)
            except AssertionError as error:
                wrong.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[:3]


# --- dtype and shape against the file's size --------------------------------------------------------------------------


def test_never_written_may_be_resized(p, place):
    for shape in ("[10]", "[2000, 3]", "[7]", "[0]", "[5]", "[6]"):
        (p / "x.meta").write_text(f'[array]\ndtype = "int32"\nshape = {shape}\n')
        assert place.array("p", "x").shape == tuple(tomllib.loads(f"s = {shape}")["s"])
        assert not place.array("p", "x").any()
        size = place.array("p", "x").nbytes
        wait_until(lambda size=size: (p / "x").is_symlink() or (p / "x").stat().st_size == size, "the size", 1.0)


def test_written_may_not(p, place):
    (p / "x.meta").write_text('[array]\ndtype = "int32"\nshape = [10]\n')
    with open(p / "x", "r+b") as file:
        file.write(b"1")
    assert refusal(lambda: (p / "x.meta").write_text('[array]\ndtype = "int32"\nshape = [11]\n')) == "EINVAL"
    (p / "x.meta").write_text('[array]\ndtype = "int16"\nshape = [4, 5]\n')
    assert place.array("p", "x")[0, 0] == ord("1")


def test_opened_for_writing_is_enough(raw):
    (raw / "x.meta").write_text('[array]\ndtype = "int32"\nshape = [10]\n')
    os.close(os.open(raw / "x", os.O_WRONLY))
    assert refusal(lambda: (raw / "x.meta").write_text('[array]\ndtype = "int32"\nshape = [11]\n')) == "EINVAL"


def test_a_store_into_the_segment_itself_counts_as_written(p, place):
    (p / "x.meta").write_text('[array]\ndtype = "int32"\nshape = [10]\n')
    place.array("p", "x", mode="r+")[3] = 7
    assert refusal(lambda: (p / "x.meta").write_text('[array]\ndtype = "int32"\nshape = [11]\n')) == "EINVAL"
    assert place.array("p", "x")[3] == 7


def test_an_empty_file_becomes_what_is_said(raw, place):
    (raw / "x").touch()
    (raw / "x.meta").write_text(GOOD)
    assert (raw / "x").stat().st_size == 24000
    assert not place.array("p", "x").any()


def test_an_empty_file_that_somebody_is_about_to_write(raw, place):
    with open(raw / "x", "wb", buffering=0) as file:
        (raw / "x.meta").write_text('[array]\ndtype = "int32"\nshape = [2, 2]\n')
        file.write(np.arange(4, dtype="i4").tobytes())
    assert np.array_equal(place.array("p", "x"), np.arange(4).reshape(2, 2))


def test_an_undeclared_array_is_declared(raw, place):
    (raw / "x").write_bytes(np.arange(6, dtype="f8").tobytes() + b"tail")
    assert "x.meta" not in os.listdir(raw)
    (raw / "x.meta").write_text('[array]\ndtype = "float64"\n')
    array = read(raw / "x.meta")["array"]
    assert (array["shape"], array["rest"]) == ([6], 4)
    (raw / "y").write_bytes((raw / "x").read_bytes())
    (raw / "y.meta").write_text('[array]\ndtype = "float64"\nshape = [3, 2]\nrest = 4\n')
    assert read(raw / "y.meta")["array"]["rest"] == 4
    tools.silent("touch", raw / "z", raw / "z.meta")
    eventually(lambda: "z.meta" in os.listdir(raw))


def test_all_arrays_that_share_an_empty_segment_follow(mount, place):
    with h5.writing(place.files / "shared.h5") as file:
        file["e"] = np.zeros((0, 2), "f4")
        file["f"] = file["e"]
    place.load("q", place.files / "shared.h5").succeeded()
    mount.eventually(lambda: (mount / "q").is_dir(), "the project")
    (mount / "q/e.meta").write_text('[array]\ndtype = "int8"\nshape = [16]\n')
    assert read(mount / "q/e.meta")["array"]["shape"] == [16]
    assert read(mount / "q/f.meta")["array"]["shape"] == [2, 2]
    assert (mount / "q/f").is_symlink() or (mount / "q/f").stat().st_size == 16


def test_no_room(mount, p, place):
    text = '[array]\ndtype = "float64"\nshape = [1000000, 1000000]\n'
    assert refusal(lambda: (p / "x.meta").write_text(text)) == "ENOSPC"
    eventually(lambda: not (p / "x.meta").exists())


def test_no_room_for_another_size(p, place):
    (p / "x.meta").write_text('[array]\ndtype = "int32"\nshape = [10]\n')
    before = (p / "x.meta").read_text(), place.segment("p", "x"), place.segments()
    text = '[array]\ndtype = "float64"\nshape = [1000000, 1000000]\n'
    assert refusal(lambda: (p / "x.meta").write_text(text)) == "ENOSPC"
    assert read(p / "x.meta")["array"]["shape"] == [10]
    assert (p / "x.meta").read_text().startswith(before[0])
    assert (place.segment("p", "x"), place.segments()) == before[1:]
    assert (p / "x").read_bytes() == bytes(40)


# --- removing and renaming --------------------------------------------------------------------------------------------


def test_removing_it_drops_the_attributes_and_keeps_the_array(p, place):
    os.unlink(p / "a.meta")
    assert "a.meta" not in os.listdir(p) and not (p / "a.meta").exists()
    leaf = place_leaf(place, "a", lambda leaf: leaf["attrs"] == {})
    assert (leaf["dtype"], leaf["shape"], leaf["declared"]) == ("int64", [3, 4], False)
    (p / "a.meta").write_text("[attrs]\nx = 1\n")
    document = read(p / "a.meta")
    assert (document["array"]["shape"], document["attrs"]) == ([3, 4], {"x": 1})


def test_removing_one_without_attributes(p, place):
    os.unlink(p / "one.meta")
    assert "one.meta" not in os.listdir(p) and not (p / "one.meta").exists()
    assert (p / "one").exists()


def test_removing_that_of_a_group(p):
    (p / "b/.meta").write_text('[group]\nkind = "k"\n[attrs]\nx = 1\n')
    os.unlink(p / "b/.meta")
    assert not (p / "b/.meta").exists()


def test_renaming_it_away_leaves_a_copy_of_its_text(p, place):
    text = (p / "a.meta").read_text()
    os.rename(p / "a.meta", p / "a.meta~")
    assert (p / "a.meta").read_text() == text
    assert (p / "a.meta~").read_text() == text
    assert "a.meta~.meta" not in os.listdir(p)
    assert (p / "a").stat().st_size == 96 or (p / "a").is_symlink()
    os.rename(p / "a.meta", p / "a.meta~")
    assert (p / "a.meta~").read_text() == text


def test_renaming_the_copy_back_is_writing_it(p):
    os.rename(p / "a.meta", p / "copy")
    (p / "a.meta").write_text("[attrs]\nother = 1\n")
    os.rename(p / "copy", p / "a.meta")
    wait_until(lambda: read(p / "a.meta").get("attrs") == {"units": "m"}, "the text")
    assert not (p / "copy").exists()
    assert "copy" not in os.listdir(p)


def test_renaming_it_onto_another_writes_that(p):
    (p / "x.meta").write_text('[array]\ndtype = "int64"\nshape = [12]\n')
    os.rename(p / "a.meta", p / "x.meta")
    wait_until(lambda: read(p / "x.meta")["array"]["shape"] == [3, 4], "the text")
    assert read(p / "a.meta")["attrs"] == read(p / "x.meta")["attrs"] == {"units": "m"}


def rename(source, target, flags):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(-100, os.fsencode(source), -100, os.fsencode(target), flags) < 0:
        raise OSError(ctypes.get_errno(), "renameat2")


def test_noreplace_and_exchange(p):
    os.rename(p / "one.meta", p / "t")
    assert refusal(lambda: rename(p / "t", p / "a.meta", NOREPLACE)) == "EEXIST"
    assert refusal(lambda: rename(p / "a.meta", p / "t", NOREPLACE)) == "EEXIST"
    assert refusal(lambda: rename(p / "a.meta", p / "one.meta", NOREPLACE)) == "EEXIST"
    for one, other in (("t", "a.meta"), ("a.meta", "t"), ("a.meta", "one.meta")):
        assert refusal(lambda one=one, other=other: rename(p / one, p / other, EXCHANGE)) == "EINVAL"
    rename(p / "a.meta", p / "new", NOREPLACE)
    assert (p / "new").read_text() == (p / "a.meta").read_text()
    assert read(p / "a.meta")["attrs"] == {"units": "m"}


def test_renames_that_make_no_sense(p):
    assert refusal(lambda: os.rename(p / "a", p / "one.meta")) == "EINVAL"  # numbers are no text
    assert refusal(lambda: os.rename(p / "a.meta", p / "a")) == "EINVAL"  # the text in place of the numbers
    assert refusal(lambda: os.rename(p / "a.meta", p / "x.npy")) == "EINVAL"
    assert refusal(lambda: os.rename(p / "a.meta", p / "b")) in ("EISDIR", "ENOTDIR")
    assert refusal(lambda: os.rename(p / "a.meta", p / "b.meta")) == "EISDIR"
    assert (p / "a").exists() and read(p / "a.meta")["attrs"] == {"units": "m"}


def test_a_text_moved_into_another_group(p):
    os.rename(p / "a.meta", p / "b/text")
    (p / "x.meta").write_text('[array]\ndtype = "int64"\nshape = [3, 4]\n')
    os.rename(p / "b/text", p / "x.meta")
    wait_until(lambda: read(p / "x.meta").get("attrs") == {"units": "m"}, "the text")
    assert "text" not in os.listdir(p / "b")


def test_a_text_goes_onto_a_sidecar_of_another_project_as_from_another_disk(raw, place):
    place.publish("other", {"c": np.arange(3)})
    other = raw.parent / "other"
    wait_until(lambda: (other / "c").exists(), "the other project")
    (raw / "t").write_text("[attrs]\nby = 'mv'\n")
    assert refusal(lambda: os.replace(raw / "t", other / "c.meta")) == "EXDEV"
    assert (raw / "t").exists() and "attrs" not in read(other / "c.meta")
    tools.silent("mv", raw / "t", other / "c.meta")
    assert read(other / "c.meta")["attrs"] == {"by": "mv"}
    assert read(other / "c.meta")["array"]["shape"] == [3]
    assert not (raw / "t").exists()


# --- editors ----------------------------------------------------------------------------------------------------------


def test_sed_i(raw):
    tools.silent("sed", "-i", 's/"m"/"km"/', raw / "a.meta")
    wait_until(lambda: read(raw / "a.meta").get("attrs") == {"units": "km"}, "sed")
    assert [name for name in os.listdir(raw) if name.startswith("sed")] == []


def test_sed_i_with_a_backup(raw):
    before = (raw / "a.meta").read_text()
    tools.silent("sed", "-i.bak", 's/"m"/"km"/', raw / "a.meta")
    wait_until(lambda: read(raw / "a.meta").get("attrs") == {"units": "km"}, "sed")
    assert (raw / "a.meta.bak").read_text() == before


def on_a_terminal(command, keys, directory):
    """Types the keys once the program shows something; its exit status."""
    pid, terminal = pty.fork()
    if pid == 0:
        try:
            os.chdir(directory)
            os.execvpe(command[0], command, {**os.environ, "TERM": "vt100", "LC_ALL": "C.UTF-8"})
        finally:
            os._exit(127)
    try:
        shown = os.read(terminal, 65536)
        assert shown
        os.write(terminal, keys)
        with contextlib.suppress(OSError):  # EIO: it has ended
            while os.read(terminal, 65536):
                pass
    finally:
        os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_nano(p):
    """It writes in place: replaces all, writes, leaves."""
    if not shutil.which("nano"):
        lacking("no nano")
    keys = b'\x1c"m"\r"km"\ra\x0f\r\x18'
    assert on_a_terminal(["nano", "--ignorercfiles", "a.meta"], keys, p) == 0
    wait_until(lambda: read(p / "a.meta").get("attrs") == {"units": "km"}, "nano")


@pytest.mark.parametrize("backupcopy", ["yes", "no", "auto"])
@pytest.mark.parametrize("backup", ["backup", "nobackup"])
def test_vim(raw, backupcopy, backup):
    if not shutil.which("vim"):
        lacking("no vim")
    options = f"set {backup} writebackup backupcopy={backupcopy} backupdir=. backupskip="
    command = ["vim", "-u", "NONE", "-n", "-es", "-c", options]
    done = tools.run(*command, "-c", '%s/"m"/"km"/', "-c", "wq", "a.meta", cwd=raw)
    assert done.returncode == 0, done
    wait_until(lambda: read(raw / "a.meta").get("attrs") == {"units": "km"}, "vim")
    left = {"a.meta~"} if backup == "backup" else set()
    assert set(os.listdir(raw)) - {".meta", "a", "a.meta", "b", "one", "one.meta"} == left


@pytest.mark.parametrize("command", ["wq", "w | w | q"])
def test_vim_where_it_can_make_no_other_files(p, command):
    """With links nothing can be made beside it: vim then writes over it."""
    if not shutil.which("vim"):
        lacking("no vim")
    done = tools.run("vim", "-u", "NONE", "-n", "-es", "-c", '%s/"m"/"km"/', "-c", command, "a.meta", cwd=p)
    assert done.returncode == 0, done
    wait_until(lambda: read(p / "a.meta").get("attrs") == {"units": "km"}, "vim")


def test_vim_with_a_swap_file_makes_an_array(raw):
    if not shutil.which("vim"):
        lacking("no vim")
    lines = 'call setline(1, ["[array]", "dtype = \\"int8\\"", "shape = [5]"])'
    done = tools.run("vim", "-u", "NONE", "-es", "-c", lines, "-c", "wq", "new.meta", cwd=raw)
    assert done.returncode == 0, done
    assert (raw / "new").stat().st_size == 5
    assert set(os.listdir(raw)) - {".meta", "a", "a.meta", "b", "one", "one.meta"} == {"new", "new.meta"}


def test_nano_as_it_writes(p):
    """Opens for reading and writing at once, writes over it, and cuts it."""
    text = (p / "a.meta").read_text().replace('"m"', '"km"')
    fd = os.open(p / "a.meta", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    for line in text.splitlines(keepends=True):
        os.write(fd, line.encode())
    os.fsync(fd)
    os.close(fd)
    assert read(p / "a.meta")["attrs"] == {"units": "km"}


# --- the peer, many arrays, and kills ---------------------------------------------------------------------------------


def test_attributes_set_changed_and_removed_reach_the_manifest_and_so_the_peer(p, place):
    def attributes():
        return tomllib.loads(place.manifest_path("p").read_text())["a"]["attrs"]

    for text, expected in (('x = 1', {"x": 1}), ('x = 2\ny = "z"', {"x": 2, "y": "z"}), ("", {})):
        (p / "a.meta").write_text(f"[attrs]\n{text}\n")
        wait_until(lambda expected=expected: attributes() == expected, "the manifest")


def test_one_journal_line_in_a_big_project(mount, place):
    place.publish("many", {f"x{number}": np.zeros(1, "u1") for number in range(3000)})
    mount.eventually(lambda: (mount / "many/x7.meta").exists(), "the project")
    size = place.manifest_path("many").stat().st_size
    assert size > 65536
    (mount / "many/x7.meta").write_text("[attrs]\nx = 1\n")  # it gets its generation
    eventually(lambda: "generation" in place.manifest_path("many").read_text())
    wait_until(lambda: not (place.registry / ".journal.many").exists(), "folding", 5.0)
    before = place.manifest_path("many").stat()
    (mount / "many/x7.meta").write_text("[attrs]\nx = 2\n")
    journal = place.registry / ".journal.many"
    lines = journal.read_bytes().count(b"\n") if journal.exists() else 1
    assert lines == 1
    wait_until(lambda: place.manifest("many").at("x7")["attrs"] == {"x": 2}, "folding", 5.0)
    assert place.manifest_path("many").stat().st_ino != before.st_ino


def test_kill_at_any_moment_leaves_the_state_before_or_after(unstarted, place, sample):
    mount = unstarted
    for attempt in range(6):
        mount.start()
        stop = threading.Event()
        threading.Timer(0.05 + 0.02 * attempt, lambda: (mount.process.kill(), stop.set())).start()
        number = 0
        while not stop.is_set() and number < 2000:
            number += 1
            try:
                shape = number % 50 + 1
                text = f'[array]\ndtype = "int8"\nshape = [{shape}]\n[attrs]\nn = {shape}\n'
                (mount / f"p/k{number % 7}.meta").write_text(text)
            except OSError:
                pass
        stop.wait(10)
        mount.process.wait(20)
        mount.process = None
        mount.start()
        for name in os.listdir(mount / "p"):
            if name.startswith("k") and name.endswith(".meta"):
                document = read(mount / "p" / name)
                assert document["array"]["shape"] == [document["attrs"]["n"]]
                assert "state" not in document["array"]
        mount.stop()
        place.assert_consistent()


# --- who and how much -------------------------------------------------------------------------------------------------


def test_another_users_undeclared_array_is_not_declared(raw, place, access):
    if not access.as_root:
        pytest.skip("one user only")
    (raw / "x").write_bytes(b"12345678")
    os.chmod(raw / "x", 0o600)
    os.chmod(place.manifest_path("p"), 0o777)
    wait_until(lambda: raw.stat().st_mode & 0o777 == 0o777, "the mode")

    def attempt():
        try:
            (raw / "x.meta").write_text('[array]\ndtype = "float64"\n')
        except OSError as error:
            return error.errno
        return 0

    assert users.nobody.run(attempt) == errno.EACCES
    assert users.nobody.run(lambda: (raw / "mine.meta").write_text('[array]\ndtype = "int8"\nshape = [3]\n')) > 0
    assert place.segment("p", "mine").stat().st_uid == users.nobody.uid


def test_another_users_sidecar_is_neither_read_nor_written_by_renaming(mount, p, place, access):
    if not access.as_root:
        pytest.skip("one user only")
    os.chmod(place.manifest_path("p"), 0o777)
    wait_until(lambda: p.stat().st_mode & 0o777 == 0o777, "the mode")

    def attempt(act):
        try:
            act()
        except OSError as error:
            return error.errno
        return 0

    def write_own():
        (p / "own.meta").write_text('[array]\ndtype = "int8"\nshape = [2]\n')
        os.rename(p / "own.meta", p / "text")

    assert users.nobody.run(lambda: attempt(lambda: os.rename(p / "a.meta", p / "leak"))) == errno.EACCES
    assert users.nobody.run(lambda: attempt(write_own)) == 0
    assert users.nobody.run(lambda: attempt(lambda: os.rename(p / "text", p / "a.meta"))) == errno.EACCES
    assert users.nobody.run(lambda: attempt(lambda: (p / "a.meta").write_text(""))) == errno.EACCES
    assert place.segment("p", "own").stat().st_uid == place.segment("p", "text").stat().st_uid == users.nobody.uid
    assert read(p / "a.meta")["attrs"] == {"units": "m"}
