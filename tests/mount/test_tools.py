# SPDX-License-Identifier: MIT
"""The tools that people use on files do to arrays what they do to files, end with status 0 and say nothing."""

import os
import shutil
import tomllib

import numpy as np
import pytest

from support import h5, tools
from support.demands import lacking

ARRAYS = 20


@pytest.fixture
def flat(mount, place):
    """A project without groups, with attributes of arrays and its own."""
    with h5.writing(place.files / "flat.h5") as file:
        file.attrs["of"] = "the project"
        for number in range(ARRAYS):
            file[f"x{number}"] = np.arange(number)
            file[f"x{number}"].attrs["n"] = number
    place.load("p", place.files / "flat.h5").succeeded()
    return mount / "p"


@pytest.fixture
def raw(mount):
    """The mount, where raw files can be made."""
    if mount.symlinks:
        pytest.skip("raw files are not made through symbolic links")
    return mount


def shown(folder):
    return {name for name in os.listdir(folder) if not name.endswith(".meta")}


def attributes(sidecar):
    return tomllib.loads(sidecar.read_text()).get("attrs", {})


def dtype_and_shape(array):
    document = tomllib.loads(array.with_name(array.name + ".meta").read_text())["array"]
    return document["dtype"], document["shape"]


# --- removing ---------------------------------------------------------------------------------------------------------

REMOVALS = {
    "rm -r": "rm -r p",
    "rm all, then rmdir": "rm p/* && rmdir p",
    "rm all and the hidden, then rmdir": "rm p/* p/.meta && rmdir p",
    "find -delete": "find p -delete",
    "find -exec rm +": "find p -type f -exec rm {} + && rmdir p",
    "find with xargs": "find p ! -type d -print0 | xargs -0 rm && rmdir p",
    "rm -v": "rm -rv p > /dev/null",
    "unlink": "for f in p/x?  p/x??; do unlink $f; done && rmdir p",
}


@pytest.mark.parametrize("way", REMOVALS)
def test_removing_everything_succeeds(mount, place, flat, way):
    if mount.symlinks and "-type f" in REMOVALS[way]:
        pytest.skip("a link is no file")
    tools.shell(REMOVALS[way], mount.path)
    assert os.listdir(mount.path) == []
    place.assert_nothing_published()


def test_each_name_by_a_process_of_its_own(mount, flat):
    """The sidecar has gone with its array for everybody else, at once."""
    tools.shell('for f in *; do if [ -e "$f" ] || [ -L "$f" ]; then rm "$f"; fi; done', flat)
    assert shown(flat) == set()


def test_an_unlinked_sidecar_of_a_project_is_gone_until_something_is_declared(mount, place, flat):
    tools.shell("rm .meta && [ ! -e .meta ]", flat)
    assert ".meta" not in os.listdir(flat)
    with open(flat / ".meta", "x") as file:
        file.write("[attrs]\nnew = 1\n")
    assert attributes(flat / ".meta") == {"new": 1}
    assert "source = " in (flat / ".meta").read_text()


def test_rm_names_the_sidecars_too(mount, place, flat):
    tools.shell("rm x1 x1.meta x2.meta x2", flat)
    assert shown(flat) == {f"x{number}" for number in range(ARRAYS)} - {"x1", "x2"}


def test_rsync_delete_into_the_mount(raw, place, flat):
    if not shutil.which("rsync"):
        lacking("no rsync")
    tools.silent("rsync", "-a", f"{flat}/", place.files / "out")
    for name in ("x3", "x3.meta", "x4", "x4.meta"):
        (place.files / "out" / name).unlink()
    tools.silent("rsync", "-a", "--delete", f"{place.files / 'out'}/", f"{flat}/")
    assert shown(flat) == {f"x{number}" for number in range(ARRAYS)} - {"x3", "x4"}
    tools.shell(f"mkdir {place.files}/none && rsync -r --delete {place.files}/none/ {flat}/", raw.path)
    assert shown(flat) == set()
    assert place.segments() == set()


