# SPDX-License-Identifier: MIT
"""A client that does as the peer's users do: arrays_to_shm() and unlink() of its package, which write in place, unlocked."""

import json
import pathlib
import subprocess

from .ledger import EXISTS, PRESENT
from .stamps import ARRAYS, word, words
from .writers import ALL, Writer

SERVER = pathlib.Path(__file__).with_name("peer_server.py")
# The peer knows no other shared memory directory than /dev/shm, so it gets a /dev/shm of its own.
APART = ("unshare", "--mount", "--propagation", "private", "sh", "-c", 'mount --bind "$1" /dev/shm && shift && exec "$@"', "sh")


class Peer(Writer):
    def prepare(self):
        super().prepare()
        place = self.world.place
        self.server = subprocess.Popen(
            [*APART, place.shm, self.world.peer, SERVER, place.registry],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=open(place.files / "peer.log", "wb"), text=True,
        )  # fmt: skip

    def finish(self):
        super().finish()
        self.server.stdin.close()
        self.server.wait(20)

    def turn(self):
        self.one_of(((3, self.peer_write), (2, self.peer_unlink), (1, self.overwrite), (1, self.remove_array)))()
        self.pause(0.2)

    def _ask(self, **what):
        self.server.stdin.write(json.dumps(what) + "\n")
        self.server.stdin.flush()
        answer = self.server.stdout.readline()
        if answer != "done\n":
            self.wrong(f"the peer, told {what['act']}, said {answer!r}")

    def peer_write(self):
        with self._one(exclusive_only=True) as project:
            if project is None:
                return
            columns = self._some()
            change = self.ledger.begin(project, [*ALL, EXISTS], True)
            # It has no empty arrays. Of no arrays at all it makes an empty manifest, which is "being
            # written" to everybody for two seconds.
            columns = [column for column in columns if words(change.ticket, column)] or [0]
            name = self._name(project)
            arrays = [(ARRAYS[c], words(change.ticket, c), word(change.ticket, name, c)) for c in columns]
            self._ask(act="write", project=name, arrays=arrays)
            outcome = {column: change.ticket if column in columns else None for column in ALL}
            for column in columns:
                self.ledger.mode[project, column] = 0o600
            self.ledger.resized[project] = 0
            self.ledger.end(change, True, {**outcome, EXISTS: change.ticket})
            self._await(project)

    def peer_unlink(self):
        with self._one(exclusive_only=True) as project:
            if project is None or self.ledger.look(project).state[EXISTS] != PRESENT:
                return
            change = self.ledger.begin(project, [*ALL, EXISTS], True)
            self._ask(act="unlink", project=self._name(project))
            self.ledger.end(change, True, dict.fromkeys([*ALL, EXISTS]))
            self._await(project)


