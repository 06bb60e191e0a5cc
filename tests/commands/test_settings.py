# SPDX-License-Identifier: MIT
"""Where things are: flag beats environment beats configuration file beats default."""

import grp
import os

import pytest

from support import h5


@pytest.fixture
def file(place):
    return h5.simple(place.files / "f.h5", x=[1, 2, 3])


@pytest.fixture
def roots(place):
    """Registries to choose from."""
    return {name: place.base / f"registry-{name}" for name in ("flag", "environment", "config")}


def configure(path, **settings):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{key} = {value}\n" for key, value in settings.items()))
    return path


def load(place, file, *words, env=None):
    return place.run("cute-shm-hdf5", *words, "p", file, where=False, env=env)


def published_in(place, roots):
    """Which registry got it; cleans up."""
    found = [name for name, root in roots.items() if (root / "cute-shm.p.toml").exists()]
    for name in found:
        where = [f"--root={roots[name]}", f"--shm-dir={place.shm}"]
        place.run("cute-shm-unlink", *where, "p", where=False).silent()
    return found


def test_flag_beats_environment_and_file(place, file, roots):
    config = configure(place.base / "c.conf", root=roots["config"], shm_dir=place.shm)
    env = {"CUTE_SHM_ROOT": str(roots["environment"])}
    load(place, file, f"--config={config}", f"--root={roots['flag']}", env=env).succeeded()
    assert published_in(place, roots) == ["flag"]


def test_environment_beats_file(place, file, roots):
    config = configure(place.base / "c.conf", root=roots["config"], shm_dir=place.shm)
    load(place, file, f"--config={config}", env={"CUTE_SHM_ROOT": str(roots["environment"])}).succeeded()
    assert published_in(place, roots) == ["environment"]


def test_the_file_beats_the_default(place, file, roots):
    config = configure(place.base / "c.conf", root=roots["config"], shm_dir=place.shm)
    load(place, file, f"--config={config}").succeeded()
    assert published_in(place, roots) == ["config"]


def test_the_users_file_is_found_by_itself(place, file, roots):
    configure(place.base / "config" / "cuteshmfs.conf", root=roots["config"], shm_dir=place.shm)
    load(place, file).succeeded()
    assert published_in(place, roots) == ["config"]


def test_the_memory_directory_follows_the_same_order(place, file, roots):
    config = configure(place.base / "c.conf", shm_dir=place.base / "nowhere")
    load(place, file, f"--config={config}", f"--root={roots['flag']}").failed()
    env = {"CUTE_SHM_DIR": str(place.shm)}
    load(place, file, f"--config={config}", f"--root={roots['flag']}", env=env).succeeded()
    assert len(place.segments()) == 1
    published_in(place, roots)
    env = {"CUTE_SHM_DIR": str(place.base / "nowhere")}
    load(place, file, f"--shm-dir={place.shm}", f"--root={roots['flag']}", env=env).succeeded()
    assert len(place.segments()) == 1
    published_in(place, roots)


def test_the_file_sets_the_mode_of_new_projects(place, file):
    configure(place.base / "config" / "cuteshmfs.conf", mode="0640")
    place.load("p", file).succeeded()
    assert oct(place.segment("p", "x").stat().st_mode & 0o777) == "0o640"
    place.load("q", file, "--mode=0600").succeeded()
    assert oct(place.segment("q", "x").stat().st_mode & 0o777) == "0o600"


def test_the_file_sets_the_group_of_new_projects(place, file):
    gid = next((gid for gid in os.getgroups() if gid != os.getegid()), None)
    if os.geteuid() == 0:
        gid = grp.getgrnam("daemon").gr_gid
    if gid is None:
        pytest.skip("needs a second group")
    configure(place.base / "config" / "cuteshmfs.conf", group=gid)
    place.load("p", file).succeeded()
    assert place.segment("p", "x").stat().st_gid == gid
    assert place.manifest_path("p").stat().st_gid == gid


def test_a_mistake_in_the_file_is_one_line_with_its_place(place, file):
    config = configure(place.base / "c.conf", shm_dir=place.shm, nonsense=1)
    result = load(place, file, f"--config={config}", f"--root={place.registry}")
    line = result.failed(result.status)
    assert result.status in (1, 2)
    assert str(config) in line and "2" in line.replace(str(config), "")


def test_a_missing_configuration_file_is_an_error_when_named(place, file):
    result = load(place, file, "--config=/nowhere.conf", f"--root={place.registry}", f"--shm-dir={place.shm}")
    assert "/nowhere.conf" in result.failed(result.status)
    assert result.status in (1, 2)


def test_a_registry_made_by_root_is_for_everybody_and_one_made_by_a_user_is_private(place, file):
    place.load("p", file).succeeded()
    mode = oct(place.registry.stat().st_mode & 0o7777)
    assert mode == ("0o1777" if os.geteuid() == 0 else "0o700")


def test_the_registry_is_made_with_its_parents_or_refused_in_one_line(place, file):
    result = place.run(
        "cute-shm-hdf5", f"--root={place.files}/f.h5/x", f"--shm-dir={place.shm}", "p", file, where=False
    )
    result.failed()
    assert place.segments() == set()