def test_rsync_delete_out_of_the_mount(mount, place, flat):
    if not shutil.which("rsync"):
        lacking("no rsync")
    out = place.files / "out"
    tools.silent("rsync", "-aL", f"{flat}/", out)
    os.unlink(flat / "x3")
    tools.silent("rsync", "-aL", "--delete", f"{flat}/", out)
    assert sorted(os.listdir(out)) == sorted(os.listdir(flat))


# --- moving -----------------------------------------------------------------------------------------------------------


def test_mv_of_all_to_another_project(mount, place, flat):
    """The shell names arrays and sidecars, in this order and so that the sidecars have gone already."""
    tools.shell("mkdir q && mv p/* q/", mount.path)
    assert shown(flat) == set()
    assert shown(mount / "q") == {f"x{number}" for number in range(ARRAYS)}
    assert attributes(mount / "q/x7.meta") == {"n": 7}
    assert dtype_and_shape(mount / "q/x7") == ("int64", [7])
    place.assert_consistent()


@pytest.mark.parametrize("names", ["x5 x5.meta", "x5.meta x5", "x5", "-t ../q x5 x5.meta"])
def test_mv_of_an_array_and_its_sidecar(mount, place, flat, names):
    if names == "x5.meta x5":
        pytest.skip("a sidecar that goes first leaves its array and is a file of its own")
    target = "" if "-t" in names else "../q/"
    tools.shell(f"mkdir ../q && mv {names} {target}", flat)
    assert "x5" not in shown(flat)
    assert attributes(mount / "q/x5.meta") == {"n": 5}


def test_mv_of_a_group_and_of_a_project(mount, place, sample):
    tools.shell("mv p/b p/c && mv p q && mv q/c/deep q/deep && mv q/deep r && mv r q/r", mount.path)
    assert sorted(shown(mount / "q")) == ["a", "c", "one", "r"]
    assert (mount / "q/r/flags").read_bytes() == b"\1\0\1"
    assert attributes(mount / "q/c/.meta") == {"note": "a group"}
    place.assert_consistent()


def test_mv_over_another_array(mount, place, flat):
    tools.shell("mv -f x5 x6 && mv --no-clobber x7 x8", flat)
    assert dtype_and_shape(flat / "x6") == ("int64", [5])
    assert attributes(flat / "x6.meta") == {"n": 5}
    assert dtype_and_shape(flat / "x8") == ("int64", [8])


def test_mv_into_and_out_of_the_mount(raw, place, flat):
    """To another file system mv copies and removes."""
    tools.shell(f"mv x5 {place.files}/ && mv {place.files}/x5 y5", flat)
    assert (flat / "y5").read_bytes() == np.arange(5).tobytes()
    assert "x5" not in shown(flat)


@pytest.mark.parametrize("command", ["mv x5 x5.meta {out}", "mv x5* {out}", "mv * {out}", "rsync -a --remove-source-files . {out}"])
def test_an_array_moved_away_with_its_sidecar_takes_that_along(raw, place, flat, command):
    """Its name goes first, and the sidecar with it: for a moment what it said can still be read."""
    (flat / "x5.meta").write_text("[attrs]\nn = 5\n")
    out = place.files / "out"
    out.mkdir()
    tools.shell(command.format(out=out) + ("/" if "rsync" in command else ""), flat)
    assert (out / "x5").read_bytes() == np.arange(5).tobytes()
    assert dtype_and_shape(out / "x5") == ("int64", [5])
    assert attributes(out / "x5.meta") == {"n": 5}
    assert not {"x5", "x5.meta"} & set(shown(flat))
    tools.silent("cp", out / "x5.meta", out / "x5", flat)
    mounted = flat / "x5"
    assert mounted.read_bytes() == np.arange(5).tobytes()
    assert attributes(flat / "x5.meta") == {"n": 5}


