# SPDX-License-Identifier: MIT
"""What a machine lacks is a skip with a reason for a person, and a failure where everything should be there."""

import os

import pytest


def lacking(reason):
    """Skips; fails instead under CI."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
