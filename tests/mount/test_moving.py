# SPDX-License-Identifier: MIT
"""Rename: every combination, as on tmpfs where that has one; no bytes move."""

import ctypes
import errno
import os
import shutil
import threading
import time

import numpy as np
import pytest

from support import h5, mounting, tools
from support.waiting import wait_until

NOREPLACE, EXCHANGE, WHITEOUT = 1, 2, 4
libc = ctypes.CDLL(None, use_errno=True)


def rename(source, target, flags=0):
    if libc.renameat2(-100, os.fsencode(source), -100, os.fsencode(target), flags) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(source), None, str(target))


def error_of(function, *arguments):
    try:
        function(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]
    return None


@pytest.fixture
def projects(place):
    """Two projects of the same form: x and y declared with attributes, groups g (with z) and empty."""
    for name, start in (("p", 0), ("q", 100)):
        with h5.writing(place.files / f"{name}.h5") as file:
            for number, key in enumerate(("x", "y", "g/z")):
                file[key] = np.arange(start + number * 10, start + number * 10 + 6).reshape(3, 2)
                file[key].attrs["of"] = f"{name}/{key}"
            file.create_group("empty")
            file["g"].attrs["kind of"] = name
        place.load(name, place.files / f"{name}.h5").succeeded()


def value(start):
    return np.arange(start, start + 6).reshape(3, 2)


VALUES = {f"{p}/{k}": value(s + n * 10) for p, s in (("p", 0), ("q", 100)) for n, k in enumerate(("x", "y", "g/z"))}


def tree(top):
    """All there is: names with kind, content and the sidecar's attributes."""
    found = {}
    for directory, names, files in os.walk(top):
        here = os.path.relpath(directory, top)
        for name in names + files:
            path = os.path.normpath(os.path.join(here, name))
            full = os.path.join(directory, name)
            st = os.lstat(full)
            if os.path.isdir(full):
                found[path] = ("directory", st.st_nlink)
            elif name.endswith(".meta"):
                text = open(full, encoding="utf-8").read()
                assert len(text.encode()) == st.st_size, path
                found[path] = [line for line in text.splitlines() if line.startswith(("# /", "of", "shape", '"kind'))]
            else:
                found[path] = open(full, "rb").read()
            assert st.st_ino == {e.name: e.inode() for e in os.scandir(directory)}[name], path
    return found


@pytest.fixture
def second(place, access):
    """The same registry through another daemon."""
    made = mounting.Mount(place, access)
    made.path = place.mountpoint.with_name("second")
    made.path.mkdir()
    if place.identity:
        os.chown(made.path, place.identity.uid, place.identity.gid)
    try:
        yield made
    finally:
        made.finish()


def agrees(mount, place, second, expected):
    """`expected`: path of an array to (content, attribute). Through both mounts and by the manifests."""
    shown = tree(mount.path)
    arrays = {path: item for path, item in shown.items() if isinstance(item, bytes)}
    assert arrays == {path: VALUES[origin].tobytes() for path, origin in expected.items()}
    for path, origin in expected.items():
        assert f"# /{path}" in shown[path + ".meta"], shown[path + ".meta"]
        assert f'of = "{origin}"' in shown[path + ".meta"]
    second.start()
    assert tree(second.path) == shown
    second.stop()
    # a daemon that ends, or a second, folds its journal
    mount.stop()
    published = {}
    for project in {path.split("/")[0] for path in shown}:
        for key, leaf in place.manifest(project).leaves().items():
            published["/".join((project,) + key)] = leaf["attrs"]["of"]
    assert published == expected
    place.assert_consistent()
    assert len(place.segments()) == len(set(expected.values()))


START = {key: key for key in VALUES}


def moved(*changes):
    result = dict(START)
    for source, target in changes:
        for path in list(result):
            if path == source or path.startswith(source + "/"):
                result[target + path[len(source) :]] = result.pop(path)
    return result