# --- copying ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["--reflink=auto", "--reflink=never", "--sparse=always", "--sparse=never", "-a", "-f", "-u", "-n"])
def test_cp_of_an_array(raw, flat, option):
    tools.silent("cp", option, "x9", "copy", cwd=flat)
    assert (flat / "copy").read_bytes() == np.arange(9).tobytes()


def test_cp_onto_an_array_keeps_its_type(raw, flat):
    tools.silent("cp", "x9", "x10", cwd=flat)
    assert dtype_and_shape(flat / "x10") == ("int64", [9])
    assert attributes(flat / "x10.meta") == {"n": 10}


def test_cp_of_an_array_and_its_sidecar_under_other_names(raw, flat):
    tools.shell("cp x9 y && cp x9.meta y.meta && cp x8.meta z.meta && cp x8 z", flat)
    assert dtype_and_shape(flat / "y") == ("int64", [9]) and attributes(flat / "y.meta") == {"n": 9}
    assert dtype_and_shape(flat / "z") == ("int64", [8]) and attributes(flat / "z.meta") == {"n": 8}


def test_cp_makes_links(raw, flat):
    tools.shell("cp -l x9 linked && ln x8 another", flat)
    assert (flat / "linked").stat().st_ino == (flat / "x9").stat().st_ino
    assert (flat / "another").stat().st_nlink == 2


def test_cp_of_a_sparse_file(raw, place):
    with open(place.files / "sparse", "wb") as file:
        file.truncate(3 << 20)
        file.seek(1 << 20)
        file.write(b"data")
    (raw / "p").mkdir()
    tools.silent("cp", "--sparse=always", place.files / "sparse", raw / "p/x")
    tools.silent("cmp", place.files / "sparse", raw / "p/x")


@pytest.mark.parametrize("size", [0, 1, 4096, 100_001])
def test_dd_into_and_out_of_an_array(raw, place, size):
    data = os.urandom(size)
    (place.files / "in").write_bytes(data)
    (raw / "p").mkdir()
    tools.silent("dd", f"if={place.files / 'in'}", "of=p/x", "bs=4096", "status=none", "conv=fsync", cwd=raw.path)
    tools.silent("dd", "if=p/x", f"of={place.files / 'out'}", "bs=1000", "status=none", cwd=raw.path)
    assert (place.files / "out").read_bytes() == data


def test_dd_into_the_middle(raw, flat):
    tools.shell("printf '\\001' | dd of=x9 bs=1 seek=8 conv=notrunc status=none", flat)
    expected = np.arange(9)
    expected[1] = 1
    assert np.array_equal(np.fromfile(flat / "x9", "i8"), expected)


def test_dd_with_direct_input_and_output(raw, place):
    (raw / "p").mkdir()
    tools.shell("dd if=/dev/zero of=p/x bs=4096 count=4 oflag=direct status=none", raw.path)
    tools.shell("dd if=p/x of=p/y bs=4096 iflag=direct oflag=direct status=none && cmp p/x p/y", raw.path)


def test_install(raw, place, flat):
    (place.files / "f").write_bytes(b"content")
    tools.silent("install", "-m", "0640", place.files / "f", flat / "installed")
    assert (flat / "installed").stat().st_mode & 0o777 == 0o640
    tools.silent("install", "-m", "0600", place.files / "f", flat / "installed")
    assert (flat / "installed").read_bytes() == b"content"


def test_tar_into_and_over_what_is_there(raw, place, flat):
    tools.silent("tar", "-C", raw.path, "-cf", place.files / "p.tar", "p")
    os.unlink(flat / "x3")
    tools.silent("tar", "-C", raw.path, "-xf", place.files / "p.tar")
    assert shown(flat) == {f"x{number}" for number in range(ARRAYS)}
    assert attributes(flat / "x3.meta") == {"n": 3}
    tools.silent("tar", "-C", raw.path, "--compare", "-f", place.files / "p.tar", "--exclude=*.meta")
    tools.shell("rm -r p && tar --overwrite -xf ../files/p.tar", raw.path)
    assert attributes(flat / ".meta") == {"of": "the project"}


