# SPDX-License-Identifier: MIT
# What the scripts share: where the project is, how they speak, and how a step's output is kept out of sight.
# shellcheck shell=bash

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
me=scripts/$(basename "$0")
logs=$top/build/logs

say() { printf '%s\n' "$*"; }

# One line: what went wrong, where, and what to do.
die() {
  printf '%s: %s\n' "$me" "$*" >&2
  exit 1
}

# A path as a person in the project's directory would type it.
shown() { printf '%s\n' "${1#"$top"/}"; }

have() { command -v "$1" >/dev/null 2>&1; }

# The system's Python, which sees the packages installed here, before one that a person has in front of it.
python() { if [ -x /usr/bin/python3 ]; then say /usr/bin/python3; else say python3; fi; }

# Wait for other scripts that install or build here; held until this one ends.
one_at_a_time() {
  mkdir -p "$top/build"
  exec 9>"$top/build/.lock"
  flock 9
}

# logged NAME COMMAND…: run with its output in build/logs/NAME.log.
logged() {
  local log=$logs/$1.log
  shift
  mkdir -p "$logs"
  printf '+ %s\n' "$*" >"$log"
  "$@" >>"$log" 2>&1 </dev/null
}

# The part of a log that most likely says why: the first errors, or else its end.
excerpt() {
  local log=$logs/$1.log
  {
    grep -m 15 -A 4 -E '(^|[^a-z])([Ee]rror|ERROR|FAILED)[: ]|^E:' "$log" || tail -n 15 "$log"
  } >&2
}