PLAIN = [
    ("p/x", "p/new"),
    ("p/x", "p/g/x"),
    ("p/g/z", "p/z"),
    ("p/x", "q/new"),
    ("p/x", "q/g/x"),
    ("p/g", "p/h"),
    ("p/g", "p/empty"),
    ("p/g", "p/empty/g"),
    ("p/g", "q/h"),
    ("p/g", "q/empty"),
    ("p/g", "q/empty/g"),
    ("p", "r"),
    ("p/g", "r"),
    ("p", "q/h"),
    ("p", "q/empty"),
    ("p/empty", "p/g/empty"),
]


@pytest.mark.parametrize("source,target", PLAIN)
def test_a_name_moves_with_all_it_has(mount, place, second, projects, source, target):
    before = tree(mount.path)
    os.rename(mount / source, mount / target)
    assert not os.path.lexists(mount / source)
    assert os.path.lexists(mount / target)
    assert before != tree(mount.path)
    agrees(mount, place, second, moved((source, target)))


@pytest.mark.parametrize("source,target", [("p/x", "p/y"), ("p/x", "p/g/z"), ("p/x", "q/x"), ("p/g/z", "q/y")])
def test_an_array_replaces_an_array_sidecar_and_all(mount, place, second, projects, source, target):
    gone = place.segment(*target.split("/"))
    tree(mount.path)
    os.rename(mount / source, mount / target)
    assert not gone.exists()
    expected = dict(START)
    expected[target] = expected.pop(source)
    agrees(mount, place, second, expected)


SWAPS = [
    ("p/x", "p/y"),
    ("p/x", "p/g/z"),
    ("p/x", "q/y"),
    ("p/g", "p/empty"),
    ("p/g", "q/g"),
    ("p/g", "q/empty"),
    ("p/x", "p/g"),
    ("p/x", "q/g"),
    ("p", "q"),
]


@pytest.mark.parametrize("source,target", SWAPS)
def test_two_names_change_places(mount, place, second, projects, source, target):
    tree(mount.path)
    rename(mount / source, mount / target, EXCHANGE)
    swapped = moved((source, "away"), (target, source), ("away", target))
    agrees(mount, place, second, swapped)


def test_an_empty_project_is_replaced(mount, place, second, projects):
    os.mkdir(mount / "r")
    os.rename(mount / "p", mount / "r")
    agrees(mount, place, second, moved(("p", "r")))


def test_a_group_replaces_an_empty_project(mount, place, second, projects):
    os.mkdir(mount / "r")
    os.rename(mount / "p/g", mount / "r")
    agrees(mount, place, second, moved(("p/g", "r")))


# what tmpfs says, it says; what is a directory there is one here
AS_TMPFS = [
    ("p/x", "p/empty", 0),
    ("p/x", "q/empty", 0),
    ("p/x", "p/g", 0),
    ("p/g", "p/x", 0),
    ("p/g", "q/x", 0),
    ("p/empty", "p/g", 0),
    ("p/empty", "q/g", 0),
    ("p", "q", 0),
    ("p/g", "q", 0),
    ("p", "q/g", 0),
    ("p/g", "p/g/inner", 0),
    ("p", "p/g/inner", 0),
    ("p/g", "p", 0),
    ("p/g/z", "p/g", 0),
    ("p/nothing", "p/x", 0),
    ("nothing", "p/new", 0),
    ("p/x", "p/nothing/x", 0),
    ("p/x", "p/y/x", 0),
    ("p/x", "p/y", NOREPLACE),
    ("p/x", "q/y", NOREPLACE),
    ("p/g", "p/empty", NOREPLACE),
    ("p/g", "q/empty", NOREPLACE),
    ("p", "q", NOREPLACE),
    ("p/x", "p/new", NOREPLACE),
    ("p/g", "q/new", NOREPLACE),
    ("p/x", "p/nothing", EXCHANGE),
    ("p/g", "p", EXCHANGE),
    ("p", "p/g", EXCHANGE),
    ("p/x", "p/y", NOREPLACE | EXCHANGE),
    ("p/x", "p/x", 0),
    ("p/g", "p/g", 0),
    ("p/x", "p/" + "n" * 256, 0),
]