def test_tar_keeps_modes_and_times(raw, place, flat):
    os.chmod(flat / "x5", 0o640)
    os.utime(flat / "x5", (1_000_000_000, 1_000_000_000))
    tools.shell("tar -cf ../files/p.tar p && rm -r p && tar -xpf ../files/p.tar", raw.path)
    status = (flat / "x5").stat()
    assert (status.st_mode & 0o777, status.st_mtime) == (0o640, 1_000_000_000)


def test_cpio_and_pax_are_not_needed_for_what_the_shell_can(raw, flat):
    tools.shell("for f in x?; do cat $f > copy-$f; done && cmp x9 copy-x9", flat)


# --- writing ----------------------------------------------------------------------------------------------------------


def test_touch_makes_and_dates(raw, flat):
    tools.shell("touch new && touch new && touch -d @1000000000 new x5 && touch x5.meta .meta", flat)
    assert (flat / "new").stat().st_size == 0
    assert (flat / "new").stat().st_mtime == (flat / "x5").stat().st_mtime == 1_000_000_000


def test_touch_of_sidecars_and_directories(mount, flat):
    before = (flat / "x5.meta").read_text()
    tools.shell("touch x5.meta . && chmod 600 x5.meta && mkdir g && touch g && chmod 700 g", flat)
    assert (flat / "x5.meta").read_text() == before


def test_tee_and_the_shell_write(raw, flat):
    tools.shell("printf one | tee t > /dev/null && printf two | tee -a t > /dev/null && printf three >> t", flat)
    assert (flat / "t").read_bytes() == b"onetwothree"
    tools.shell("printf four > t", flat)
    assert (flat / "t").read_bytes() == b"four"
    assert "t.meta" not in os.listdir(flat)


def test_truncate_and_fallocate(raw, flat):
    tools.shell("truncate -s 24 x9 && fallocate -l 48 x5 && truncate -s +8 x6", flat)
    assert dtype_and_shape(flat / "x9") == ("int64", [3])
    assert dtype_and_shape(flat / "x5") == ("int64", [6])
    assert dtype_and_shape(flat / "x6") == ("int64", [7])


def test_an_array_is_made_from_a_shell_script(mount, place):
    """As the README says."""
    script = 'mkdir sim && printf \'[array]\\ndtype = "float64"\\nshape = [1000, 3]\\n\' > sim/pos.meta'
    tools.shell(script, mount.path)
    assert (mount / "sim/pos").read_bytes() == bytes(24_000)
    assert dtype_and_shape(mount / "sim/pos") == ("float64", [1000, 3])
    assert place.segment("sim", "pos").stat().st_blocks * 512 >= 24_000


def test_sed_i_of_a_sidecar(raw, flat):
    tools.silent("sed", "-i", "s/^n = 5/n = 55/", "x5.meta", cwd=flat)
    assert attributes(flat / "x5.meta") == {"n": 55}
    assert dtype_and_shape(flat / "x5") == ("int64", [5])
    assert sorted(name for name in os.listdir(flat) if name.startswith("sed")) == []


def test_sed_i_with_a_backup(raw, flat):
    tools.silent("sed", "-i.old", "s/^n = 5/n = 55/", "x5.meta", cwd=flat)
    assert attributes(flat / "x5.meta") == {"n": 55}
    assert b"n = 5\n" in (flat / "x5.meta.old").read_bytes()


def test_a_text_is_appended_to_a_sidecar(mount, flat):
    tools.shell("echo 'units = \"m\"' >> x5.meta", flat)
    assert attributes(flat / "x5.meta") == {"n": 5, "units": "m"}
    tools.shell("echo 'more = 1' | tee -a x5.meta > /dev/null", flat)
    assert attributes(flat / "x5.meta") == {"n": 5, "units": "m", "more": 1}


def test_a_sidecar_is_replaced_by_the_shell(mount, flat):
    tools.shell("printf '[attrs]\\nunits = \"m\"\\n' > x5.meta", flat)
    assert attributes(flat / "x5.meta") == {"units": "m"}
    assert dtype_and_shape(flat / "x5") == ("int64", [5])


