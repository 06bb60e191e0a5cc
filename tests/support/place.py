# SPDX-License-Identifier: MIT
"""A test's own registry, shared memory directory and mount point, and the proof that nothing stays behind."""

import contextlib
import os
import pathlib
import secrets
import shutil
import string
import subprocess
import tempfile

import numpy as np

from . import programs, toml_text
from .manifest import Manifest

SHARED_MEMORY = pathlib.Path("/dev/shm")
PREFIX = "cuteshm-test-"
SETTINGS = ("CUTE_SHM_ROOT", "CUTE_SHM_DIR", "XDG_CONFIG_HOME", "NO_COLOR", "CUTE_SHM_PROJECT")
SANITIZERS = ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS")


class Place:
    """Belongs to `identity` (None: whoever runs the tests). Others may pass through it, as through /dev/shm."""

    def __init__(self, identity=None, shm_mebibytes=None):
        self.identity = identity
        self.base = pathlib.Path(tempfile.mkdtemp(prefix=PREFIX))
        self.shm = self.base / "shm" if shm_mebibytes else pathlib.Path(tempfile.mkdtemp(prefix=PREFIX, dir=SHARED_MEMORY))
        self.registry = self.base / "registry"
        self.mountpoint = self.base / "mount"
        self.files = self.base / "files"
        self.reports = self.base / "reports"
        self.log = self.base / "daemon.log"
        self.foreign = set()  # what a test itself put into the shared memory directory, and nobody may take away
        self._tmpfs = False
        for made in (self.mountpoint, self.files, self.reports, self.base / "config"):
            made.mkdir()
        if shm_mebibytes:
            self._mount_tmpfs(shm_mebibytes)
        for ours in (self.base, self.mountpoint, self.files, self.base / "config"):
            self._give(ours, 0o755)
        self.log.touch()
        self._give(self.log, 0o644)
        self._give(self.reports, 0o1777)
        self._give(self.shm, 0o1777)
        self.environment = self._environment()

    def _mount_tmpfs(self, mebibytes):
        """Not below /dev/shm: a mount there spreads into every chroot that binds /dev meanwhile, and stays busy."""
        self.shm.mkdir()
        size = f"size={mebibytes}m,mode=1777"
        subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", self.shm], check=True, capture_output=True)
        self._tmpfs = True

    def _give(self, path, mode):
        path.chmod(mode)
        if self.identity:
            os.chown(path, self.identity.uid, self.identity.gid)

    def _environment(self):
        env = {key: value for key, value in os.environ.items() if key not in SETTINGS}
        env.update(HOME=str(self.base), XDG_CONFIG_HOME=str(self.base / "config"), LC_ALL="C.UTF-8", TERM="xterm")
        for name in SANITIZERS:
            kept = [word for word in env.get(name, "").split(":") if word and not word.startswith("log_path=")]
            env[name] = ":".join(kept + [f"log_path={self.reports}/{name[:4].lower()}"])
        return env

    # --- commands -----------------------------------------------------------------------------------------------------

    def command(self, tool, *words, where=True):
        flags = [f"--root={self.registry}", f"--shm-dir={self.shm}"] if where else []
        return [programs.directory() / tool, *flags, *words]

    def run(self, tool, *words, where=True, identity=None, env=None, timeout=60.0, **options):
        command = self.command(tool, *words, where=where)
        return programs.run(command, {**self.environment, **(env or {})}, identity or self.identity, timeout, **options)

    def start(self, tool, *words, where=True, identity=None, env=None, **options):
        """The same without waiting for its end: a Popen, text pipes."""
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return subprocess.Popen(
            self.command(tool, *words, where=where),
            env={**self.environment, **(env or {})},
            **programs.as_identity(identity or self.identity),
            **options,
        )

    def load(self, project, file, *options, **how):
        return self.run("cute-shm-hdf5", *options, project, file, **how)

    def list(self, *words, **how):
        return self.run("cute-shm-list", *words, **how)

    def unlink(self, *projects, **how):
        return self.run("cute-shm-unlink", *projects, **how)

    # --- what is there ------------------------------------------------------------------------------------------------

    def manifest_path(self, project):
        return self.registry / f"cute-shm.{project}.toml"

    def manifest(self, project):
        return Manifest(self.manifest_path(project).read_bytes())

    def segment(self, project, *path):
        """The file that holds the array."""
        return self.shm / self.manifest(project).at(*path)["shm_name"]

    def array(self, project, *path, mode="r"):
        """The array on its segment itself, as any reader of the manifest would map it."""
        leaf = self.manifest(project).at(*path)
        return map_array(self.shm / leaf["shm_name"], leaf["dtype"], leaf["shape"], mode)

    def projects(self):
        names = self._names(self.registry)
        return {name[len("cute-shm.") : -len(".toml")] for name in names if name.endswith(".toml")}

    def segments(self):
        return self._names(self.shm) - self.foreign

    def in_registry(self):
        return self._names(self.registry)

    def assert_nothing_published(self):
        assert self.segments() == set()
        assert self.in_registry() <= {".lock"}

    def assert_consistent(self):
        """Every segment is named by a manifest and every manifest has its segments."""
        named = set()
        for project in self.projects():
            named |= self.manifest(project).segments()
        assert self.segments() == named
        assert all(name == ".lock" or name.endswith(".toml") for name in self.in_registry())

    @staticmethod
    def _names(directory):
        try:
            return set(os.listdir(directory))
        except FileNotFoundError:
            return set()

    # --- making projects without our commands -------------------------------------------------------------------------

    def publish(self, project, arrays, extension="", mode=0o600):
        """A project as the peer would write it: nested dictionaries of numpy arrays. Returns its tree."""
        self.registry.mkdir(exist_ok=True)
        tree = self.lay_out(project, arrays, mode)
        self.write_manifest(project, extension + toml_text.document(tree), mode)
        return tree

    def lay_out(self, project, arrays, mode=0o600):
        tree = {}
        for key, item in arrays.items():
            tree[key] = self.lay_out(project, item, mode) if isinstance(item, dict) else self.leaf(project, item, mode)
        return tree

    def leaf(self, project, array, mode=0o600, **more):
        name = self.new_segment(project, np.ascontiguousarray(array).tobytes() or b"\0", mode)
        shape = list(array.shape)
        return {"shm_name": name, "shm_private_name": "/" + name, "shape": shape, "dtype": str(array.dtype),
                **more, "attrs": more.get("attrs", {})}  # fmt: skip

    def new_segment(self, project, content, mode=0o600):
        letters = string.ascii_letters + string.digits
        name = f"cute-shm.{project}." + "".join(secrets.choice(letters) for _ in range(10))
        self.write_file(self.shm / name, content, mode)
        return name

    def write_manifest(self, project, text, mode=0o600):
        self.registry.mkdir(exist_ok=True)
        self.write_file(self.manifest_path(project), text.encode() if isinstance(text, str) else text, mode)

    def damage(self, project, text=b"[x\nthis is no TOML"):
        """A manifest that does not parse counts as damaged 2 s after its last change; this one changed long ago."""
        self.write_manifest(project, text)
        os.utime(self.manifest_path(project), (1, 1))

    @staticmethod
    def write_file(path, content, mode=0o600):
        path.write_bytes(content)
        path.chmod(mode)

    # --- the end ------------------------------------------------------------------------------------------------------

    def finish(self, strict):
        """Unlinks what was published. If `strict`, nothing else may have been there."""
        try:
            if strict:
                self._finish_strictly()
        finally:
            self._remove()

    def _finish_strictly(self):
        projects = sorted(self.projects())
        if projects:
            self.unlink(*projects).succeeded()
        left = sorted(self.segments()), sorted(self.in_registry() - {".lock"})
        assert left == ([], []), f"left behind: segments {left[0]}, in the registry {left[1]}"
        self.assert_no_reports()

    def assert_no_reports(self):
        for report in sorted(self.reports.iterdir()):
            text = report.read_text(errors="replace")
            assert not text.strip(), f"sanitizer report {report.name}:\n{text[:6000]}"

    def _remove(self):
        if self._tmpfs:
            subprocess.run(["umount", "-l", self.shm], check=False, capture_output=True)
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self.shm)
        if not os.path.ismount(self.mountpoint):
            shutil.rmtree(self.base)


def map_array(file, dtype, shape, mode="r"):
    """An array on a file; an empty one cannot be mapped."""
    size = int(np.prod(shape, dtype=object)) * np.dtype(dtype).itemsize
    if size == 0:
        return np.zeros(shape, dtype)
    with open(file, "rb", buffering=0) as opened:  # an error here is an error; in the mapping it would be SIGBUS
        assert opened.seek(size - 1) == size - 1 and len(opened.read(1)) == 1
    return np.memmap(file, np.dtype(dtype), mode, shape=tuple(shape))
