# SPDX-License-Identifier: MIT
"""The kernel believes what it was told for a day, and yet everybody sees every change: exactly that is invalidated."""

import os
import pathlib
import pwd
import re
import shutil

import h5py
import numpy as np
import pytest

from support import freezing, h5, mounting, toml_text, tools, users
from support.waiting import wait_until

REQUEST = re.compile(r"opcode: (\w+) ")


def requests(mount):
    """What the kernel has asked the daemon (which runs with -d) so far."""
    return REQUEST.findall(mount.text())


@pytest.fixture
def talkative(unstarted, place, sample):
    unstarted.start("-d")
    yield unstarted
    unstarted.stop()


def everything(mount):
    for folder, folders, files in os.walk(mount / "p"):
        yield folder
        for name in files:
            yield os.path.join(folder, name)
        if not files and not folders:
            yield os.path.join(folder, ".meta")


def quiet(mount):
    """What the kernel had to ask once (and a notification of the start) is over."""
    counts = []

    def still():
        counts.append(len(requests(mount)))
        return len(counts) > 10 and len(set(counts[-10:])) == 1

    wait_until(still, "quiet")


# --- nobody is asked --------------------------------------------------------------------------------------------------


def test_a_warm_stat_asks_nobody(talkative):
    paths = list(everything(talkative))
    assert len(paths) > 8
    for _ in range(2):
        for path in paths:
            os.lstat(path)
        quiet(talkative)
    before = len(requests(talkative))
    for _ in range(3):
        for path in paths:
            os.lstat(path)
    asked = requests(talkative)[before:]
    links = sum(os.path.islink(path) for path in paths)  # a stale one would lead nowhere, so these are asked for
    assert asked == ["LOOKUP"] * (3 * links)


def test_a_warm_listing_with_details_asks_nothing_per_entry(talkative):
    for _ in range(2):
        tools.run("ls", "-lR", talkative / "p")
    quiet(talkative)
    before = len(requests(talkative))
    tools.run("ls", "-lR", talkative / "p")
    asked = requests(talkative)[before:]
    assert {"GETXATTR", "LISTXATTR"} & set(asked) == set()
    assert talkative.symlinks or "LOOKUP" not in asked
    assert asked.count("GETATTR") <= asked.count("OPENDIR")


def test_a_warm_listing_is_the_kernels_own(talkative):
    """It keeps the names of a project's directories and only asks to open them."""
    for _ in range(2):
        tools.run("find", talkative / "p")
    quiet(talkative)
    before = len(requests(talkative))
    tools.run("find", talkative / "p")
    quiet(talkative)
    asked = requests(talkative)[before:]
    assert asked.count("OPENDIR") >= 2
    assert not {"READDIR", "READDIRPLUS"} & set(asked)


def forget_names():
    """The kernel drops all it does not use: names and inodes. What it keeps of a listing stays with the open directory."""
    try:
        pathlib.Path("/proc/sys/vm/drop_caches").write_text("2\n", encoding="ascii")
    except PermissionError:
        pytest.skip("only root can have the kernel forget")


def test_a_listing_that_was_kept_is_dropped_when_a_segment_goes_and_comes_whose_name_was_forgotten(mount, place, sample):
    directory = os.open(mount / "p", os.O_RDONLY)
    try:
        assert "a" in os.listdir(mount / "p")
        forget_names()
        segment = place.segment("p", "a")
        content = segment.read_bytes()
        segment.unlink()
        mount.eventually(lambda: "a" not in os.listdir(mount / "p"), "the missing array")
        segment.write_bytes(content)
        mount.eventually(lambda: "a" in os.listdir(mount / "p"), "the array that came back")
    finally:
        os.close(directory)


def listed(mount, *below):
    return sorted(os.listdir(mount.path.joinpath("p", *below)))


def test_a_kept_listing_of_a_project_that_goes_and_comes_back_is_of_the_new_one(mount, place, sample):
    """Somebody stays in its directories, so the kernel still knows them."""
    kept = [os.open(mount / below, os.O_RDONLY) for below in ("p", "p/b")]
    try:
        assert "a" in listed(mount) and "b1" in listed(mount, "b")
        place.run("cute-shm-unlink", "p").succeeded()
        mount.eventually(lambda: not (mount / "p").exists(), "the removal")
        place.publish("p", {"other": np.arange(3), "b": {"else": np.arange(2)}})
        mount.eventually(lambda: (mount / "p").exists(), "the project")
        assert set(listed(mount)) - {".meta"} == {"b", "other", "other.meta"}
        assert set(listed(mount, "b")) - {".meta"} == {"else", "else.meta"}
    finally:
        for fd in kept:
            os.close(fd)


