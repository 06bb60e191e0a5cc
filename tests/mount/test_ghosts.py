# SPDX-License-Identifier: MIT
"""Who removed or moved an array may name its sidecar once more, for two seconds: rm p/* and mv p/* q/ name both."""

import concurrent.futures
import os
import sys
import tomllib

import pytest

from support import tools
from support.waiting import wait_until

ENDED = 5.0
MADE_ANEW = '[array]\ndtype = "int16"\nshape = [7]\n'


def remove(p):
    """As tools do that looked at both names before."""
    os.lstat(p / "a.meta")
    os.unlink(p / "a")


def move(p):
    os.lstat(p / "a.meta")
    os.rename(p / "a", p / "b/moved")


@pytest.fixture
def p(mount, sample):
    return mount / "p"


WAYS = pytest.mark.parametrize("way", [remove, move])


@WAYS
def test_this_process_still_finds_the_sidecar_of_what_it_removed(p, way):
    way(p)
    assert os.path.lexists(p / "a.meta")
    assert "a.meta" not in os.listdir(p)
    assert not os.path.lexists(p / "a")


@WAYS
def test_so_do_its_other_threads(p, way):
    """Those of one program share what it does; which of them asks does not matter."""
    way(p)
    uid = os.geteuid()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        assert pool.submit(os.geteuid).result() == uid
        assert pool.submit(os.path.lexists, p / "a.meta").result()


@WAYS
def test_its_children_and_other_programs_do_not(p, way):
    way(p)
    assert tools.run("stat", p / "a.meta").returncode != 0
    assert tools.run("rm", p / "a.meta").returncode != 0
    look = "import os, sys; sys.exit(os.path.lexists(sys.argv[1]))"
    assert tools.run(sys.executable, "-c", look, p / "a.meta").returncode == 0
    assert os.path.lexists(p / "a.meta")


@WAYS
def test_a_fork_of_it_does_not(p, way):
    way(p)
    child = os.fork()
    if child == 0:
        os._exit(3 if os.path.lexists(p / "a.meta") else 4)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 4


@WAYS
def test_it_is_gone_by_itself(p, way):
    """After two seconds; until then it was there."""
    way(p)
    assert os.path.lexists(p / "a.meta")
    wait_until(lambda: not os.path.lexists(p / "a.meta"), "the end of the old name", ENDED)


@WAYS
def test_it_is_removed_once(p, way):
    way(p)
    os.unlink(p / "a.meta")
    with pytest.raises(FileNotFoundError):
        os.unlink(p / "a.meta")
    assert not os.path.lexists(p / "a.meta")


@WAYS
def test_o_creat_makes_a_new_one(p, place, way):
    way(p)
    fd = os.open(p / "a.meta", os.O_CREAT | os.O_WRONLY, 0o600)
    os.write(fd, MADE_ANEW.encode())
    os.close(fd)
    array = tomllib.loads((p / "a.meta").read_text())["array"]
    assert (array["dtype"], array["shape"]) == ("int16", [7])
    assert (p / "a").read_bytes() == bytes(14)
    assert tools.run("stat", p / "a.meta").returncode == 0
    place.assert_consistent()