@pytest.mark.parametrize("source,target,flags", AS_TMPFS)
def test_what_is_refused_is_refused_as_on_tmpfs(mount, place, projects, tmp_path_factory, source, target, flags):
    shadow = place.shm / "shadow"  # a tmpfs
    for name in ("p", "q"):
        for group in ("g", "empty"):
            os.makedirs(shadow / name / group)
        for array in ("x", "y", "g/z"):
            (shadow / name / array).touch()
    try:
        wanted = error_of(rename, shadow / source, shadow / target, flags)
        assert error_of(rename, mount / source, mount / target, flags) == wanted
        names = {p for p in tree(mount.path) if not p.endswith(".meta")}
        assert names == {os.path.relpath(os.path.join(d, n), shadow) for d, ns, fs in os.walk(shadow) for n in ns + fs}
    finally:
        shutil.rmtree(shadow)


REFUSED = [
    ("p/x", "x", 0, "EPERM"),
    ("p/x.meta", "x", 0, "EPERM"),
    ("p/x", "p/y.meta", 0, "EINVAL"),
    ("p/g", "p/h.meta", 0, "EINVAL"),
    ("p/g", "p/h.npy", 0, "EINVAL"),
    ("p/x", "p/new~\udcff", 0, "EILSEQ"),
    ("p/x", "p/" + "n" * 251, 0, "ENAMETOOLONG"),
    ("p/x", "p/n%~0123456789abcdef", 0, "EINVAL"),
    ("p", ".hidden", 0, "EINVAL"),
    ("p", "r.meta", 0, "EINVAL"),
    ("p/g", "r.npy", 0, "EINVAL"),
    ("p", "n" * 201, 0, "ENAMETOOLONG"),
    ("p", "q/g", EXCHANGE, "EINVAL"),
    ("p/x", "p/y", WHITEOUT, "EINVAL"),
]


@pytest.mark.parametrize("source,target,flags,wanted", REFUSED)
def test_names_that_nothing_can_have_are_refused(mount, projects, source, target, flags, wanted):
    before = tree(mount.path)
    assert error_of(rename, mount / source, mount / target, flags) == wanted
    assert tree(mount.path) == before


@pytest.mark.parametrize("target", ["p/y", "q/y", "p/g/z"])
def test_undeclared_bytes_take_over_what_they_replace(mount, place, projects, target):
    """Write beside, then rename: the usual atomic rewrite."""
    if mount.symlinks:
        pytest.skip("no files are made")
    rows = np.arange(14).reshape(7, 2)
    (mount / "p/.y.new").write_bytes(rows.tobytes() + b"abc")
    assert not (mount / "p/.y.new.meta").exists()
    os.rename(mount / "p/.y.new", mount / target)
    text = (mount / (target + ".meta")).read_text()
    assert f'of = "{target}"' in text and "shape = [7, 2]" in text and "rest = 3" in text
    assert (mount / target).read_bytes() == rows.tobytes() + b"abc"
    mount.stop()
    project, *path = target.split("/")
    leaf = place.manifest(project).at(*path)
    assert (leaf["shape"], leaf["dtype"], leaf["attrs"]) == ([7, 2], "int64", {"of": target})
    place.assert_consistent()


WAITING = """#~ [[node]]
#~ path = ["w"]
#~ dtype = "float64"
#~ shape = [2, 3]
#~ state = "waiting"
#~ [node.attrs]
#~ of = "w"
"""