def test_a_kept_listing_without_a_missing_array_is_dropped_when_it_is_replaced(mount, place, sample):
    place.segment("p", "a").unlink()
    mount.eventually(lambda: "a" not in listed(mount), "the missing array")
    place.load("p", sample, "-o").succeeded()
    mount.eventually(lambda: "a" in listed(mount), "the array")


def test_a_kept_listing_is_dropped_when_a_group_gets_its_first_attribute(mount, place, sample):
    assert ".meta" not in listed(mount, "b", "deep")
    file = place.files / "attribute.h5"
    with h5py.File(file, "w") as made:
        made.attrs["note"] = 1
    place.load("p", file, "--into", "b/deep").succeeded()
    mount.eventually(lambda: ".meta" in listed(mount, "b", "deep"), "the sidecar of the group")


def test_a_kept_listing_is_dropped_when_an_array_is_declared(mount, place, sample):
    if mount.symlinks:
        pytest.skip("raw files are not made through symbolic links")
    (mount / "p/raw").write_bytes(bytes(16))
    assert "raw.meta" not in listed(mount)
    with open(mount / "p/raw.meta", "w", encoding="ascii") as sidecar:
        sidecar.write('[array]\ndtype = "float64"\n')
        listed(mount)
    assert "raw.meta" in listed(mount)
    os.unlink(mount / "p/raw.meta")
    assert "raw.meta" not in listed(mount)


def test_opening_for_reading_is_one_round_trip(talkative):
    if talkative.symlinks:
        pytest.skip("links are opened without the daemon")
    with open(talkative / "p/a", "rb"):
        pass
    quiet(talkative)
    os.stat(talkative / "p/a")
    before = len(requests(talkative))
    os.close(os.open(talkative / "p/a", os.O_RDONLY))
    wait_until(lambda: "RELEASE" in requests(talkative)[before:], "the release")
    assert requests(talkative)[before:] == ["OPEN", "RELEASE"]


def test_a_change_of_one_array_leaves_the_others_believed(talkative, place):
    """Only what changed is asked about again."""
    paths = list(everything(talkative))
    quiet(talkative)
    for path in paths:
        os.lstat(path)
    os.utime(place.segment("p", "a"), (1, 1))
    wait_until(lambda: os.stat(talkative / "p/a").st_mtime == 1, "the new time")
    quiet(talkative)
    if talkative.symlinks:
        paths = [path for path in paths if not os.path.islink(path)]
    before = len(requests(talkative))
    for path in paths:
        if not path.endswith(("/p/a", "/p/a.meta")):
            os.lstat(path)
    assert requests(talkative)[before:] == []


# --- what others do ---------------------------------------------------------------------------------------------------


def sees(mount, attribute, path, wanted):
    mount.eventually(lambda: getattr(os.stat(mount / path), attribute) == wanted, f"{attribute} of {path}")


def test_a_segment_that_grows(mount, place, sample):
    assert os.stat(mount / "p/a").st_size == 96
    os.stat(mount / "p/a.meta")
    os.truncate(place.segment("p", "a"), 100)
    sees(mount, "st_size", "p/a", 100)
    mount.eventually(lambda: "rest = 4" in (mount / "p/a.meta").read_text(), "the rest")
    size_is_exact(mount, "p/a.meta")
    os.truncate(place.segment("p", "a"), 96)
    sees(mount, "st_size", "p/a", 96)


def size_is_exact(mount, path):
    mount.eventually(lambda: os.stat(mount / path).st_size == len((mount / path).read_bytes()), f"the size of {path}")


def test_a_segment_cut_short_and_made_whole_again(mount, place, sample):
    content = (mount / "p/a").read_bytes()
    os.stat(mount / "p/a.meta")
    os.truncate(place.segment("p", "a"), 90)
    mount.eventually(lambda: not os.path.lexists(mount / "p/a"), "the array leaving")
    mount.eventually(lambda: 'state = "broken"' in (mount / "p/a.meta").read_text(), "its state")
    size_is_exact(mount, "p/a.meta")
    with open(place.segment("p", "a"), "wb") as segment:
        segment.write(content)
    mount.eventually(lambda: (mount / "p/a").exists(), "the array coming back")
    assert (mount / "p/a").read_bytes() == content
    mount.eventually(lambda: "state" not in (mount / "p/a.meta").read_text(), "its state")
    size_is_exact(mount, "p/a.meta")


