# SPDX-License-Identifier: MIT
"""What the suites share. Nothing here knows how the programs work, only what their contract says."""
