# SPDX-License-Identifier: MIT
"""The life of the daemon: it starts when it can serve, ends when asked, and loses nothing when killed."""

import concurrent.futures
import contextlib
import ctypes
import fcntl
import mmap
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tomllib

import numpy as np
import pytest

from support import freezing, h5, mounting, programs, users
from support.arrays import refusal
from support.demands import lacking
from support.place import map_array
from support.waiting import patience, wait_until


def started(mount, command):
    """Into the background. It may say which access runs and why, and nothing else."""
    done = programs.run(command, mount.place.environment, mount.place.identity, timeout=30)
    assert done.status == programs.DONE, done
    assert [line for line in done.err.splitlines() if "access" not in line] == [], done


def end_daemon(mount):
    """Ends the one that went into the background."""
    (daemon,) = daemons_of(mount)
    os.kill(daemon, signal.SIGTERM)
    wait_until(lambda: daemons_of(mount) == [], "the end of the daemon")
    assert not mounting.is_mounted(mount.path)


GUARD = "cuteshmfs-guard"
SYS_PIDFD_GETFD = 438  # the same on every architecture


def name_of(pid):
    """None of one that has just ended."""
    try:
        return pathlib.Path("/proc", str(pid), "comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return None


def daemons_of(mount):
    """Processes whose command line names this mount point, but those that stand guard beside them."""
    return [pid for pid in processes_of(mount) if name_of(pid) not in (GUARD, None)]


def processes_of(mount):
    found = []
    for entry in os.listdir("/proc"):
        try:
            words = pathlib.Path("/proc", entry, "cmdline").read_bytes().split(b"\0") if entry.isdigit() else []
        except OSError:
            continue
        if os.fsencode(mount.path) in words and words[0].endswith(b"cuteshmfs"):
            found.append(int(entry))
    return found


def test_it_returns_once_the_mount_answers(unstarted, place, sample):
    started(unstarted, unstarted.command(foreground=False))
    assert (unstarted / "p/a").read_bytes() == np.arange(12).tobytes()
    end_daemon(unstarted)


def test_a_daemon_keeps_nothing_of_its_starter(unstarted, place, sample):
    """A shell that started it must not wait for it: no descriptor of the caller stays open."""
    process = subprocess.Popen(
        unstarted.command(foreground=False), env=place.environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, **programs.as_identity(place.identity),
    )  # fmt: skip
    process.communicate(timeout=30)  # returns when the pipes are closed
    assert process.returncode == 0
    (daemon,) = daemons_of(unstarted)
    assert os.path.realpath(f"/proc/{daemon}/cwd") == "/"
    end_daemon(unstarted)


def test_umount_ends_it(mount, sample):
    if users.is_root():
        subprocess.run(["umount", mount.path], check=True)
    else:
        subprocess.run(["fusermount3", "-u", mount.path], check=True)
    assert mount.process.wait(20) == 0
    assert not mounting.is_mounted(mount.path)
    mount.process = None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_unmounts_and_ends_well(mount, number):
    mount.stop(number)


def test_a_signal_while_it_starts_ends_it_well(unstarted):
    """As soon as the mount can be seen, and as soon as it answers."""
    for turn in range(12):
        unstarted.launch()
        seen = unstarted.mounted_or_dead if turn % 2 else lambda: mounting.is_mounted(unstarted.path)
        wait_until(seen, "the mount")
        unstarted.stop()


def test_it_leaves_no_journal_when_it_ends(mount, place):
    """So large a project is changed by its journal; the peer only reads the manifest."""
    place.load("p", h5.many(place.files / "many.h5", 2000)).succeeded()
    mount.eventually((mount / "p").is_dir, "the project")
    os.unlink(mount / "p/00007")
    mount.stop()
    assert len(place.manifest("p").leaves()) == 1999
    place.assert_consistent()


def test_a_journal_of_a_killed_daemon_is_folded_by_the_next(mount, place):
    place.load("p", h5.many(place.files / "many.h5", 2000)).succeeded()
    mount.eventually((mount / "p").is_dir, "the project")
    os.unlink(mount / "p/00007")
    mount.kill()
    mount.start()
    assert not (mount / "p/00007").exists()
    wait_until(lambda: len(place.manifest("p").leaves()) == 1999, "the manifest")
    wait_until(lambda: ".journal.p" not in place.in_registry(), "the journal's end")


def test_sigterm_unmounts_even_when_busy(mount, sample):
    mapped = map_array(mount / "p/a", "int64", (3, 4), "r+")
    with open(mount / "p/b/.meta", "rb"):
        mount.stop()
    assert np.array_equal(mapped, np.arange(12).reshape(3, 4))


def test_it_says_at_start_which_access_runs(mount):
    lines = mount.text().splitlines()
    assert sum(mount.access.mode in line or (mount.symlinks and "symbolic" in line) for line in lines) == 1


def test_auto_takes_what_there_is(unstarted, place, sample):
    """Passthrough where it can be had, symbolic links else; the arrays tell."""
    command = [word for word in unstarted.command(foreground=False) if not str(word).startswith("--access")]
    started(unstarted, command)
    links = (unstarted / "p/a").is_symlink()
    expected = place.identity is not None or mounting.why_not(mounting.ALL["root-passthrough"]) is not None
    assert links == expected
    end_daemon(unstarted)


def test_a_link_leads_to_the_segment(mount, place, sample):
    if not mount.symlinks:
        assert not (mount / "p/a").is_symlink()
        return
    assert os.readlink(mount / "p/a") == str(place.segment("p", "a"))


def test_killed_with_open_mappings_it_loses_nothing(mount, place, sample):
    through = map_array(mount / "p/a", "int64", (3, 4), "r+")
    file = open(mount / "p/b/b1", "rb", buffering=0)
    mount.kill()
    through[0, 0] = 42
    assert place.array("p", "a")[0, 0] == 42
    assert file.read() == h5.read(sample, "b", "b1").tobytes()
    assert place.projects() == {"p"}
    place.assert_consistent()
    if mount.symlinks:
        file.close()


@pytest.fixture
def orphans(raw_files, mount, sample):
    """Two descriptors of p/a, opened apart and read once, whose daemon was killed."""
    files = [os.open(mount / "p/a", os.O_RDWR) for _ in range(2)]
    for fd in files:
        assert os.pread(fd, 8, 0) == bytes(8)
    mount.kill()
    yield files
    for fd in files:
        with contextlib.suppress(OSError):
            os.close(fd)


@pytest.fixture
def orphan(orphans):
    return orphans[0]


def store_into_a_new_mapping(fd):
    with mmap.mmap(fd, 96) as mapped:  # its size cannot be asked for
        assert mapped[8:16] == (1).to_bytes(8, "little")
        mapped[:8] = (42).to_bytes(8, "little")


def test_a_descriptor_of_a_killed_daemon_reads_writes_and_maps(orphan, place):
    assert os.pread(orphan, 200, 0) == np.arange(12).tobytes()
    assert os.pwrite(orphan, (43).to_bytes(8, "little"), 16) == 8
    store_into_a_new_mapping(orphan)
    assert place.array("p", "a").ravel()[:4].tolist() == [42, 1, 43, 3]


def test_descriptors_of_a_killed_daemon_can_be_locked_against_each_other(orphans):
    first, second = orphans
    fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with pytest.raises(BlockingIOError):
        fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(first, fcntl.LOCK_UN)
    fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)


