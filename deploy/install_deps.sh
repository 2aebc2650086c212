#!/usr/bin/env bash
# Installs what Strata is built with: the Debian packages of deploy/packages.txt
# that are missing, and LibTorch (deploy/libtorch.txt) into a cache that every
# checkout shares: $STRATA_CACHE, else $XDG_CACHE_HOME/strata, else
# ~/.cache/strata. Does nothing, quickly, where all is present; two runs at once
# are safe. Root or sudo is needed only if a package is missing.
#
#   deploy/install_deps.sh [--packages] [--libtorch] [--cuda]
#
#   --packages   the Debian packages
#   --libtorch   LibTorch; both are installed where neither is named
#   --cuda       LibTorch, and what its CUDA half loads (deploy/libtorch-cuda.txt):
#                another 1.8 GB to fetch, for hosts with a GPU and their images
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=progress.sh
. "$here/progress.sh"

libtorch_version=2.11.0
cache=$(strata_cache)
libtorch=$cache/libtorch-$libtorch_version

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
  local python=$1 list=$2 into=$3
  "$python" -m pip --disable-pip-version-check --no-cache-dir download --no-deps \
    --require-hashes --only-binary=:all: --python-version 3.11 \
    --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 \
    --platform manylinux_2_25_x86_64 --platform manylinux_2_18_x86_64 \
    --platform manylinux2014_x86_64 --dest "$into" -r "$list"
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

# install_wheels WHAT SIZE LIST PRESENT PLACE: unless `PRESENT` holds, fetches the
# wheels of LIST and has `PLACE TREE` move their content into the cache. One run
# at a time; what an interrupted one left is never taken for complete.
install_wheels() {
  local what=$1 size=$2 list=$3 present=$4 place=$5 work python
  if "$present"; then
    return
  fi
  mkdir -p "$cache" || die "cannot create $cache: set STRATA_CACHE to a folder of yours"
  python=$(python_with_pip)
  exec 9>"$cache/libtorch.lock"
  if ! flock -n 9; then
    say "Another run is fetching LibTorch; waiting for it …"
    flock 9
  fi
  if ! "$present"; then
    work=$libtorch.partial
    rm -rf "$work"  # of an interrupted run; the lock is ours
    mkdir -p "$work/wheels" "$work/tree"
    step "Fetching $what ($size)" fetch_wheels "$python" "$list" "$work/wheels"
    step "Unpacking $what" unpack_wheels "$python" "$work/wheels" "$work/tree"
    "$place" "$work/tree"
    rm -rf "$work"
  fi
  exec 9>&-
}

libtorch_present() {
  [ -e "$libtorch/torch/lib/libtorch_cpu.so" ] && [ -e "$libtorch/nvidia/cu13/lib" ] \
    && [ -e "$libtorch/nvidia/cu13/include/crt" ]
}

place_libtorch() {
  rm -rf "$libtorch"  # incomplete, or it would have been taken
  mv -T "$1" "$libtorch"
}

# The list itself, put there last, says that all of it is there.
cuda_present() {
  cmp -s "$here/libtorch-cuda.txt" "$libtorch/libtorch-cuda.txt"
}

# Beside the CPU half, folder by folder: both have libraries in nvidia/cu13.
place_cuda() {
  local tree=$1 file
  while IFS= read -r file; do
    mkdir -p "$(dirname "$libtorch/$file")"
    mv -f "$tree/$file" "$libtorch/$file"
  done < <(find "$tree" ! -type d -printf '%P\n')
  cp "$here/libtorch-cuda.txt" "$tree/"
  mv -f "$tree/libtorch-cuda.txt" "$libtorch/"
}

install_libtorch() {
  install_wheels "LibTorch $libtorch_version" "543 MB" "$here/libtorch.txt" \
    libtorch_present place_libtorch
}

install_cuda() {
  install_wheels "LibTorch's CUDA half" "1.8 GB, 2.5 GB unpacked" \
    "$here/libtorch-cuda.txt" cuda_present place_cuda
}

usage() {
  sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2
  exit 2
}

[ "$(uname -m)" = x86_64 ] || die "only x86-64 machines are supported, this is $(uname -m)"
packages=false cpu=false cuda=false
for part in "$@"; do
  case "$part" in
    --packages) packages=true ;;
    --libtorch) cpu=true ;;
    --cuda) cuda=true ;;
    *) usage ;;
  esac
done
if ! $packages && ! $cpu; then
  packages=true cpu=true
fi
if $packages; then install_packages; fi
if $cpu || $cuda; then install_libtorch; fi
if $cuda; then install_cuda; fi
