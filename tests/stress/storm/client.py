# SPDX-License-Identifier: MIT
"""A client: a process that does one thing after the other until the storm ends."""

import collections
import dataclasses
import errno
import os
import random
import signal
import time

from .ledger import PRESENT, fork
from .stamps import ARRAYS, Wrong

# What a client may get whose daemon was killed meanwhile.
DAEMON_DIED = {errno.ENOTCONN, errno.ECONNABORTED, errno.ENOENT, errno.EIO, errno.ESTALE, errno.ECONNREFUSED}


@dataclasses.dataclass
class World:
    """What every client needs to know. `exclusive`: the projects that are changed by one at a time."""

    place: object
    mounts: list  # Paths
    ledger: object
    projects: list
    exclusive: int
    window: float  # seconds after which a change must have been seen
    patience: float
    strict_opens: bool  # not with symbolic links: they may lead nowhere for a moment
    peer: str
    seed: int

    @property
    def links(self):
        return not self.strict_opens


class Client:
    NAMES = ()  # what it counts

    def __init__(self, world, number, name):
        self.world = world
        self.ledger = world.ledger
        self.number = number
        self.name = name
        self.chance = random.Random(f"{world.seed}/{name}")
        self.doing = ""
        self.kinds = []

    # --- the process --------------------------------------------------------------------------------------------------

    def start(self):
        process = fork.Process(target=self._main, name=self.name)
        process.start()
        return process

    def _main(self):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        try:
            self.prepare()
            while not self.ledger.stopped():
                self.ledger.beat(self.number)
                self.turn()
        except Exception:  # whatever it is, the storm is over
            self.ledger.fail_with_trace(f"{self.name} ({self.doing})")
        finally:
            self.finish()
            self.ledger.pulse[self.number] = 0

    def prepare(self):
        pass

    def turn(self):
        raise NotImplementedError

    def finish(self):
        pass

    # --- for the clients ----------------------------------------------------------------------------------------------

    def one_of(self, weighted):
        """weighted: ((weight, function), ...). Counts what was done under the function's name."""
        weights = [weight for weight, _ in weighted]
        function = self.chance.choices([function for _, function in weighted], weights)[0]
        self.doing = function.__name__
        self.count(function.__name__)
        return function

    def count(self, what):
        self.ledger.counts[self.number, self.NAMES.index(what)] += 1

    def pause(self, most):
        time.sleep(self.chance.random() * most)

    def project(self):
        return self.chance.randrange(len(self.world.projects))

    def path(self, mount, project, *keys):
        return os.path.join(self.world.mounts[mount], self.world.projects[project], *keys)

    def wrong(self, text):
        raise Wrong(f"{self.doing}: {text}")

    def excused(self, error, mount, epoch):
        """Whether the daemon was dead at some moment since `epoch`."""
        now = int(self.ledger.epoch[mount])
        return error.errno in DAEMON_DIED and (epoch % 2 == 1 or now != epoch)


def expected_data(view):
    """Data files that must be there, and those that may: sets of columns."""
    must = {column for column in range(len(ARRAYS)) if view.state[column] == PRESENT}
    may = must | {column for column in range(len(ARRAYS)) if view.state[column] == 0}
    return must, may


def duplicates(names):
    return [name for name, count in collections.Counter(names).items() if count > 1]
