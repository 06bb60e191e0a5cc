# SPDX-License-Identifier: MIT
"""Many clients of one registry at once, and what must be true of each thing that one of them sees."""
