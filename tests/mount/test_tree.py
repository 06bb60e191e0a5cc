# SPDX-License-Identifier: MIT
"""What a person or program sees: directories, sizes, owners, modes, times."""

import os
import stat

import numpy as np
import pytest

from support import h5, tools

TREE = {"p", "p/.meta", "p/a", "p/a.meta", "p/b", "p/b/.meta", "p/b/b1", "p/b/b1.meta", "p/b/deep", "p/b/deep/flags",
        "p/b/deep/flags.meta", "p/one", "p/one.meta"}  # fmt: skip
ARRAYS = {"a": ("a",), "b/b1": ("b", "b1"), "b/deep/flags": ("b", "deep", "flags"), "one": ("one",)}


def test_an_empty_registry_is_an_empty_directory(mount):
    assert os.listdir(mount.path) == []


def test_find_sees_every_project_group_array_and_sidecar(mount, sample):
    found = set(tools.silent("find", ".", "-mindepth", "1", cwd=mount.path).split())
    assert found == {f"./{path}" for path in TREE}


def test_listing_gives_the_types(mount, sample):
    def kinds(folder):
        return {entry.name: stat.S_IFMT(entry.stat(follow_symlinks=False).st_mode) for entry in os.scandir(folder)}

    array = stat.S_IFLNK if mount.symlinks else stat.S_IFREG
    assert kinds(mount.path) == {"p": stat.S_IFDIR}
    assert kinds(mount / "p") == {".meta": stat.S_IFREG, "a": array, "a.meta": stat.S_IFREG, "b": stat.S_IFDIR,
                                  "one": array, "one.meta": stat.S_IFREG}  # fmt: skip
    for entry in os.scandir(mount / "p"):
        mode = entry.stat(follow_symlinks=False).st_mode
        assert entry.is_dir(follow_symlinks=False) == stat.S_ISDIR(mode)
        assert entry.is_symlink() == stat.S_ISLNK(mode)


def test_reading_gives_the_bytes_of_the_array(mount, sample):
    for array, path in ARRAYS.items():
        expected = h5.read(sample, *path)
        assert (mount / "p" / array).read_bytes() == expected.tobytes()
        assert np.array_equal(np.fromfile(mount / "p" / array, expected.dtype), expected.reshape(-1))


def test_size_blocks_owner_mode_and_times_are_those_of_the_segment(mount, place, sample):
    for array, path in ARRAYS.items():
        segment = place.segment("p", *path).stat()
        there = (mount / "p" / array).stat()
        for name in ("st_size", "st_blocks", "st_uid", "st_gid", "st_mode", "st_mtime_ns", "st_ctime_ns", "st_nlink"):
            assert getattr(there, name) == getattr(segment, name), (array, name)


def test_a_mode_and_time_changed_on_the_segment_show(mount, place, sample):
    (mount / "p/a").stat()
    os.chmod(place.segment("p", "a"), 0o640)
    os.utime(place.segment("p", "a"), (10, 20))
    mount.eventually(lambda: oct((mount / "p/a").stat().st_mode & 0o777) == "0o640", "the mode")
    mount.eventually(lambda: (mount / "p/a").stat().st_mtime == 20, "the time")


def test_directories_have_the_owner_and_mode_of_the_manifest(mount, place, sample):
    manifest = place.manifest_path("p")
    for mode, shown in ((0o600, 0o700), (0o640, 0o750), (0o644, 0o755), (0o664, 0o775)):
        manifest.chmod(mode)
        mount.eventually(lambda shown=shown: oct((mount / "p").stat().st_mode & 0o7777) == oct(shown), f"{mode:o}")
        assert oct((mount / "p/b").stat().st_mode & 0o7777) == oct(shown)
    assert (mount / "p/b").stat().st_uid == manifest.stat().st_uid
    assert (mount / "p/b").stat().st_gid == manifest.stat().st_gid
    manifest.chmod(0o600)


def test_the_root_belongs_to_the_daemons_user_and_is_sticky(mount, place):
    status = os.stat(mount.path)
    assert oct(status.st_mode) == "0o41777"
    assert status.st_uid == (place.identity.uid if place.identity else os.getuid())


def test_sidecars_show_owner_and_mode_of_their_array(mount, place, sample):
    for array in ARRAYS:
        data, sidecar = (mount / "p" / array).stat(), (mount / "p" / f"{array}.meta").stat()
        assert (sidecar.st_uid, sidecar.st_gid, sidecar.st_mode) == (data.st_uid, data.st_gid, data.st_mode)


def test_directories_count_their_links(mount, sample):
    assert os.stat(mount.path).st_nlink == 3
    assert (mount / "p").stat().st_nlink == 3
    assert (mount / "p/b").stat().st_nlink == 3
    assert (mount / "p/b/deep").stat().st_nlink == 2


def test_inode_numbers_are_stable_and_distinct(mount, sample):
    def numbers():
        return {path: os.stat(mount / path, follow_symlinks=False).st_ino for path in TREE}

    first = numbers()
    assert len(set(first.values())) == len(TREE)
    assert numbers() == first
    for entry in os.scandir(mount / "p"):
        assert entry.inode() == first[f"p/{entry.name}"]


