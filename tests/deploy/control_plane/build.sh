#!/usr/bin/env bash
# Builds the programs of a Kubernetes control plane into the shared cache and
# prints the folder that they are in. Minutes at the first time, nothing after.
# Needs Go 1.24 or newer; the modules' checksums are verified by Go.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../../../deploy/progress.sh
. "$here/../../../deploy/progress.sh"

cache=$(strata_cache)
target=$cache/control-plane-$(cat "$here/go.mod" "$here/tools.go" | sha256sum | cut -c1-16)

build() {
  cp "$here/go.mod" "$here/tools.go" "$work/"
  cd "$work"
  export CGO_ENABLED=0 GOFLAGS=-mod=mod
  go mod tidy
  for program in kube-apiserver kube-controller-manager; do
    echo "building $program"
    go build -trimpath -ldflags='-s -w' -o "bin/$program" "k8s.io/kubernetes/cmd/$program"
  done
}

if [ ! -d "$target" ]; then
  mkdir -p "$cache"
  exec 9>"$cache/control-plane.lock"
  flock 9
  if [ ! -d "$target" ]; then
    work=$target.partial
    rm -rf "$work"
    mkdir -p "$work"
    step "Building a control plane from Kubernetes' source" build
    mv -T "$work/bin" "$target"
    rm -rf "$work"
  fi
  exec 9>&-
fi
echo "$target"
