#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# libfuse's own example passthrough_hp, of the same source package as the libfuse in build/deps/fuse3, in build/deps/passthrough_hp:
# what a FUSE file system does that adds nothing. Only scripts/bench wants it, as something to compare with.
# shellcheck shell=bash
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/fuse3.sh"

me=scripts/lib/example.sh
example=$top/build/deps/passthrough_hp

main() {
  local why
  one_at_a_time
  [ ! -x "$example" ] || return 0
  packages_install libfuse
  why=$(example_make) || die "$why"
}

# Prints why not, if not. A subshell, so that its work directory goes however it ends.
example_make() (
  IFS='|' read -r id uri < <(fuse3_archive) || { say "no package source of Debian or Ubuntu is configured"; exit 1; }
  suite=$(sed -n "s/.* from [^ ]* \([^ ]*\)'s source package.*/\1/p" "$fuse3_origin" 2>/dev/null) || true
  [ -n "$suite" ] || { say "the libfuse in use was not built here"; exit 1; }
  rm -rf "$top"/build/deps/example.?????? # of a run that was killed
  work=$(mktemp -d "$top/build/deps/example.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  trap 'exit 1' HUP INT TERM
  fuse3_apt_config "$work" "$uri" "$id" "$suite"
  logged example-fetch fuse3_fetch "$work" || { fuse3_reason example-fetch; exit 1; }
  logged example-build example_compile "$work" || { say "it does not build ($(shown "$logs/example-build.log"))"; exit 1; }
  mv "$work/objects/example/passthrough_hp" "$example"
)

example_compile() {
  meson setup "$1/objects" "$1/unpacked" --buildtype=debugoptimized --default-library=static --wrap-mode=nodownload \
    -Dutils=false -Dexamples=true -Dtests=false -Duseroot=false &&
    ninja -C "$1/objects" example/passthrough_hp
}

main
