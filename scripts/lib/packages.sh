# SPDX-License-Identifier: MIT
# Debian and Ubuntu packages: which are needed, which are missing, and installing just those.
# shellcheck shell=bash
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# What one purpose needs, one a line.
packages_for() {
  case $1 in
    build)
      printf '%s\n' cmake ninja-build gcc g++ libc6-dev pkgconf libfuse3-dev fuse3 libhdf5-dev libinih-dev \
        libsmartcols-dev libtomlplusplus-dev libdeflate-dev zlib1g-dev libcmocka-dev
      ;;
    libfuse) printf '%s\n' gcc libc6-dev pkgconf meson ninja-build dpkg-dev xz-utils liburing-dev libnuma-dev ;;
    clang) printf '%s\n' clang libclang-rt-dev llvm ;;
    up) printf '%s\n' python3 ;;
    test)
      printf '%s\n' ca-certificates python3 python3-venv python3-pytest python3-pytest-xdist python3-numpy python3-h5py \
        rsync nano vim attr
      ;;
  esac
}

# Those of the given packages that are not installed, one a line.
packages_missing() {
  local installed
  # shellcheck disable=SC2016  # ${…} is for dpkg-query
  installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^installed //p' || true)
  comm -23 <(printf '%s\n' "$@" | sort -u) <(sort -u <<<"$installed")
}

# How to become root for one command: nothing, sudo, or not at all.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  else
    sudo "$@"
  fi
}

can_be_root() {
  [ "$(id -u)" = 0 ] || { have sudo && { [ -t 0 ] || sudo -n true 2>/dev/null; }; }
}

# Install what is missing for the given purposes; nothing missing: no sound, no change.
packages_install() {
  local purpose needed missing
  mapfile -t needed < <(for purpose; do packages_for "$purpose"; done)
  if ! have apt-get; then
    say "no apt-get here, so nothing is installed; needed, by Debian's names: ${needed[*]}"
    return
  fi
  mapfile -t missing < <(packages_missing "${needed[@]}")
  [ ${#missing[@]} -gt 0 ] || return 0
  can_be_root || die "not root and no sudo, so packages cannot be installed; let root run: apt-get install ${missing[*]}"
  say "installing ${#missing[@]} packages: ${missing[*]}"
  packages_apt "${missing[@]}" && return
  excerpt apt
  die "installing packages failed ($(shown "$logs/apt.log")); repair that, or install them yourself: apt-get install ${missing[*]}"
}

# A failing update is no reason to stop (one broken third-party list is enough for that): the installation will tell.
packages_apt() {
  as_root apt-get -qq update >/dev/null 2>&1 </dev/null || true
  logged apt as_root env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 \
    apt-get -y --no-install-recommends -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 install "$@"
}
