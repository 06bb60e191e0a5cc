# SPDX-License-Identifier: MIT
"""Being ended by SIGTERM and still cleaning up, as after Ctrl-C."""

import signal


def clean_up_on_sigterm():
    """Once: timeout(1) sends it twice, and the second must not interrupt the cleaning."""

    def interrupt(number, frame):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


def just_end_on_sigterm():
    """For a forked child, which has nothing to clean up."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