def test_what_is_created_again_after_each_replacement_is_created(raw_files, mount, place, sample):
    """The kernel still knows the name when it is opened next, and is told so each time; none is the second of one open."""
    manifest = place.manifest_path("p").read_text()
    for number in range(30):
        with open(mount / "p/new", "wb") as file:
            file.write(b"%d" % number)
        made = set(place.segments())
        place.write_manifest("p", manifest)
        for segment in made - place.manifest("p").segments():
            (place.shm / segment).unlink(missing_ok=True)


def test_an_array_that_its_sidecar_makes_fit_again_is_listed(mount, place, sample):
    os.truncate(place.segment("p", "a"), 16)
    mount.eventually(lambda: not os.path.lexists(mount / "p/a"), "the array leaving")
    assert "a" not in os.listdir(mount / "p") and "a" not in os.listdir(mount / "p")
    (mount / "p/a.meta").write_text('[array]\ndtype = "int64"\nshape = [2]\n')
    mount.eventually(lambda: "a" in os.listdir(mount / "p"), "the array in the listing")
    tools.silent("rm", "-r", mount / "p")


def test_a_segment_moved_away_and_back(mount, place, sample):
    segment = place.segment("p", "a")
    os.stat(mount / "p/a"), os.stat(mount / "p/a.meta")
    segment.rename(place.shm / "elsewhere")
    mount.eventually(lambda: not os.path.lexists(mount / "p/a"), "the array leaving")
    mount.eventually(lambda: 'state = "missing"' in (mount / "p/a.meta").read_text(), "its state")
    (place.shm / "elsewhere").rename(segment)
    mount.eventually(lambda: (mount / "p/a").exists(), "the array coming back")
    mount.eventually(lambda: "state" not in (mount / "p/a.meta").read_text(), "its state")
    size_is_exact(mount, "p/a.meta")


def test_the_mode_of_a_segment(mount, place, sample):
    os.stat(mount / "p/a"), os.stat(mount / "p/a.meta")
    os.chmod(place.segment("p", "a"), 0o640)
    sees(mount, "st_mode", "p/a", 0o100640)
    sees(mount, "st_mode", "p/a.meta", 0o100640)


def test_the_mode_of_a_sidecar_nobody_saw_the_array_of(mount, place, sample):
    os.stat(mount / "p/a.meta")
    os.chmod(place.segment("p", "a"), 0o640)
    sees(mount, "st_mode", "p/a.meta", 0o100640)


def test_the_mode_of_a_manifest(mount, place, sample):
    for path in ("p", "p/b"):
        os.stat(mount / path)
    place.manifest_path("p").chmod(0o644)
    sees(mount, "st_mode", "p", 0o40755)
    sees(mount, "st_mode", "p/b", 0o40755)


def test_an_attribute_that_the_peer_changes(mount, place, sample):
    os.stat(mount / "p/a.meta")
    text = place.manifest_path("p").read_text()
    assert 'units = "m"' in text
    place.manifest_path("p").write_text(text.replace('units = "m"', 'units = "furlong"'))
    mount.eventually(lambda: "furlong" in (mount / "p/a.meta").read_text(), "the attribute")
    size_is_exact(mount, "p/a.meta")


def test_a_dtype_that_the_peer_changes(mount, place):
    tree = place.publish("p", {"x": np.arange(8, dtype="i8"), "y": np.arange(3)})
    assert os.stat(mount / "p/x").st_size == 64
    os.stat(mount / "p/x.meta")
    tree["x"].update(dtype="int64", shape=[9])
    place.write_manifest("p", toml_text.document(tree))
    mount.eventually(lambda: not os.path.lexists(mount / "p/x"), "the array that is too long now")
    tree["x"].update(dtype="int32", shape=[16])
    place.write_manifest("p", toml_text.document(tree))
    mount.eventually(lambda: 'dtype = "int32"' in (mount / "p/x.meta").read_text(), "the dtype")
    assert (mount / "p/x").exists()
    size_is_exact(mount, "p/x.meta")


