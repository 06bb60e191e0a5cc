#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A libfuse that can do kernel passthrough, in build/deps/fuse3. Sourced by the other scripts; run by itself it makes just that.
#
# Passthrough came with libfuse 3.17, io_uring with 3.18. Where the system's libfuse is older, the distribution's own
# source package of a later suite is built: from the archive the system is configured for, through private apt lists, so
# that apt checks it with the archive's key like any other package. Only a static library and its headers are made;
# fusermount3 stays the system's. Where that cannot be had, the system's libfuse must do: symlink mode only.
# shellcheck shell=bash

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  set -euo pipefail
fi
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/packages.sh"

fuse3_prefix=$top/build/deps/fuse3
fuse3_origin=$fuse3_prefix/origin         # one line about what is in the prefix
fuse3_failed=$top/build/deps/fuse3-failed  # one line saying why there is no prefix
fuse3_passthrough=3.17
fuse3_oldest=3.14

# Make the best libfuse available; say so when something had to be done or is missing.
fuse3_ensure() {
  [ -e "$fuse3_origin" ] && return
  fuse3_system_has "$fuse3_passthrough" && return
  if ! fuse3_failed_lately; then
    fuse3_make && return
  fi
  fuse3_system_has "$fuse3_oldest" ||
    die "libfuse $(fuse3_system_version) is older than $fuse3_oldest and no newer could be built ($(cat "$fuse3_failed")); use Debian 12, Ubuntu 24.04 or later"
  say "symlink mode only, since no newer libfuse could be had: $(cat "$fuse3_failed")"
}

fuse3_system_has() { pkg-config --atleast-version="$1" fuse3 2>/dev/null; }
fuse3_system_version() { pkg-config --modversion fuse3 2>/dev/null || echo none; }

# What the project is built with, for people.
fuse3_describe() {
  if [ -e "$fuse3_origin" ]; then
    cat "$fuse3_origin"
  elif fuse3_system_has "$fuse3_passthrough"; then
    say "libfuse $(fuse3_system_version) of the system"
  else
    say "libfuse $(fuse3_system_version) of the system (passthrough needs $fuse3_passthrough)"
  fi
}

# A failure is remembered for a day, so that a machine without the network is not kept waiting at every build.
fuse3_failed_lately() { [ -n "$(find "$fuse3_failed" -mmin -1440 2>/dev/null)" ]; }

fuse3_make() {
  local why
  say "building a newer libfuse: the system's is $(fuse3_system_version), passthrough needs $fuse3_passthrough"
  packages_install libfuse
  mkdir -p "$top/build/deps"
  if why=$(fuse3_try_suites); then
    rm -f "$fuse3_failed"
    return
  fi
  printf '%s (to try again: rm %s)\n' "${why:-unknown}" "${fuse3_failed#"$top"/}" >"$fuse3_failed"
  return 1
}

