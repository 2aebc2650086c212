#!/usr/bin/env bash
# Foreign programs that tests use where they can be had: promtool (Debian's
# package prometheus, root only) and grpcurl (where Go is present). What cannot
# be had is said; the tests that need it skip loudly. Prints the folder to add to
# the PATH. With --long also etcd (Debian's etcd-server) and a control plane of
# Kubernetes, built from source.
set -uo pipefail
tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../deploy/progress.sh
. "$tests/../deploy/progress.sh"
bin=$(strata_cache)/bin
mkdir -p "$bin"

# The program alone: its package would start a server.
from_package() {
  local package=$1 program=$2 folder
  if command -v "$program" >/dev/null || [ -x "$bin/$program" ]; then return; fi
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    say "No $program, and only root on a Debian gets it here: its test skips."
    return
  fi
  folder=$(mktemp -d)
  (
    cd "$folder" && apt-get -o APT::Sandbox::User=root download "$package" &&
      dpkg-deb -x "$package"_*.deb . && install -m 755 "usr/bin/$program" "$bin/$program"
  ) >&2 || say "$program could not be installed: its test skips."
  rm -rf "$folder"
}

install_grpcurl() {
  if [ -x "$bin/grpcurl" ] || command -v grpcurl >/dev/null; then return; fi
  if ! command -v go >/dev/null; then
    say "No grpcurl, and no Go to install it with: its test skips."
    return
  fi
  GOBIN=$bin GOFLAGS=-mod=mod go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3 >&2 ||
    say "grpcurl could not be installed: its test skips."
}

build_control_plane() {
  local code=0
  "$tests/deploy/control_plane/build.sh" >/dev/null || code=$?
  case $code in
    0) ;;
    77) say "The control plane's test skips." ;;
    *) say "The control plane's test fails." ;;
  esac
}

from_package prometheus promtool
install_grpcurl
if [ "${1-}" = --long ]; then
  from_package etcd-server etcd
  build_control_plane
fi
echo "$bin"
