# SPDX-License-Identifier: MIT
"""The list of what is measured. Rows of a group share what they need; each comes out once, or the reason why not."""

import dataclasses

from measure import NotMeasured, NotYet, Row

groups = []


@dataclasses.dataclass
class Group:
    names: tuple
    measure: object


def rows(*names):
    """Of a generator function of a benchmark: the names of the rows it yields."""

    def register(function):
        groups.append(Group(names, function))
        return function

    return register


def names():
    return [name for group in groups for name in group.names]


def measured(bench):
    """Every wanted row in the table's order, as soon as it is known. What breaks ends its group only."""
    for group in groups:
        wanted = [name for name in group.names if bench.wants(name)]
        if not wanted:
            continue
        bench.say(", ".join(wanted))
        reason = "not measured"
        try:
            for row in group.measure(bench):
                if row.name in wanted:
                    wanted.remove(row.name)
                    yield row
        except NotYet as error:
            reason = f"not yet: {error}"
        except NotMeasured as error:
            reason = f"not measured: {error}"
        except Exception as error:  # the other groups can still be measured
            reason = f"failed: {error}"
            bench.broke(group, error)
        for name in wanted:
            yield Row(name, name, note=reason)