# Prints why not, if not. A subshell, so that its work directory goes however it ends.
fuse3_try_suites() (
  id=; uri=
  IFS='|' read -r id uri < <(fuse3_archive) || { say "no package source of Debian or Ubuntu is configured"; exit 1; }
  rm -rf "$top"/build/deps/fuse3.?????? # of a run that was killed
  work=$(mktemp -d "$top/build/deps/fuse3.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  trap 'exit 1' HUP INT TERM
  whys=()
  for suite in $(fuse3_suites "$id"); do
    rm -rf "${work:?}"/*
    why=$(fuse3_from_suite "$work" "$uri" "$id" "$suite") && exit 0
    whys+=("$id $suite: $why")
  done
  printf -v all '%s; ' "${whys[@]}"
  say "${all%; }"
  exit 1
)

# Debian: sid has 3.18, trixie 3.17. Ubuntu: `devel` is whatever comes next; after it the first releases with 3.17 or later.
fuse3_suites() {
  case $1 in
    Debian) say sid trixie ;;
    Ubuntu) say devel resolute questing ;;
  esac
}

# "Debian|URI" of the distribution's own archive. apt itself names its sources here, by what their signed Release files
# say they are, in whichever format they are written: so neither third parties nor the security archive are taken.
fuse3_archive() {
  fuse3_archives | grep . || { as_root apt-get -qq update >/dev/null 2>&1 </dev/null && fuse3_archives | grep .; }
}

fuse3_archives() {
  # shellcheck disable=SC2016  # $(…) is for apt
  apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(SUITE)|$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
    awk -F '|' '($1 == "Debian" || $1 == "Ubuntu") && $2 == $1 && $3 !~ /-(security|updates|backports|proposed)/ && !n++ { print $1 "|" $4 }'
}

# One suite: fetch, unpack, build, put in place. Prints why not, if not.
fuse3_from_suite() {
  local work=$1 uri=$2 id=$3 suite=$4 version
  fuse3_apt_config "$work" "$uri" "$id" "$suite"
  logged "fuse3-fetch-$suite" fuse3_fetch "$work" || { fuse3_reason "fuse3-fetch-$suite"; return 1; }
  version=$(sed -n 's/^Version: *//p' "$work"/source/*.dsc | head -n 1)
  dpkg --compare-versions "$version" ge "$fuse3_passthrough" || { say "has only $version"; return 1; }
  logged "fuse3-build-$suite" fuse3_compile "$work" || { say "$version does not build ($(shown "$logs/fuse3-build-$suite.log"))"; return 1; }
  fuse3_record "$work" "$version" "$id $suite" >"$work/root/usr/origin"
  mv -T "$work/root/usr" "$fuse3_prefix" # complete or not at all
}

# The line of a fetch log that says it best: a signature that does not fit, else apt's first error, else the end.
fuse3_reason() {
  local log=$logs/$1.log line
  line=$(grep -m 1 '^W: GPG error' "$log" || grep -m 1 '^E:' "$log" || tail -n 1 "$log")
  line=$(sed -E 's/^[EW]: *//; s/^Failed to fetch [^ ]+ +//' <<<"$line")
  say "${line:0:160}"
}

# A private apt: own lists and cache, and one source. What the system configures of proxies and the like stays in force.
# As root it fetches as root, since apt's own user may not reach a checkout below somebody's home; signatures are checked
# all the same, and nothing is ever fetched without.
fuse3_apt_config() {
  local work=$1 uri=$2 id=$3 suite=$4
  mkdir -p "$work"/{lists/partial,cache/archives/partial,none,source}
  {
    printf 'Types: deb-src\nURIs: %s\nSuites: %s\nComponents: main\nTargets: Sources\n' "$uri" "$suite"
    fuse3_signed_by "$uri" "$id"
  } >"$work/archive.sources"
  cat >"$work/apt.conf" <<END
Dir::State::lists "$work/lists";
Dir::Cache "$work/cache";
Dir::Etc::sourcelist "$work/archive.sources";
Dir::Etc::sourceparts "$work/none";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "$work/none";
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::AllowDowngradeToInsecureRepositories "false";
Acquire::Retries "2";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
END
}

# The Signed-By of the system's entry for that archive, word for word; without one, the archive's own keyring.
fuse3_signed_by() {
  local uri=$1 id=$2 keyring field
  field=$(fuse3_sources | awk -v uri="${uri%/}" -f "$top/scripts/lib/signed-by.awk")
  keyring=/usr/share/keyrings/${id,,}-archive-keyring.gpg
  if [ -n "$field" ]; then
    printf '%s\n' "$field"
  elif [ -r "$keyring" ]; then
    printf 'Signed-By: %s\n' "$keyring"
  fi
}

# All of the system's package sources, each file ended by an empty line.
fuse3_sources() {
  local file
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
    [ -r "$file" ] && cat "$file" && echo
  done
  return 0
}

# The checksums of what apt gets stand in the signed lists, hence --no-check: the uploader's key is not asked as well.
fuse3_fetch() {
  local apt="$1/apt.conf"
  apt-get -c "$apt" update &&
    (cd "$1/source" && apt-get -c "$apt" --only-source --download-only source fuse3) &&
    dpkg-source --no-check -x "$1"/source/*.dsc "$1/unpacked"
}

# The compiled-in prefix is /usr because that is where fusermount3 is; the .pc file finds the rest from where it lies.
fuse3_compile() {
  meson setup "$1/objects" "$1/unpacked" --prefix=/usr --libdir=lib --buildtype=debugoptimized --default-library=static \
    --wrap-mode=nodownload -Dpkgconfig.relocatable=true -Dutils=false -Dexamples=false -Dtests=false -Duseroot=false &&
    ninja -C "$1/objects" &&
    DESTDIR=$1/root meson install -C "$1/objects" --no-rebuild
}

fuse3_record() {
  local uring=without
  grep -q '^#define HAVE_URING' "$1/objects/fuse_config.h" && uring=with
  say "libfuse ${2%%-*} from $3's source package, $uring io_uring"
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  me=scripts/lib/fuse3.sh
  one_at_a_time
  packages_install build
  fuse3_ensure
  fuse3_describe
fi
