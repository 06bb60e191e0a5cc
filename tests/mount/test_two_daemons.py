# SPDX-License-Identifier: MIT
"""Two daemons on one registry: what is written through one of them is not touched by the other."""

import os
import subprocess
import sys

import pytest

from support import mounting
from support.arrays import declare, eventually_said
from support.waiting import wait_until


@pytest.fixture
def both(raw_files, unstarted, place, access, sample):
    """The project p in two mounts, with an array of eight bytes and two empty ones."""
    declare(place, "p", full=("uint8", [8], b"12345678"), empty=("uint8", [0], b"?"), other=("uint8", [0], b"?"))
    unstarted.start()
    second = mounting.beside(place, access)
    try:
        second.start()
        yield unstarted / "p", second / "p"
        second.stop()
        unstarted.stop()
    finally:
        second.finish()


def appending(path):
    return os.open(path, os.O_WRONLY | os.O_APPEND)


def close_and_be_seen(fd, directory, place):
    """Until the daemon has seen it closed: it sees another one closed after it."""
    other = appending(directory / "other")
    os.close(fd)
    wait_until(lambda: place.segment("p", "other").stat().st_size == 0, "the other's open")
    os.close(other)
    wait_until(lambda: place.segment("p", "other").stat().st_size == 1, "the other's byte")


def test_the_byte_of_an_empty_array_does_not_come_back_under_anothers_writer(both, place):
    one, two = both
    first, second = appending(one / "empty"), appending(two / "empty")
    close_and_be_seen(first, one, place)
    os.write(second, b"z")
    os.close(second)
    assert [(top / "empty").read_bytes() for top in both] == [b"z"] * 2
    eventually_said(place, "p", ("empty",), shape=[1])


def test_the_byte_of_an_empty_array_comes_back_after_the_last_of_all_writers(both, place):
    one, two = both
    segment = place.segment("p", "empty")
    first, second = appending(one / "empty"), appending(two / "empty")
    close_and_be_seen(first, one, place)
    assert segment.stat().st_size == 0
    assert [(top / "empty").read_bytes() for top in both] == [b""] * 2
    os.close(second)
    wait_until(lambda: segment.stat().st_size == 1, "the byte")
    assert [(top / "empty").read_bytes() for top in both] == [b""] * 2
    wait_until(lambda: "rest" not in place.manifest("p").at("empty"), "the manifest", 5)


@pytest.mark.parametrize("how", ["truncate", "ftruncate", "O_TRUNC"])
def test_what_is_emptied_under_anothers_writer_gets_no_byte_that_is_not_written(both, place, how):
    one, two = both
    writer = appending(two / "full")
    if how == "truncate":
        os.truncate(one / "full", 0)
    elif how == "ftruncate":
        with open(one / "full", "r+b") as file:
            file.truncate(0)
    else:
        os.close(os.open(one / "full", os.O_RDONLY | os.O_TRUNC))
    close_and_be_seen(appending(one / "empty"), one, place)
    os.write(writer, b"z")
    os.close(writer)
    assert [(top / "full").read_bytes() for top in both] == [b"z"] * 2
    eventually_said(place, "p", ("full",), shape=[1])


APPEND_ONE_EACH = """
import os, sys
for number in range(int(sys.argv[2])):
    path = os.path.join(sys.argv[1], f"e{number}")
    for flags in (os.O_RDWR, os.O_WRONLY | os.O_APPEND, os.O_WRONLY):
        fd = os.open(path, flags)
        if flags & os.O_APPEND:
            os.write(fd, b"1")
        os.close(fd)
"""


def test_many_who_open_and_append_through_both_lose_and_find_nothing(both, place):
    count = 40
    for number in range(count):
        (both[number % 2] / f"e{number}").touch()
    words = [sys.executable, "-c", APPEND_ONE_EACH]
    running = [
        subprocess.Popen([*words, top, str(count)], stderr=subprocess.PIPE, text=True) for top in [*both, *both]
    ]
    assert [process.communicate(timeout=100)[1] for process in running] == [""] * 4
    for number in range(count):
        assert [(top / f"e{number}").read_bytes() for top in both] == [b"1111"] * 2, number


CREATE = """
import os, sys
made = []
for number in range(int(sys.argv[2])):
    try:
        fd = os.open(os.path.join(sys.argv[1], f"n{number}"), os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    except FileExistsError:
        continue
    os.write(fd, sys.argv[3].encode())
    os.close(fd)
    made.append(number)
print(*made)
"""


def test_a_name_that_both_create_is_made_by_one(both, place):
    """In a project whose changes go to a journal, which each daemon follows before it writes there."""
    count = 150
    segment = place.manifest("p").at("full")["shm_name"]
    leaf = f'shm_name = "{segment}"\nshm_private_name = "/{segment}"\nshape = [8]\ndtype = "uint8"\nattrs = {{}}\n'
    text = place.manifest_path("p").read_text() + "".join(f"[more.x{number:04d}]\n{leaf}" for number in range(1000))
    place.manifest_path("p").write_text(text)
    wait_until(lambda: all((top / "more/x0999").exists() for top in both), "the large project")
    running = [
        subprocess.Popen([sys.executable, "-c", CREATE, top, str(count), who], stdout=subprocess.PIPE, text=True)
        for top, who in zip(both, "ab")
    ]
    made = [{int(number) for number in process.communicate(timeout=100)[0].split()} for process in running]
    assert made[0] | made[1] == set(range(count))
    assert not made[0] & made[1]
    for number in range(count):
        content = b"a" if number in made[0] else b"b"
        assert [(top / f"n{number}").read_bytes() for top in both] == [content] * 2, number
