#!/usr/bin/env bash
# Runs the Python of the tests: an environment with tests/requirements.txt in the
# shared cache, made at the first call and again when the list changes.
#
#   tests/python.sh script.py …       run something with it
#   tests/python.sh --path            print the interpreter
set -euo pipefail
tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../deploy/progress.sh
. "$tests/../deploy/progress.sh"

# Debian's Python first: the pinned hashes are of wheels for its version.
base_python() {
  local python
  for python in /usr/bin/python3.11 python3.11 /usr/bin/python3 python3; do
    if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
      command -v "$python"
      return
    fi
  done
  die "no python3 with venv: run deploy/install_deps.sh"
}

make_environment() {
  local python=$1 into=$2 list=$3
  "$python" -m venv "$into"
  "$into/bin/python" -m pip --disable-pip-version-check install --no-compile --no-deps --only-binary=:all: \
    -r "$list"
}

python=$(base_python)
tag=$({ "$python" -V; cat "$tests/requirements.txt"; } | sha256sum | cut -c1-16)
cache=$(strata_cache)
venv=$cache/python-tests-$tag
if [ ! -e "$venv/.complete" ]; then
  mkdir -p "$cache"
  exec 9>"$cache/python-tests.lock"
  flock 9
  if [ ! -e "$venv/.complete" ]; then
    rm -rf "$venv"  # a venv cannot be renamed, so a mark says that it is whole
    list=$tests/requirements.txt
    if ! "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'; then
      list=$(mktemp)  # another Python: the same versions, other wheels
      sed -e 's/ *\\$//' -e '/--hash=/d' "$tests/requirements.txt" >"$list"
    fi
    step "Installing the tests' Python packages" make_environment "$python" "$venv" "$list"
    touch "$venv/.complete"
  fi
  exec 9>&-
fi
# The name that a build tree configured without tests/run.sh looks for.
if [ -L "$cache/venv" ] || [ ! -e "$cache/venv" ]; then
  ln -sfnT "$venv" "$cache/venv" 2>/dev/null || true
fi
if [ "${1-}" = --path ]; then
  echo "$venv/bin/python"
else
  exec "$venv/bin/python" "$@"
fi
