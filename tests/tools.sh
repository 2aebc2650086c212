#!/usr/bin/env bash
# Foreign programs that tests use where they can be had: promtool (Debian's
# package prometheus, root only) and grpcurl (where Go is present). What cannot
# be had is said; the tests that need it skip loudly. Prints the folder to add to
# the PATH. With --long also etcd (Debian's etcd-server), for the control plane.
set -uo pipefail
tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../deploy/progress.sh
. "$tests/../deploy/progress.sh"
bin=$(strata_cache)/bin
mkdir -p "$bin"

# The program alone: its package would start a server.
from_package() {
  local package=$1 program=$2
  if command -v "$program" >/dev/null || [ -x "$bin/$program" ]; then return; fi
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then return; fi
  (
    cd "$(mktemp -d)" && apt-get download "$package" && dpkg-deb -x "$package"_*.deb . &&
      install -m 755 "usr/bin/$program" "$bin/$program"
  ) >&2 || say "$program could not be installed: its test skips"
}

from_package prometheus promtool
if [ "${1-}" = --long ]; then from_package etcd-server etcd; fi
if ! [ -x "$bin/grpcurl" ] && command -v go >/dev/null; then
  GOBIN=$bin GOFLAGS=-mod=mod go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3 >&2 ||
    say "grpcurl could not be installed: its test skips" >&2
fi
echo "$bin"