def test_groups_that_come_and_go(mount, place):
    place.publish("p", {"g": {"x": np.arange(3)}, "h": {"x": np.arange(4)}})
    assert os.stat(mount / "p").st_nlink == 4
    for path in ("p/g", "p/g/x", "p/h/x"):
        os.stat(mount / path)
    place.publish("p", {"h": {"x": np.arange(5), "deep": {}}, "g": np.arange(6)})
    mount.eventually(lambda: (mount / "p/g").is_file(), "an array in the place of a group")
    sees(mount, "st_nlink", "p", 3)
    sees(mount, "st_nlink", "p/h", 3)
    sees(mount, "st_size", "p/h/x", 40)
    mount.eventually(lambda: not os.path.lexists(mount / "p/g/x"), "the group's array leaving")
    for name in place.segments() - place.manifest("p").segments():
        (place.shm / name).unlink()


def test_the_sums_above_an_array_that_is_removed(mount, place, sample):
    before = (mount / "p/.meta").read_text()
    os.stat(mount / "p/.meta"), os.stat(mount / "p/b/.meta")
    os.unlink(mount / "p/b/b1")
    mount.eventually(lambda: (mount / "p/.meta").read_text() != before, "the sums")
    size_is_exact(mount, "p/.meta")
    size_is_exact(mount, "p/b/.meta")


def test_the_sidecar_goes_with_its_array_for_everybody(mount, place, sample):
    os.stat(mount / "p/a"), os.stat(mount / "p/a.meta")
    tools.silent("rm", "p/a", cwd=mount.path)
    mount.eventually(lambda: not os.path.lexists(mount / "p/a.meta"), "the sidecar leaving")


def test_who_stays_in_a_directory_sees_what_is_made_anew(mount, place, sample):
    folder = os.open(mount / "p", os.O_RDONLY)
    file = os.open(mount / "p/a", os.O_RDONLY)
    os.stat("a", dir_fd=folder)
    place.unlink("p").succeeded()
    mount.eventually(lambda: not (mount / "p").exists(), "the project leaving")
    place.load("p", h5.simple(place.files / "new.h5", a=np.arange(5))).succeeded()
    sees(mount, "st_size", "p/a", 40)
    mount.eventually(lambda: os.stat("a", dir_fd=folder).st_size == 40, "the same from inside")
    os.close(file)
    os.close(folder)


def test_a_listing_is_complete_and_stable_while_entries_go(mount, place):
    place.load("p", h5.many(place.files / "many.h5", 300)).succeeded()
    with os.scandir(mount / "p") as entries:
        first = next(entries).name
        for number in range(0, 300, 2):
            os.unlink(mount / f"p/{number:05d}")
        names = [first] + [entry.name for entry in entries]
    assert len(names) == len(set(names))
    assert {f"{number:05d}" for number in range(1, 300, 2)} <= set(names)


def test_numbers_stay_what_they_are(mount, place, sample):
    numbers = {path: os.lstat(path).st_ino for path in everything(mount)}
    assert len(set(numbers.values())) == len(numbers)
    place.load("q", sample).succeeded()
    mount.eventually(lambda: (mount / "q/a").exists(), "another project")
    with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") if users.is_root() else open(os.devnull, "w") as drop:
        drop.write("2")
    assert {path: os.lstat(path).st_ino for path in numbers} == numbers


def test_a_removed_and_remade_registry_is_watched_again(mount, place, sample):
    os.stat(mount / "p/a")
    os.stat(mount / "p/a.meta")
    segments = place.segments()
    shutil.rmtree(place.registry)
    mount.eventually(lambda: not (mount / "p").exists(), "the project leaving")
    for name in segments:
        (place.shm / name).unlink()
    place.load("p", h5.simple(place.files / "a.h5", a=np.arange(3))).succeeded()
    mount.eventually(lambda: (mount / "p/a").exists(), "the array")
    sees(mount, "st_size", "p/a", 24)
    place.load("p", h5.simple(place.files / "b.h5", a=np.arange(4)), "-o").succeeded()
    sees(mount, "st_size", "p/a", 32)


# --- half-written -----------------------------------------------------------------------------------------------------


def test_half_a_manifest_that_parses_is_not_shown(mount, place):
    """The peer writes in place; cut between two arrays it is good TOML."""
    place.publish("p", {"x": np.arange(3), "y": np.arange(4)})
    text = place.manifest_path("p").read_text()
    assert set(os.listdir(mount / "p")) == {"x", "x.meta", "y", "y.meta"}
    half = text.index('["y"]')
    with open(place.manifest_path("p"), "w", encoding="utf-8") as manifest:
        manifest.write(text[:half])
        manifest.flush()
        assert (mount / "p/y").exists()
        assert "y" in os.listdir(mount / "p")
        manifest.write(text[half:].replace('"shape" = [4]', '"shape" = [2]'))
    mount.eventually(lambda: "shape = [2]" in (mount / "p/y.meta").read_text(), "the whole")


