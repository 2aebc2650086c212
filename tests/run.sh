#!/usr/bin/env bash
# Installs, builds and runs the tests: the release tree with everything, then the
# torch- and gRPC-free core, under ThreadSanitizer what of it starts threads and under
# AddressSanitizer all of it.
#
#   tests/run.sh            every test but those labelled `long`
#   tests/run.sh --long     those too
#
# Goes on after a failing tree; the exit code says whether all passed.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
# shellcheck source=../deploy/progress.sh
. deploy/progress.sh

selection=(-LE '^long$')
long_tests=OFF
case "$*" in
  "") ;;
  --long) selection=() long_tests=ON ;;
  -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; exit 0 ;;
  *) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac

# Compilers at a time are bounded by memory too (deploy/cmake/StrataToolchain.cmake).
jobs=$(nproc)

# ThreadSanitizer's shadow memory does not survive a kernel that randomises
# addresses widely.
fixed_addresses=()
if setarch "$(uname -m)" -R true 2>/dev/null; then
  fixed_addresses=(setarch "$(uname -m)" -R)
fi
export TSAN_OPTIONS="halt_on_error=1 second_deadlock_stack=1${TSAN_OPTIONS:+ $TSAN_OPTIONS}"
export UBSAN_OPTIONS="print_stacktrace=1 halt_on_error=1${UBSAN_OPTIONS:+ $UBSAN_OPTIONS}"

build() {
  cmake --preset "$1" -DSTRATA_PYTHON="$python" -DSTRATA_LONG_TESTS="$long_tests" &&
    cmake --build "build/$1" -j "$jobs"
}

summary=()
failed=0
check_tree() {
  local tree=$1 start=$SECONDS log=build/$1/ctest.log
  if ! step "Building $tree ($jobs jobs)" build "$tree"; then
    summary+=("$tree: does not build")
    failed=1
    return
  fi
  "${fixed_addresses[@]}" ctest --test-dir "build/$tree" --output-on-failure -j "$jobs" \
    "${selection[@]}" 2>&1 | tee "$log"
  [ "${PIPESTATUS[0]}" -eq 0 ] || failed=1
  summary+=("$tree: $(grep -a 'tests passed' "$log" || echo 'no test ran'), $((SECONDS - start)) s")
  while read -r line; do
    summary+=("    $line")
  done < <(sed -n '/^The following tests \(did not run\|FAILED\)/,$s/^\t *\([0-9]* - \)/\1/p' "$log")
}

deploy/install_deps.sh || exit 1
python=$(tests/python.sh --path) || exit 1
tools=$(tests/tools.sh "$@") && export PATH=$tools:$PATH

for tree in release tsan asan; do
  check_tree "$tree"
done

echo
printf '%s\n' "${summary[@]}"
exit "$failed"
