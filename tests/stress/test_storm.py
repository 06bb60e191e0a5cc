# SPDX-License-Identifier: MIT
"""The storm notices what it is there for."""

import numpy as np
import pytest
from storm import stamps
from storm.ledger import ABSENT, PRESENT, UNKNOWN, Ledger
from storm.stamps import Wrong, content, version_of


def test_a_whole_array_tells_its_version():
    for array in range(len(stamps.ARRAYS)):
        assert version_of(content(100, "p0", array).tobytes(), "p0", array) == 100


@pytest.mark.parametrize(
    "damage",
    [
        lambda words: content(7, "p1", 0),  # another project's
        lambda words: content(7, "p0", 1),  # another array's
        lambda words: words[:-1],
        lambda words: words[:0],
        lambda words: np.append(words[:-1], content(8, "p0", 0)[:1]),  # two versions in one
        lambda words: np.append(words[:-1], np.uint64(0)),
        lambda words: np.zeros(1, "<u8"),
    ],
)
def test_other_content_is_wrong(damage):
    with pytest.raises(Wrong):
        version_of(damage(content(7, "p0", 0)).tobytes(), "p0", 0)


@pytest.fixture
def ledger(tmp_path):
    return Ledger(["p0"], tmp_path / "failures")


def publish(ledger):
    change = ledger.begin(0, [0], False)
    ledger.end(change, True, {0: change.ticket})
    return change.ticket


def test_what_was_replaced_is_below_the_floor(ledger):
    old, new = publish(ledger), publish(ledger)
    view = ledger.look(0, 0)
    assert (view.state, view.version) == (PRESENT, new)
    assert old < view.floor <= new


def test_what_was_removed_is_below_the_floor(ledger):
    old = publish(ledger)
    ledger.end(ledger.begin(0, [0], True), True, {0: None})
    view = ledger.look(0, 0)
    assert view.state == ABSENT and old < view.floor


def test_of_changes_at_the_same_time_either_may_be_the_last(ledger):
    before = publish(ledger)
    first, second = ledger.begin(0, [0], False), ledger.begin(0, [0], False)
    ledger.end(second, True, {0: second.ticket})
    ledger.end(first, True, {0: first.ticket})
    view = ledger.look(0, 0)
    assert view.state == UNKNOWN
    assert before < view.floor <= first.ticket


def test_after_a_failure_nothing_is_known_and_the_old_may_be_there(ledger):
    old = publish(ledger)
    ledger.end(ledger.begin(0, [0], True), False)
    view = ledger.look(0, 0)
    assert view.state == UNKNOWN and view.floor <= old


def test_what_one_has_seen_the_next_may_not_see_replaced(ledger):
    old = publish(ledger)
    change = ledger.begin(0, [0], False)
    assert ledger.look(0, 0).floor <= old
    ledger.seen(0, 0, change.ticket)
    assert old < ledger.look(0, 0).floor <= change.ticket


def test_an_array_is_surely_there_only_while_nobody_removes(ledger):
    publish(ledger)
    before = ledger.look(0, 0)
    assert before.surely_there(ledger.look(0, 0))
    change = ledger.begin(0, [0], True)
    assert not before.surely_there(ledger.look(0, 0))
    assert not ledger.look(0, 0).surely_there(ledger.look(0, 0))
    ledger.cancel(change)
