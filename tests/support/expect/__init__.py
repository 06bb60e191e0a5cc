# SPDX-License-Identifier: MIT
"""What a project must hold, worked out from h5py's own read of the file and the mapping rules, without our code."""
