#!/usr/bin/env bash
# Installs what Strata is built with: the Debian packages of deploy/packages.txt
# that are missing, and LibTorch (deploy/libtorch.txt) into a cache that every
# checkout shares: $STRATA_CACHE, else $XDG_CACHE_HOME/strata, else
# ~/.cache/strata. Does nothing, quickly, where all is present; two runs at once
# are safe. Root or sudo is needed only if a package is missing.
#
#   deploy/install_deps.sh [--packages] [--libtorch]      default: both
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=progress.sh
. "$here/progress.sh"

libtorch_version=2.11.0

missing_packages() {
  local wanted installed
  wanted=$(sed -e 's/#.*//' "$here/packages.txt" | xargs -n1)
  installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' 2>/dev/null |
    sed -n 's/^installed //p')
  comm -23 <(sort -u <<<"$wanted") <(sort -u <<<"$installed")
}

apt_install() {
  local run=("$@")
  "${run[@]}" apt-get update
  "${run[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
    "${missing[@]}"
}

install_packages() {
  local missing run=()
  if ! command -v dpkg-query >/dev/null; then
    say "This is no Debian system: install the equivalents of deploy/packages.txt by hand."
    return
  fi
  mapfile -t missing < <(missing_packages)
  if [ ${#missing[@]} -eq 0 ]; then
    return
  fi
  say "Missing packages: ${missing[*]}"
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null ||
      die "run this as root, or have root run: apt-get install ${missing[*]}"
    sudo -v || die "sudo refused; have root run: apt-get install ${missing[*]}"
    run=(sudo)
  fi
  step "Installing ${#missing[@]} packages" apt_install "${run[@]}"
}

# The wheels are the same on any host, whatever its Python.
fetch_wheels() {
  local python=$1 into=$2
  "$python" -m pip --disable-pip-version-check --no-cache-dir download --no-deps \
    --require-hashes --only-binary=:all: --python-version 3.11 \
    --platform manylinux_2_28_x86_64 --platform manylinux_2_25_x86_64 \
    --platform manylinux2014_x86_64 --dest "$into" -r "$here/libtorch.txt"
}

unpack_wheels() {
  local python=$1 from=$2 into=$3 wheel
  for wheel in "$from"/*.whl; do
    echo "Unpacking $(basename "$wheel")"
    "$python" -m zipfile -e "$wheel" "$into"
  done
}

# A Python that has pip: the one in PATH, or else Debian's.
python_with_pip() {
  local python
  for python in python3 /usr/bin/python3; do
    if "$python" -m pip --version >/dev/null 2>&1; then
      command -v "$python"
      return
    fi
  done
  die "no python3 with pip: install python3-pip"
}

libtorch_present() {
  [ -e "$1/torch/lib/libtorch_cpu.so" ] && [ -e "$1/nvidia/cu13/lib" ]
}

install_libtorch() {
  local cache target work python
  cache=$(strata_cache)
  target=$cache/libtorch-$libtorch_version
  if libtorch_present "$target"; then
    return
  fi
  mkdir -p "$cache" || die "cannot create $cache: set STRATA_CACHE to a folder of yours"
  python=$(python_with_pip)
  exec 9>"$cache/libtorch.lock"
  if ! flock -n 9; then
    say "Another run is fetching LibTorch; waiting for it …"
    flock 9
  fi
  if libtorch_present "$target"; then
    return
  fi
  work=$cache/libtorch-$libtorch_version.partial
  rm -rf "$work"  # of an interrupted run; the lock is ours
  mkdir -p "$work/wheels" "$work/tree"
  step "Fetching LibTorch $libtorch_version (543 MB)" fetch_wheels "$python" "$work/wheels"
  step "Unpacking LibTorch" unpack_wheels "$python" "$work/wheels" "$work/tree"
  rm -rf "$target"  # incomplete, or it would have been taken above
  mv -T "$work/tree" "$target"
  rm -rf "$work"
  exec 9>&-
}

[ "$(uname -m)" = x86_64 ] || die "only x86-64 machines are supported, this is $(uname -m)"
case "$*" in
  "") install_packages; install_libtorch ;;
  --packages) install_packages ;;
  --libtorch) install_libtorch ;;
  *) sed -n '2,/^set/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac
