# SPDX-License-Identifier: MIT
# The mount that `up` makes and `down` removes: where it is, what state it is in, and what the machine needs for it.
# shellcheck shell=bash
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

bin=$top/build/release/bin
shm_dir=${CUTE_SHM_DIR:-/dev/shm}

# /mnt/cuteshm; for somebody who cannot make or use that, a place of his own.
mount_point() {
  if [ -n "${CUTESHMFS_MOUNTPOINT:-}" ]; then
    realpath -m -s "$CUTESHMFS_MOUNTPOINT"
  elif [ "$(id -u)" = 0 ] || [ -w /mnt/cuteshm ]; then
    say /mnt/cuteshm
  else
    say "${XDG_RUNTIME_DIR:-$HOME}/cuteshm"
  fi
}

# What is mounted on top there: "none", "ours", "dead" (ours, but nobody answers) or "other".
# Asked of the kernel's table, since any look at a dead mount itself fails.
mount_state() {
  local type
  type=$(awk -v at="${1// /\\\\040}" '$5 == at { for (i = 7; $i != "-"; i++); type = $(i + 1) } END { print type }' /proc/self/mountinfo)
  case $type in
    '') say none ;;
    fuse.cuteshmfs) if timeout 5 stat -f "$1" >/dev/null 2>&1; then say ours; else say dead; fi ;;
    *) say other ;;
  esac
}

# Make what the daemon needs and every booted system has, as far as that is possible here.
mount_prepare() {
  [ -e /dev/fuse ] || mount_make_device
  [ -e /etc/mtab ] || mount_make_mtab
  { [ -r /dev/fuse ] && [ -w /dev/fuse ]; } ||
    die "$(id -un) may not use /dev/fuse; let root run: chmod 666 /dev/fuse (or run this as root)"
  [ "$(stat -f -c %T "$shm_dir" 2>/dev/null)" = tmpfs ] ||
    say "warning: $shm_dir is not a tmpfs, so arrays are not in memory; let root run: mount -t tmpfs tmpfs $shm_dir"
}

# Containers and chroots often have no /dev/fuse although the kernel can do it.
mount_make_device() {
  [ "$(id -u)" = 0 ] || die "there is no /dev/fuse; let root run: modprobe fuse"
  modprobe -q fuse 2>/dev/null || true
  [ -e /dev/fuse ] || { mknod -m 666 /dev/fuse c 10 229 2>/dev/null && (: <>/dev/fuse) 2>/dev/null; } ||
    die "there is no /dev/fuse and it cannot be made; on the host: modprobe fuse, and start a container with --device /dev/fuse --cap-add SYS_ADMIN"
  say "made /dev/fuse"
}

# fusermount3, by which those who are not root mount and unmount, reads it.
mount_make_mtab() {
  [ "$(id -u)" = 0 ] || die "there is no /etc/mtab, which fusermount3 needs; let root run: ln -s ../proc/self/mounts /etc/mtab"
  ln -s ../proc/self/mounts /etc/mtab
  say "made /etc/mtab"
}

mount_start() {
  local at=$1
  mount_prepare
  mkdir -p "$at" || die "cannot make $at; choose another place: CUTESHMFS_MOUNTPOINT=DIR $me"
  [ -z "$(ls -A "$at")" ] || die "$at is not empty; choose another place: CUTESHMFS_MOUNTPOINT=DIR $me"
  mount_daemon "$at"
}

# The daemon returns once the mount answers; what it says at its start (access mode and why) is for people.
mount_daemon() {
  logged mount "$bin/cuteshmfs" "$1" || {
    excerpt mount
    die "mounting on $1 failed ($(shown "$logs/mount.log"))"
  }
  sed 1d "$logs/mount.log"
}

# mount_stop AT [lazy]
mount_stop() {
  if [ "$(id -u)" = 0 ]; then
    umount ${2:+-l} "$1"
  else
    fusermount3 -u ${2:+-z} "$1"
  fi
}