def test_ed_like_editors_write_a_copy_and_rename(raw, flat):
    text = (flat / "x5.meta").read_text().replace("n = 5", "n = 56")
    (flat / ".x5.meta.tmp").write_text(text)
    assert ".x5.meta.tmp" in os.listdir(flat)
    os.rename(flat / ".x5.meta.tmp", flat / "x5.meta")
    assert attributes(flat / "x5.meta") == {"n": 56}
    assert ".x5.meta.tmp" not in os.listdir(flat)


@pytest.mark.parametrize("options", ["", "+set\\ backupcopy=yes", "+set\\ backupcopy=no\\ backup\\ nowritebackup", "+set\\ nofsync"])
def test_vim_edits_a_sidecar(raw, flat, options):
    if not shutil.which("vim"):
        pytest.skip("no vim")
    tools.shell(f"vim -u NONE -i NONE -n -es {options} '+%s/^n = 5$/n = 57/' '+wq' x5.meta", flat)
    assert attributes(flat / "x5.meta") == {"n": 57}


# --- programs' own ways -----------------------------------------------------------------------------------------------


def lock_and_rename(path, content):
    """As git does with its index."""
    lock = path.with_name(path.name + ".lock")
    fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with pytest.raises(FileExistsError):
            os.open(lock, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        assert os.write(fd, content) == len(content)
        os.fsync(fd)
    finally:
        os.close(fd)
    os.rename(lock, path)


def test_lock_write_and_rename(raw, flat):
    for number in range(3):
        lock_and_rename(flat / "index", bytes([number]) * 100)
        assert (flat / "index").read_bytes() == bytes([number]) * 100
    assert "index.lock" not in os.listdir(flat)


def test_lock_write_and_rename_onto_a_declared_array(raw, flat):
    """It takes over type, trailing shape and attributes."""
    lock_and_rename(flat / "x9", np.arange(4).tobytes())
    assert dtype_and_shape(flat / "x9") == ("int64", [4])
    assert attributes(flat / "x9.meta") == {"n": 9}


def test_a_temporary_file_of_python_becomes_an_array(raw, flat):
    import tempfile

    with tempfile.NamedTemporaryFile(dir=flat, delete=False) as file:
        file.write(b"12345678")
        file.flush()
        os.fsync(file.fileno())
    os.replace(file.name, flat / "x9")
    assert dtype_and_shape(flat / "x9") == ("int64", [1])


def test_link_and_unlink_as_mail_programs_lock(raw, flat):
    (flat / "mine").write_bytes(b"1")
    os.link(flat / "mine", flat / "the-lock")
    with pytest.raises(FileExistsError):
        os.link(flat / "mine", flat / "the-lock")
    assert (flat / "mine").stat().st_nlink == 2
    os.unlink(flat / "mine")
    assert (flat / "the-lock").stat().st_nlink == 1
    assert (flat / "the-lock").read_bytes() == b"1"


def test_looking_tools_say_nothing(mount, flat):
    tools.shell("ls -laR . && stat * .meta && du -a . && file -L x? > /dev/null 2>&1 || true; wc -c * && sync .", flat)


def test_du_counts_the_memory_that_is_used(raw, flat):
    tools.shell("truncate -s 1M sparse && fallocate -l 1M dense", flat)
    sparse, dense = (int(tools.silent("du", "-B1", flat / name).split()[0]) for name in ("sparse", "dense"))
    assert dense >= 1 << 20
    assert sparse in (0, dense)  # reserved when it was sized, or not at all


def test_copies_of_many_arrays_at_a_time(raw, place, flat):
    tools.shell(f"mkdir q && ls p | xargs -P 4 -I{{}} cp p/{{}} q/{{}}", raw.path)
    assert shown(raw / "q") == shown(flat)
    assert dtype_and_shape(raw / "q/x9") == ("int64", [9])
    assert attributes(raw / "q/x9.meta") == {"n": 9}
