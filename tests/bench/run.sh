#!/usr/bin/env bash
# Builds and runs the benchmarks; prints a table of ratios, each of two things
# measured side by side in this one run.
#
#   tests/bench/run.sh [--quick] [--only turns|phases|targets|gpu|PART] [--json FILE]
#
#   --only turns the time to the first byte of a second turn of a chat, alone
#   --only phases  streams that wait for a common phase and those that do not, alone
#   --only targets what a decoder should reach, beside what it does, alone: minutes, and
#                  some 20 GB of memory, 12 where there are less; or one part of it: decoder, inside (the engine,
#                  the wire, starts), served (as clients see it), streams (messages)
#   --only gpu   what a GPU should make of the hierarchy, alone; needs one
#   --bin DIR    the programs, built already: nothing is built
#   --quick      shorter runs: for a look, not for a claim
#   --json FILE  {"host": {…}, "rows": [{"name", "value", "unit", "baseline",
#                "ratio", "target", "met"}]}
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."

if [[ " $* " == *" --bin "* ]]; then
  exec python3 "$here/run.py" "$@"
fi
build=build/release
[ -f "$build/build.ninja" ] || cmake --preset release >/dev/null
cmake --build "$build" --target \
  make_model decode_bench device_bench preset_facts train_bench bare_start bare_stream strata-server strata >&2
exec python3 "$here/run.py" --bin "$build/bin" "$@"