def test_half_a_manifest_of_a_new_project_is_not_shown(mount, place):
    place.publish("p", {"x": np.arange(3), "y": np.arange(4)})
    text = place.manifest_path("p").read_text()
    with open(place.manifest_path("q"), "w", encoding="utf-8") as manifest:
        manifest.write(text[: text.index('["y"]')])
        manifest.flush()
        assert not (mount / "q").exists()
        assert os.listdir(mount.path) == ["p"]
    mount.eventually(lambda: (mount / "q").exists(), "what there is")
    place.manifest_path("q").unlink()


# --- opening, while nobody has told the kernel yet --------------------------------------------------------------------


@pytest.fixture
def deaf(mount, place, sample):
    """The kernel knows all of project p, and is not told of what happens now. Not for links: they are opened without us."""
    if mount.access.name != "root-passthrough":
        pytest.skip("needs to stop a thread, and files to open")
    for path in everything(mount):
        os.stat(path)
    with freezing.frozen(mount.process, "watch"):
        yield mount


def test_an_open_gets_the_array_of_the_new_project(deaf, place):
    place.load("p", h5.simple(place.files / "new.h5", a=np.arange(7) * 3), "-o").succeeded()
    with open(deaf / "p/a", "rb") as file:
        assert file.read() == (np.arange(7) * 3).tobytes()
        assert os.fstat(file.fileno()).st_size == 56


def test_an_open_gets_the_new_segment_of_the_same_name(deaf, place):
    segment = place.segment("p", "a")
    (place.shm / "new").write_bytes(bytes(range(96)))
    (place.shm / "new").rename(segment)
    assert (deaf / "p/a").read_bytes() == bytes(range(96))


def test_an_open_gets_the_new_segment_while_the_old_one_is_open(deaf, place):
    with open(deaf / "p/a", "rb") as old:
        place.write_file(place.shm / "new", bytes(range(96)))
        (place.shm / "new").rename(place.segment("p", "a"))
        assert (deaf / "p/a").read_bytes() == bytes(range(96))
        assert old.read() == np.arange(12).tobytes()


def test_an_open_goes_by_the_name_that_the_segment_has_now(deaf, place):
    """The same memory under another name, and the manifest says so."""
    segment = place.segment("p", "a")
    other = segment.with_name("cute-shm.p.ABCDEFGHIJ")
    segment.rename(other)
    text = place.manifest_path("p").read_text()
    place.manifest_path("p").write_text(text.replace(segment.name, other.name))
    assert (deaf / "p/a").read_bytes() == np.arange(12).tobytes()


def test_an_open_goes_by_the_owner_that_the_manifest_has_now(mount, place):
    if mount.access.name != "root-passthrough":
        pytest.skip("needs to stop a thread, and files to open")
    tree = place.publish("q", {"x": np.arange(3)})
    mine = place.shm / tree["x"]["shm_name"], place.manifest_path("q")
    for file in mine:
        os.chown(file, users.NOBODY, users.NOBODY)
    os.stat(mount / "q/x")
    with freezing.frozen(mount.process, "watch"):
        for file in mine:
            os.chown(file, 0, 0)
        assert (mount / "q/x").read_bytes() == np.arange(3).tobytes()


def test_an_open_of_what_is_gone_fails(deaf, place):
    place.segment("p", "a").unlink()
    with pytest.raises(FileNotFoundError):
        open(deaf / "p/a", "rb")
    assert "missing" in (deaf / "p/a.meta").read_text()
    place.unlink("p").succeeded()
    for path in ("p/one", "p/one.meta", "p/b/b1"):
        with pytest.raises(FileNotFoundError):
            open(deaf / path, "rb")


def test_an_open_of_what_is_too_short_now_fails(deaf, place):
    os.truncate(place.segment("p", "a"), 95)
    with pytest.raises(FileNotFoundError):
        open(deaf / "p/a", "rb")


def test_an_open_of_what_is_a_group_now_is_refused(deaf, place):
    with h5.writing(place.files / "new.h5") as file:
        file["a/x"] = np.arange(3)
    place.load("p", place.files / "new.h5", "-o").succeeded()
    with pytest.raises(IsADirectoryError):
        open(deaf / "p/a", "rb")
    assert (deaf / "p/a/x").read_bytes() == np.arange(3).tobytes()


