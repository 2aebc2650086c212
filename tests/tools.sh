#!/usr/bin/env bash
# Foreign programs that tests use where they can be had: promtool (Debian's
# package prometheus, root only) and grpcurl (where Go is present). What cannot
# be had is said; the tests that need it skip loudly. Prints the folder to add to
# the PATH.
set -uo pipefail
tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../deploy/progress.sh
. "$tests/../deploy/progress.sh"
bin=$(strata_cache)/bin
mkdir -p "$bin"

if ! command -v promtool >/dev/null && ! [ -x "$bin/promtool" ] && [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
  # The tool alone: its package would start a server.
  (
    cd "$(mktemp -d)" && apt-get download prometheus && dpkg-deb -x prometheus_*.deb . &&
      install -m 755 usr/bin/promtool "$bin/promtool"
  ) >&2 || say "promtool could not be installed: its test skips" >&2
fi
if ! [ -x "$bin/grpcurl" ] && command -v go >/dev/null; then
  GOBIN=$bin GOFLAGS=-mod=mod go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3 >&2 ||
    say "grpcurl could not be installed: its test skips" >&2
fi
echo "$bin"