def test_an_arrays_number_is_twice_its_segments_and_its_sidecars_the_next(mount, place, sample):
    for array, path in ARRAYS.items():
        number = os.lstat(mount / "p" / array).st_ino
        assert number == 2 * place.segment("p", *path).stat().st_ino, array
        assert os.lstat(mount / f"p/{array}.meta").st_ino == number + 1, array


@pytest.mark.parametrize("name", ["p", "p/b", "p/b/deep", "p/.meta", "p/b/.meta", "p/null.meta", "p/a.npy"])
def test_numbers_of_all_else_have_the_top_bit(mount, sample, name):
    """So they are never those of an array or of its sidecar."""
    (mount / "p/null.meta").write_text('[array]\ndtype = "int8"\nshape = "null"\n')
    assert os.lstat(mount / name).st_ino >> 63 == 1


def test_each_array_is_listed_directly_before_its_sidecar(mount, place, sample):
    place.load("many", h5.many(place.files / "many.h5", 300)).succeeded()
    mount.eventually(lambda: (mount / "many").is_dir(), "the project")
    for folder in ("p", "p/b", "p/b/deep", "many"):
        names = os.listdir(mount / folder)
        sidecars = [name for name in names if name.endswith(".meta") and name != ".meta"]
        assert sidecars
        for sidecar in sidecars:
            assert names[names.index(sidecar) - 1] == sidecar.removesuffix(".meta"), folder


def test_the_names_of_one_dataset_share_an_inode(mount, place):
    with h5.writing(place.files / "links.h5") as file:
        file["x"] = np.arange(5)
        file["group/y"] = file["x"]
    place.load("q", place.files / "links.h5").succeeded()
    mount.eventually(lambda: (mount / "q").is_dir(), "the project")
    first, second = (mount / "q/x").stat(), (mount / "q/group/y").stat()
    assert first.st_ino == second.st_ino
    assert place.manifest("q").at("x")["shm_name"] == place.manifest("q").at("group", "y")["shm_name"]
    if not mount.symlinks:
        assert first.st_nlink == 2


def test_du_counts_the_memory(mount, place):
    with h5.writing(place.files / "f.h5") as file:
        file.create_dataset("x", data=np.ones(1 << 20, "u1"))
        file["g/y"] = np.ones(1 << 19, "u1")
    place.load("q", place.files / "f.h5").succeeded()
    mount.eventually(lambda: (mount / "q").is_dir(), "the project")
    used = int(tools.silent("du", "-sLB1", "q", cwd=mount.path).split()[0])
    assert 1.5 * (1 << 20) <= used <= 1.5 * (1 << 20) + 65536
    bytes_in_all = int(tools.silent("du", "-sLb", "q/x", "q/g/y", cwd=mount.path).split()[0])
    assert bytes_in_all == 1 << 20


def test_df_is_that_of_the_memory_directory(mount, place):
    def blocks(path):
        return tools.silent("df", "-B1", "--output=size", path).split()[1]

    assert blocks(str(mount.path)) == blocks(str(place.shm))
    assert os.statvfs(mount.path).f_namemax >= 250


def test_empty_arrays_are_empty(mount, place):
    with h5.writing(place.files / "f.h5") as file:
        file["empty"] = np.zeros((3, 0))
        file["full"] = np.arange(3)
    place.load("q", place.files / "f.h5").succeeded()
    mount.eventually(lambda: (mount / "q").is_dir(), "the project")
    assert np.fromfile(mount / "q/empty", "f8", 0).size == 0
    if mount.symlinks:
        return  # the link leads to the segment, which has a byte
    assert (mount / "q/empty").stat().st_size == 0
    assert (mount / "q/empty").read_bytes() == b""
    assert tools.silent("cat", mount / "q/empty") == ""


def test_what_is_not_there_is_enoent(mount, sample):
    for path in ("q", "p/c", "p/a/x", "p/b/.meta.meta", "p/c.meta", ".meta", "p/A"):
        with pytest.raises((FileNotFoundError, NotADirectoryError)):
            os.stat(mount / path)


def test_groups_without_attributes_have_no_sidecar(mount, sample):
    assert not (mount / "p/b/deep/.meta").exists()
    assert (mount / "p/b/.meta").exists()


def test_cp_tar_and_cat_get_all_bytes(mount, place, sample):
    out = place.files / "out"
    out.mkdir()
    tools.silent("cp", "-rL", mount / "p", out)
    tools.shell(f"tar -chf - p | tar -xf - -C '{out}' --transform s/^p/q/", mount.path)
    for copy in ("p", "q"):
        for path in TREE:
            if (mount / path).is_file():
                assert (out / path.replace("p", copy, 1)).read_bytes() == (mount / path).read_bytes(), path


def test_listing_a_thousand_arrays_is_complete(mount, place):
    place.load("many", h5.many(place.files / "many.h5", 1000)).succeeded()
    mount.eventually(lambda: (mount / "many").is_dir(), "the project")
    names = os.listdir(mount / "many")
    assert len(names) == len(set(names))
    assert set(names) == {f"{at:05d}{end}" for at in range(1000) for end in ("", ".meta")} | {".meta"}