def test_undeclared_bytes_become_what_a_sidecar_waits_for(mount, place):
    """As rsync brings them: beside, then renamed. Nothing else comes by that name."""
    if mount.symlinks:
        pytest.skip("no files are made")
    place.publish("p", {}, WAITING)
    mount.eventually(lambda: (mount / "p/w.meta").exists(), "the sidecar")
    assert error_of(os.mkdir, mount / "p/w") == "EEXIST"
    os.mkdir(mount / "p/g")
    assert error_of(os.rename, mount / "p/g", mount / "p/w") == "EEXIST"
    (mount / "p/.w.AbC123").write_bytes(np.zeros((4, 3)).tobytes())
    rename(mount / "p/.w.AbC123", mount / "p/w", NOREPLACE)
    text = (mount / "p/w.meta").read_text()
    assert "shape = [4, 3]" in text and 'of = "w"' in text and "waiting" not in text
    mount.stop()
    leaf = place.manifest("p").at("w")
    assert (leaf["shape"], leaf["dtype"], leaf["attrs"]) == ([4, 3], "float64", {"of": "w"})
    place.assert_consistent()


def test_a_declared_array_brings_its_own(mount, projects):
    os.rename(mount / "p/g/z", mount / "q/x")
    assert 'of = "p/g/z"' in (mount / "q/x.meta").read_text()


@pytest.mark.parametrize("source,target", [("p/x", "p/new"), ("p/x", "q/new"), ("p/g", "q/h"), ("p", "r"), ("p", "q/h")])
def test_inode_numbers_and_open_files_go_along(mount, projects, source, target):
    inner = {"p/x": "", "p/g": "/z", "p": "/x"}[source]
    before = os.lstat(mount / source).st_ino
    with open(mount / (source + inner), "rb") as file:
        content = file.read()
        os.rename(mount / source, mount / target)
        assert os.lstat(mount / target).st_ino == before
        assert file.seek(0) == 0 and file.read() == content
        assert os.fstat(file.fileno()).st_nlink == 1
    assert (mount / (target + inner)).read_bytes() == content


@pytest.mark.parametrize("source,target", [("p/x", "p/new"), ("p/x", "q/y"), ("p/g", "q/h"), ("p", "r"), ("p/g", "r")])
def test_what_moves_keeps_the_name_of_its_segment(mount, place, projects, source, target):
    inner = {"p/x": [], "p/g": ["z"], "p": ["x"]}[source]
    before = place.segment(*source.split("/"), *inner)
    times = before.stat().st_mtime_ns
    os.rename(mount / source, mount / target)
    mount.stop()
    assert place.segment(*target.split("/"), *inner) == before
    assert before.stat().st_mtime_ns == times


@pytest.mark.parametrize("source,target", [("p/g", "p/h"), ("p/g", "q/h"), ("p", "r"), ("p", "q/h"), ("p/g", "r")])
def test_who_is_in_a_directory_moves_along(mount, place, projects, source, target):
    """A relative path and getcwd go on, also after another directory has the old name."""
    array = "z" if source == "p/g" else "x"
    script = (
        f"cd {source} && cat {array} > /dev/null && mv {mount.path}/{source} {mount.path}/{target} && mkdir {mount.path}/{source} && "
        f"cmp {array} {mount.path}/{target}/{array} && cat {array}.meta && [ \"$(pwd -P)\" = {mount.path}/{target} ] && mkdir inside"
    )
    assert f"# /{target}/{array}" in tools.shell(script, mount.path)
    assert (mount / target / "inside").is_dir()
    assert os.listdir(mount / source) == []
    assert os.lstat(mount / source).st_ino != os.lstat(mount / target).st_ino


def test_a_file_moves_by_a_descriptor_of_its_directory(mount, projects):
    """openat beside a rename of the directory to another project."""
    handle = os.open(mount / "p/g", os.O_RDONLY)
    os.rename(mount / "p/g", mount / "q/h")
    os.rename("z", "w", src_dir_fd=handle, dst_dir_fd=handle)
    os.close(handle)
    assert (mount / "q/h/w").read_bytes() == VALUES["p/g/z"].tobytes()