ENDED = {
    "fstat": os.fstat,
    "ftruncate": lambda fd: os.ftruncate(fd, 8),
    "fchmod": lambda fd: os.fchmod(fd, 0o600),
}


@pytest.mark.parametrize("call", ENDED)
def test_what_asks_a_killed_daemon_is_enotconn(orphan, place, call):
    assert refusal(lambda: ENDED[call](orphan)) == "ENOTCONN"
    assert place.segment("p", "a").stat().st_size == 96


def test_it_starts_over_a_dead_mount(mount, place, sample):
    through = map_array(mount / "p/a", "int64", (3, 4), "r+")
    mount.kill()
    assert mounting.is_mounted(mount.path)
    mount.start()
    assert len(mounting.mounts_at(mount.path)) == 1
    again = map_array(mount / "p/a", "int64", (3, 4))
    through[2, 3] = 4711
    assert again[2, 3] == 4711


def hold_connection(daemon):
    """A copy of the daemon's /dev/fuse: what a thread keeps open that waits in the kernel."""
    (number,) = [fd for fd in os.listdir(f"/proc/{daemon}/fd") if link_of(daemon, fd) == "/dev/fuse"][:1]
    process = os.pidfd_open(daemon)
    try:
        copy = ctypes.CDLL(None, use_errno=True).syscall(SYS_PIDFD_GETFD, process, int(number), 0)
    finally:
        os.close(process)
    assert copy >= 0, os.strerror(ctypes.get_errno())
    return copy


