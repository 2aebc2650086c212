#!/usr/bin/env bash
# What keeping weights, keys and values in fewer bits costs a model: bits per byte of a
# text that it was not trained on, for every pair of types.
#
#   tests/bench/bits.sh MODEL_DIR TEXT_FILE [WINDOW]
#
#   MODEL_DIR  a version's folder, models/NAME/VERSION
#   WINDOW     bytes read at a time, each from an empty context; 4096
set -euo pipefail
[ $# -ge 2 ] || { sed -n 's/^# \{0,1\}//p' "$0" | tail -n +2 >&2; exit 2; }
set -- "$(realpath "$1")" "$(realpath "$2")" "${@:3}"
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

build=build/release
[ -f "$build/build.ninja" ] || cmake --preset release >/dev/null
cmake --build "$build" --target bits_per_byte >&2
exec "$build/bin/bits_per_byte" "$@"