TOOLS = {
    "mv x x.meta q/g/": ("mv x x.meta ../q/g/", {"q/g/x": "p/x", "p/y": "p/y", "p/g/z": "p/g/z"}),
    "mv p/* q/g/": ("mv * ../q/g/", {"q/g/x": "p/x", "q/g/y": "p/y", "q/g/g/z": "p/g/z"}),
    "mv of two into a group": ("mv x x.meta y y.meta g/", {"p/g/x": "p/x", "p/g/y": "p/y", "p/g/z": "p/g/z"}),
    "mv p q/g/": ("mv ../p ../q/g/", {"q/g/p/x": "p/x", "q/g/p/y": "p/y", "q/g/p/g/z": "p/g/z"}),
    "mv p/g q/empty/": ("mv g ../q/empty/", {"q/empty/g/z": "p/g/z", "p/x": "p/x", "p/y": "p/y"}),
    "mv -n": ("mv -n x y ../q/g/", {"q/g/x": "p/x", "q/g/y": "p/y", "p/g/z": "p/g/z"}),
}


@pytest.mark.parametrize("way", TOOLS)
def test_tools_that_name_both_end_well(mount, place, second, projects, way):
    command, expected = TOOLS[way]
    assert tools.shell(command, mount / "p") == ""
    agrees(mount, place, second, expected | {key: key for key in START if key.startswith("q/")})


def test_the_old_sidecar_name_leads_nowhere_else(mount, projects):
    os.rename(mount / "p/x", mount / "q/new")
    assert error_of(os.rename, mount / "p/x.meta", mount / "q/other.meta") is not None
    assert error_of(open, mount / "p/x.meta", "rb") in ("ENOENT", "ESTALE")
    assert tools.run("stat", mount / "p/x.meta").returncode != 0
    assert "x.meta" not in os.listdir(mount / "p")


def test_times_of_both_directories_move(mount, projects):
    before = [os.stat(mount / name).st_mtime_ns for name in ("p", "q", "p/g")]
    os.rename(mount / "p/x", mount / "q/new")
    after = [os.stat(mount / name).st_mtime_ns for name in ("p", "q", "p/g")]
    assert after[0] > before[0] and after[1] > before[1] and after[2] == before[2]


def test_only_what_is_replaced_is_freed_and_not_if_it_has_another_name(mount, place, projects):
    os.link(mount / "p/y", mount / "q/other", follow_symlinks=False)
    kept = place.segment("p", "y")
    os.rename(mount / "p/x", mount / "p/y")
    assert kept.exists()
    assert (mount / "q/other").read_bytes() == VALUES["p/y"].tobytes()
    os.rename(mount / "p/y", mount / "q/other")
    assert not kept.exists()