def test_an_open_goes_by_the_owner_of_the_manifest(deaf, place):
    """An array is used on its manifest's owner's word. Another owner, another word."""
    os.chown(place.segment("p", "a"), users.NOBODY, users.NOBODY)
    os.chown(place.manifest_path("p"), users.NOBODY, users.NOBODY)
    assert (deaf / "p/a").read_bytes() == np.arange(12).tobytes()
    with pytest.raises(FileNotFoundError):  # its segment is still root's
        open(deaf / "p/one", "rb")
    os.chown(place.manifest_path("p"), 0, 0)


def test_a_sidecar_is_opened_fresh_and_with_its_length(deaf, place):
    text = place.manifest_path("p").read_text()
    place.manifest_path("p").write_text(text.replace('units = "m"', 'units = "furlong"'))
    with open(deaf / "p/a.meta", "rb") as file:
        content = file.read()
        assert b"furlong" in content
        assert os.fstat(file.fileno()).st_size == len(content)


def test_a_thousand_replacements_never_give_old_bytes(mount, place):
    """Each is opened as soon as it is there, by the name the kernel knows."""
    if mount.symlinks:
        pytest.skip("a link that is old leads nowhere")
    segment = place.shm / place.publish("p", {"x": np.zeros(4, "i8")})["x"]["shm_name"]
    for number in range(1000):
        (place.shm / "new").write_bytes(np.full(4, number, "i8").tobytes())
        (place.shm / "new").rename(segment)
        assert (mount / "p/x").read_bytes() == np.full(4, number, "i8").tobytes()


# --- more than can be watched -----------------------------------------------------------------------------------------


def test_more_events_than_the_queue_holds(unstarted, place, sample):
    if unstarted.access.name != "root-passthrough":
        pytest.skip("does not depend on how arrays are shown, and stops a thread")
    with open("/proc/sys/fs/inotify/max_queued_events", encoding="ascii") as limit:
        events = int(limit.read())
    if events > 100_000:
        pytest.skip("the queue is too long here")
    unstarted.start("-v")
    for path in everything(unstarted):
        os.stat(path)
    others = [place.shm / "one", place.shm / "other"]
    for other in others:
        other.touch()
    with freezing.frozen(unstarted.process, "watch"):
        for number in range(events // 2 + 100):
            for other in others:
                os.utime(other, (number, number))
        place.load("p", h5.simple(place.files / "new.h5", a=np.arange(5)), "-o").succeeded()
        os.chmod(place.segment("p", "a"), 0o644)
    unstarted.eventually(lambda: set(os.listdir(unstarted / "p")) == {".meta", "a", "a.meta"}, "the new project")
    unstarted.eventually(lambda: not os.path.lexists(unstarted / "p/one"), "the old arrays leaving")
    sees(unstarted, "st_mode", "p/a", 0o100644)
    unstarted.eventually(lambda: "too many changes" in unstarted.text(), "the word of it in the log")
    for other in others:
        other.unlink()
    unstarted.stop()


def test_without_inotify_changes_are_seen_all_the_same(fuse_device):
    """The limit on inotify instances is each user's, so this is a user that nobody else is."""
    if not users.is_root():
        pytest.skip("needs to be another user")
    somebody = next((entry for entry in pwd.getpwall() if entry.pw_name in ("games", "news", "lp")), None)
    if not somebody:
        pytest.skip("needs a user that fusermount3 can name")
    identity = users.Identity(somebody.pw_uid, somebody.pw_gid)
    access = mounting.Access("somebody-symlink", mounting.SYMLINK, False, identity)
    reason = mounting.why_not(access)
    if reason:
        pytest.skip(reason)
    place = mounting.Place(access.identity)
    mount = mounting.Mount(place, access)
    taken = []

    def body():
        taken.extend(freezing.all_inotify_instances())
        mount.start()
        assert "inotify" in mount.text()
        place.publish("p", {"x": np.arange(3)})
        assert set(os.listdir(mount / "p")) == {"x", "x.meta"}
        assert os.stat(mount / "p/x").st_size == 24
        place.publish("p", {"x": np.arange(5), "y": np.arange(1)})
        mount.eventually(lambda: (mount / "p/y").exists(), "the new array")
        mount.eventually(lambda: os.stat(mount / "p/x").st_size == 40, "the new size")

    try:
        access.identity.run(body)
    finally:
        for fd in taken:
            os.close(fd)
        mount.finish()
        for name in place.segments():
            (place.shm / name).unlink()
        place.finish(strict=False)
