# SPDX-License-Identifier: MIT
"""Being somebody else for a while.

A mount without allow_other lets nobody else in, root included: it looks at the real, effective and saved ids of the
asking thread. On Linux these belong to a thread (the C library copies them to all threads, the system calls do not),
so a test is made to run as another user by running it in a thread that has dropped its ids for good.
"""

import ctypes
import dataclasses
import os
import platform
import threading

NOBODY = 65534
STRANGER = 54321  # has no entry in the user database, and no files

# setgroups, setresuid, setresgid
SYSTEM_CALLS = {"x86_64": (116, 117, 119), "aarch64": (159, 147, 149), "riscv64": (159, 147, 149)}


@dataclasses.dataclass(frozen=True)
class Identity:
    uid: int
    gid: int

    def run(self, function):
        """Calls function() as this user and returns what it returns, raises what it raises."""
        if os.geteuid() != 0:
            return function()
        outcome = {}

        def body():
            try:
                self._become()
                outcome["value"] = function()
            except BaseException as error:  # pylint: disable=broad-except
                outcome["error"] = error

        thread = threading.Thread(target=body, name=f"uid-{self.uid}")
        thread.start()
        thread.join()
        if "error" in outcome:
            raise outcome["error"]
        return outcome["value"]

    def _become(self):
        setgroups, setresuid, setresgid = SYSTEM_CALLS[platform.machine()]
        libc = ctypes.CDLL(None, use_errno=True)
        for call in ((setgroups, 0, None), (setresgid,) + (self.gid,) * 3, (setresuid,) + (self.uid,) * 3):
            if libc.syscall(*[ctypes.c_long(word) if word is not None else None for word in call]) != 0:
                raise OSError(ctypes.get_errno(), "cannot become another user")
        assert os.geteuid() == self.uid


nobody = Identity(NOBODY, NOBODY)
stranger = Identity(STRANGER, STRANGER)
other_stranger = Identity(STRANGER + 1, STRANGER + 1)


def is_root():
    return os.geteuid() == 0
