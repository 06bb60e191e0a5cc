#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The Python program whose projects ours must share, in build/venv-peer. Sourced by the other scripts; run by itself it makes just that.
# shellcheck shell=bash

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  set -euo pipefail
fi
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

peer_package=cute-shm==1.2
plugins_package=hdf5plugin # filters that libhdf5 does not have itself
peer_venv=$top/build/venv-peer

# The peer wants a newer numpy and h5py than the system's, so it lives apart. Fails where PyPI is out of reach.
peer_ensure() {
  [ -e "$peer_venv/$peer_package" ] && return
  rm -rf "$peer_venv"
  logged peer "$(python)" -m venv "$peer_venv" &&
    logged peer "$peer_venv/bin/pip" install --disable-pip-version-check "$peer_package" "$plugins_package" &&
    touch "$peer_venv/$peer_package" && return
  rm -rf "$peer_venv"
  excerpt peer
  say "installing $peer_package and $plugins_package from PyPI failed ($(shown "$logs/peer.log"))"
  return 1
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  one_at_a_time
  peer_ensure
fi