def test_others_look_while_directories_move(mount, place, projects):
    """Between projects, exchanged and renamed, by several at once; what is there in the end is whole."""
    ends = time.monotonic() + 3
    wrong = []
    allowed = {errno.ENOENT, errno.ESTALE, errno.EEXIST, errno.ENOTEMPTY, errno.EINVAL, errno.ENOTDIR, errno.EISDIR}

    def repeat(*steps):
        while time.monotonic() < ends:
            for step in steps:
                try:
                    step()
                except OSError as error:
                    if error.errno not in allowed:
                        wrong.append(error)

    move = lambda a, b, flags=0: lambda: rename(mount / a, mount / b, flags)  # noqa: E731
    look = lambda: [os.listdir(d) for d, _, _ in os.walk(mount.path)]  # noqa: E731
    work = [
        (move("p/g", "q/h"), move("q/h", "p/g")),
        (move("p/g", "q/g", EXCHANGE), move("p/x", "q/x", EXCHANGE)),
        (move("p", "r"), move("r", "p")),
        (move("p/y", "p/g/y"), move("p/g/y", "p/y"), move("q/g", "s"), move("s", "q/g")),
        (look, lambda: open(mount / "p/g/z.meta", "rb").read(), lambda: os.stat(mount / "q/h/z")),
        (look, lambda: os.stat(mount / "p/g"), lambda: os.stat(mount / "r/x.meta")),
    ]
    threads = [threading.Thread(target=repeat, args=steps) for steps in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []

    def whole():  # sums are told a moment later
        try:
            return tree(mount.path)
        except AssertionError:
            return None

    arrays = [item for item in mount.eventually(whole, "sidecars as long as they say").values() if isinstance(item, bytes)]
    assert sorted(arrays) == sorted(item.tobytes() for item in VALUES.values())
    place.assert_consistent()


# --- what it costs ------------------------------------------------------------------------------------------------------------


def journals(place, project):
    """Its lines; none when they are folded."""
    path = place.registry / f".journal.{project}"
    return path.read_bytes().splitlines() if path.exists() else []


def written_by(pid):
    with open(f"/proc/{pid}/io", encoding="ascii") as file:
        return int(dict(line.split(": ") for line in file)["wchar"])


@pytest.fixture
def crowd(place, projects):
    """Twenty thousand more names in p, of one segment."""
    segment = place.manifest("p").at("x")["shm_name"]
    leaf = f'shm_name = "{segment}"\nshm_private_name = "/{segment}"\nshape = [3, 2]\ndtype = "int64"\nattrs = {{}}\n'
    with open(place.manifest_path("p"), "a", encoding="utf-8") as file:
        file.writelines(f"[c.x{number:06d}]\n{leaf}" for number in range(20000))


def test_in_a_large_project_each_move_is_one_line(crowd, place, unstarted):
    mount = unstarted.start()
    os.rename(mount / "p/x", mount / "p/v")  # whatever has to be done once
    wait_until(lambda: not journals(place, "p"), "the journal to be folded", 20)
    before = written_by(mount.process.pid)
    os.rename(mount / "p/v", mount / "p/w")
    os.link(mount / "p/w", mount / "p/g/w", follow_symlinks=False)
    os.mkdir(mount / "p/new")
    os.rename(mount / "p/new", mount / "p/empty")
    rename(mount / "p/g", mount / "p/empty", EXCHANGE)
    lines = journals(place, "p")
    assert len(lines) == 5, lines
    os.rename(mount / "p/y", mount / "q/new")
    lines = journals(place, "p")
    assert len(lines) == 6, lines
    assert sum(len(line) for line in lines) < 3000
    assert written_by(mount.process.pid) - before < 64 << 10
    wait_until(lambda: not journals(place, "p"), "the journal to be folded", 20)


def test_a_directory_is_read_on_while_it_goes_to_another_project(mount, place):
    """Entry by entry, as the other project comes through all states that this one was in."""
    read = ctypes.CDLL(None, use_errno=True).getdents64
    buffer = ctypes.create_string_buffer(40)
    for name in ("a", "a/d", "b"):
        (mount / name).mkdir()
    for number in range(100):
        (mount / f"a/d/g{number:04d}").mkdir()
    for number in range(60):
        (mount / f"b/y{number}").mkdir()
    fd = os.open(mount / "a/d", os.O_RDONLY | os.O_DIRECTORY)
    try:
        assert read(fd, buffer, len(buffer)) > 0
        os.rename(mount / "a/d", mount / "b/d")
        os.rmdir(mount / "a")
        seen = set()
        while (length := read(fd, buffer, len(buffer))) > 0:
            name = buffer.raw[19:length].split(b"\0")[0].decode()
            seen.add(name)
            (mount / f"b/x{len(seen)}").mkdir()
    finally:
        os.close(fd)
    assert seen >= {f"g{number:04d}" for number in range(2, 100)}
    assert sorted(os.listdir(mount / "b/d")) == [f"g{number:04d}" for number in range(100)]
