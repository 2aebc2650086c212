#!/usr/bin/env bash
# Builds the programs of a Kubernetes control plane into the shared cache and
# prints the folder that they are in. Minutes at the first time, nothing after:
# then Go is not needed either. Needs Go 1.24 or newer; the modules' checksums are
# verified by Go. Exit code 77, and the reason on standard error, if it cannot be
# tried at all.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../../../deploy/progress.sh
. "$here/../../../deploy/progress.sh"

programs=(kube-apiserver kube-controller-manager)
cache=$(strata_cache)
target=$cache/control-plane-$(cat "$here/go.mod" "$here/tools.go" | sha256sum | cut -c1-16)

cannot() { say "$*"; exit 77; }

require_go() {
  local version
  command -v go >/dev/null || cannot "no go: a control plane is built with Go 1.24 or newer"
  version=$(cd / && GOTOOLCHAIN=local go env GOVERSION)
  printf '%s\n' go1.24 "${version%% *}" | sort -CV ||
    cannot "$version is too old: a control plane is built with Go 1.24 or newer"
}

# Counts lines, as a progress.
count() {
  local line n=0
  while read -r line; do
    n=$((n + 1))
    echo "$1: $n of at most $2 packages, $line"
  done
}

build() {
  local program all
  cp "$here/go.mod" "$here/tools.go" "$work/"
  cd "$work"
  export CGO_ENABLED=0 GOFLAGS=-mod=mod
  echo "fetching modules"
  go mod tidy
  for program in "${programs[@]}"; do
    all=$(go list -deps "k8s.io/kubernetes/cmd/$program" | wc -l)
    echo "$program: $all packages"
    go build -v -trimpath -ldflags='-s -w' -o "bin/$program" \
      "k8s.io/kubernetes/cmd/$program" 2>&1 | count "$program" "$all"
  done
}

if [ ! -d "$target" ]; then
  require_go
  mkdir -p "$cache"
  exec 9>"$cache/control-plane.lock"
  if ! flock -n 9; then
    say "Another run is building the control plane; waiting for it …"
    flock 9
  fi
  if [ ! -d "$target" ]; then
    work=$target.partial
    rm -rf "$work"  # of an interrupted run; the lock is ours
    mkdir -p "$work"
    step "Building a control plane from Kubernetes' source (minutes, once)" build
    mv -T "$work/bin" "$target"
    rm -rf "$work"
  fi
  exec 9>&-
fi
echo "$target"