def link_of(pid, fd):
    try:
        return os.readlink(f"/proc/{pid}/fd/{fd}")
    except FileNotFoundError:
        return None


def test_killed_while_its_connection_is_kept_open_nobody_waits_for_it(mount, place, sample):
    """The kernel ends a connection when nobody has it open, and a thread may wait in it for ever."""
    if place.identity or os.geteuid() != 0:
        pytest.skip("nobody but root may abort a connection everywhere")
    connection = hold_connection(mount.process.pid)
    try:
        mount.kill()
        done = subprocess.run(["stat", mount / "p/a"], capture_output=True, timeout=30, check=False)
        assert done.returncode == 1
        assert b"not connected" in done.stderr or b"connection abort" in done.stderr  # asked before it was, or after
        wait_until(lambda: processes_of(mount) == [], "the end of its guard")
    finally:
        os.close(connection)
    mount.start()
    assert (mount / "p/a").read_bytes() == np.arange(12).tobytes()


def state_of_thread(process, name):
    (thread,) = freezing.threads(process, name)
    return pathlib.Path(f"/proc/{process.pid}/task/{thread}/stat").read_text().rsplit(")", 1)[1].split()[0]


@contextlib.contextmanager
def changes_wait(place):
    """Nobody else changes the registry meanwhile: who asks the daemon to waits in it, with the directory locked."""
    with open(place.registry / ".lock", "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def has_open(process, path):
    links = [link_of(process.pid, fd) for fd in os.listdir(f"/proc/{process.pid}/fd")]
    return str(path) in links


CALLS = {
    "mkdir": "os.mkdir(top + '/new')",
    "rename": "os.rename(top + '/p', top + '/r')",
    "rmdir": "os.rmdir(top + '/none')",
}


@pytest.mark.parametrize("call", CALLS)
def test_killed_while_the_kernel_is_told_of_a_name_the_callers_do_not_wait_for_ever(mount, place, sample, call):
    """What tells it waits for a directory that is locked until a caller is answered, and cannot be killed."""
    place.publish("q", {})
    place.publish("none", {})
    for name in ("p", "q", "none"):
        mount.eventually((mount / name).is_dir, name)
    daemon = mount.process
    with changes_wait(place):
        script = f"import os, sys; top = sys.argv[1]; {CALLS[call]}"
        caller = subprocess.Popen([sys.executable, "-c", script, mount.path], stderr=subprocess.PIPE, text=True)
        try:
            wait_until(lambda: has_open(daemon, place.registry / ".lock"), "a daemon that waits for the registry")
            os.unlink(place.registry / "cute-shm.q.toml")
            wait_until(lambda: state_of_thread(daemon, "herald") == "D", "a herald that waits for the directory")
            daemon.kill()
            said = caller.communicate(timeout=10)[1]
            daemon.wait(10)
        finally:
            subprocess.run(["umount", "-f", mount.path], check=False, capture_output=True)
            caller.kill()
    assert "OSError" in said or "ConnectionAborted" in said, said
    wait_until(lambda: processes_of(mount) == [], "the end of its guard")
    mount.process = None
    mount.start()
    assert (mount / "p/a").read_bytes() == np.arange(12).tobytes()


def test_killed_again_and_again_mounts_do_not_pile_up(unstarted, sample):
    for _ in range(3):
        unstarted.start()
        assert (unstarted / "p/a").exists()
        unstarted.kill()
    unstarted.start()
    assert len(mounting.mounts_at(unstarted.path)) == 1
    unstarted.stop()


def test_it_serves_what_was_loaded_while_it_was_dead(mount, place, sample):
    mount.kill()
    place.load("q", sample).succeeded()
    place.unlink("p").succeeded()
    mount.start()
    assert os.listdir(mount.path) == ["q"]


def test_a_bad_mount_point_is_one_line(place, unstarted):
    for path in (place.base / "nowhere", h5.simple(place.files / "f.h5", x=[1])):
        line = place.run("cuteshmfs", "-f", f"--access={unstarted.access.mode}", path, timeout=30).failed()
        assert str(path) in line


def test_a_shared_memory_directory_that_is_missing_is_one_line(place, unstarted):
    command = [
        programs.directory() / "cuteshmfs",
        "-f",
        f"--root={place.registry}",
        "--shm-dir=/nowhere",
        place.mountpoint,
    ]
    line = programs.run(command, place.environment, place.identity, timeout=30).failed()
    assert "/nowhere" in line
    assert not mounting.is_mounted(place.mountpoint)


def test_passthrough_that_cannot_be_had_is_one_line(place, access):
    if access.as_root:
        pytest.skip("root may have it")
    line = place.run("cuteshmfs", "-f", "--access=passthrough", place.mountpoint, timeout=30).failed()
    assert "passthrough" in line
    assert not mounting.is_mounted(place.mountpoint)


def test_registry_and_memory_can_be_mount_options(unstarted, place, sample):
    """As mount(8) and fstab give them."""
    options = f"root={place.registry},shm_dir={place.shm}"
    command = [
        programs.directory() / "cuteshmfs",
        f"--access={unstarted.access.mode}",
        "-o",
        options,
        "cuteshm",
        unstarted.path,
    ]
    started(unstarted, command)
    assert (unstarted / "p/a").exists()
    end_daemon(unstarted)


def test_the_program_before_the_source_can_be_mounted_as_type_fuse(unstarted, place, sample):
    """mount -t fuse PROGRAM#SOURCE DIR, as in old lines of fstab."""
    if not unstarted.access.as_root:
        pytest.skip("only root may call mount")
    if not shutil.which("mount.fuse"):
        lacking("no mount.fuse")
    options = f"root={place.registry},shm_dir={place.shm},access={unstarted.access.mode}"
    source = f"{programs.directory() / 'cuteshmfs'}#arrays"
    started(unstarted, ["mount", "-t", "fuse", source, unstarted.path, "-o", options])
    assert (unstarted / "p/a").read_bytes() == np.arange(12).tobytes()
    assert mounting.type_of(unstarted.path) == "fuse.cuteshmfs"
    assert mounting.source_of(unstarted.path) == "arrays"
    done = programs.run(["umount", unstarted.path], place.environment)
    assert done.status == 0, done
    wait_until(lambda: daemons_of(unstarted) == [], "the end of the daemon")
    assert not mounting.is_mounted(unstarted.path)


@pytest.fixture
def installed(unstarted, place, sample):
    """Type and options for mount(8), which has a PATH of its own: the program by its whole name, were it in /usr/bin
    the type would be fuse.cuteshmfs."""
    if not unstarted.access.as_root:
        pytest.skip("only root may call mount")
    if not shutil.which("mount.fuse") and not shutil.which("mount.fuse3"):
        lacking("no mount.fuse")
    return f"fuse.{programs.directory() / 'cuteshmfs'}", f"root={place.registry},shm_dir={place.shm},access={unstarted.access.mode}"


def is_served_until_umount(mount, place, command):
    started(mount, command)
    assert (mount / "p/a").read_bytes() == np.arange(12).tobytes()
    assert mounting.type_of(mount.path) == "fuse.cuteshmfs"
    done = programs.run(["umount", mount.path], place.environment)
    assert done.status == 0, done
    wait_until(lambda: daemons_of(mount) == [], "the end of the daemon")
    assert not mounting.is_mounted(mount.path)


def test_it_can_be_mounted_by_its_type(unstarted, place, installed):
    kind, options = installed
    is_served_until_umount(unstarted, place, ["mount", "-t", kind, "cuteshm", unstarted.path, "-o", options])


def test_a_line_of_fstab_mounts_it(unstarted, place, installed):
    kind, options = installed
    (place.base / "fstab").write_text(f"cuteshm {unstarted.path} {kind} {options},nofail 0 0\n")
    is_served_until_umount(unstarted, place, ["mount", "-T", place.base / "fstab", unstarted.path])


def serves(mount):
    """Reads, maps and makes."""
    assert (mount / "p/a").read_bytes() == np.arange(12).tobytes()
    assert map_array(mount / "p/b/b1", "f4", [100])[99] == 1
    (mount / "new").mkdir()
    (mount / "new/x.meta").write_text('[array]\ndtype = "int8"\nshape = [5]\n')
    assert (mount / "new/x").read_bytes() == bytes(5)
    return True


@pytest.mark.parametrize("option", ["no_allow_other", "max_threads=4", "clone_fd", "no_io_uring"])
def test_it_serves_with_each_option(unstarted, sample, option):
    unstarted.start("-o", option)
    assert serves(unstarted)
    if option == "no_allow_other":
        assert "allow_other" not in mounting.options_of(unstarted.path)
    unstarted.stop()


def test_few_threads_serve_many_who_ask_at_once(unstarted, place):
    arrays = {f"x{number}": np.full(100, number) for number in range(64)}
    place.publish("q", arrays)
    unstarted.start("-o", "max_threads=4")
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        said = list(pool.map(lambda name: tomllib.loads((unstarted / f"q/{name}.meta").read_text()), arrays))
    assert all(document["array"]["shape"] == [100] for document in said)
    unstarted.stop()


def test_the_configuration_file_says_where_it_mounts(unstarted, place, sample):
    config = place.base / "c.conf"
    config.write_text(f"root = {place.registry}\nshm_dir = {place.shm}\nmountpoint = {unstarted.path}\n")
    program = programs.directory() / "cuteshmfs"
    unstarted.command = lambda *options: [program, "-f", f"--access={unstarted.access.mode}", f"--config={config}"]
    unstarted.start()
    assert serves(unstarted)
    unstarted.stop()


@pytest.mark.parametrize("abstract", [False, True], ids=["path", "abstract"])
def test_a_service_manager_is_told_once_it_serves(unstarted, place, sample, abstract):
    """Type=notify: systemd starts what needs the mount when it has got READY=1."""
    name = f"@{place.base}" if abstract else f"{place.base}/notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name.replace("@", "\0"))
        manager.settimeout(20 * patience())
        place.environment["NOTIFY_SOCKET"] = name
        unstarted.launch()
        assert "READY=1" in manager.recv(65536).decode().splitlines()
        assert os.path.lexists(unstarted / "p/a")
        assert serves(unstarted)
        unstarted.stop()


SYSLOG = pathlib.Path("/dev/log")


def test_in_the_background_it_logs_to_syslog(unstarted, place, sample):
    if not users.is_root() or os.path.lexists(SYSLOG) or not os.environ.get("CI"):
        pytest.skip("makes itself the machine's log: where that has none, and nobody else is there")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(os.fspath(SYSLOG))
        try:
            SYSLOG.chmod(0o666)
            log.settimeout(20 * patience())
            started(unstarted, unstarted.command(foreground=False))
            with pytest.raises(OSError):
                (unstarted / "p/a.meta").write_text("[array]\nshpae = [3]\n")
            said = ""
            while "shpae" not in said:  # others may log, too
                said = log.recv(65536).decode(errors="replace")
            assert "cuteshmfs" in said and "line 2" in said
        finally:
            SYSLOG.unlink()
    end_daemon(unstarted)


def test_it_is_a_mount_of_its_own_type(mount):
    assert mounting.type_of(mount.path) == "fuse.cuteshmfs"


def test_an_idle_daemon_holds_no_segments(mount, place, sample):
    """A descriptor kept would pin the memory of what somebody removes."""
    for array in ("a", "b/b1", "one"):
        (mount / "p" / array).read_bytes()
    mount.eventually(lambda: not held(mount, place), "the release of segments")


def held(mount, place):
    folder = f"/proc/{mount.process.pid}/fd"
    links = []
    for fd in os.listdir(folder):
        try:
            links.append(os.readlink(f"{folder}/{fd}"))
        except OSError:
            continue
    return [link for link in links if link.startswith(f"{place.shm}/")]
