#!/usr/bin/env bash
# Trains every generative preset of one size on the same text and compares them:
# bits per byte of held-out text, at equal bytes (in rows as long as those of training,
# and in longer pieces of another book) and at equal training compute, training and
# decoding speed, state. Prints a Markdown table.
#
#   tests/bench/compare.sh [--size 1m|10m] [--megabytes N]
#                          [--presets A,B,… | --ablation objectives|options]
#                          [--text FILE] [--out DIR]
#
#   --size 1m       all families; 10m: all but block-literal and megabyte
#   --megabytes 3   text bytes that each model is trained on (10 at 10m)
#   --presets A,B   these families; +ngram behind one trains it with three n-gram
#                   heads, and so on (tests/bench/variants.py has all)
#   --ablation KIND what objectives or options of a config are worth, beside a preset
#                   without them; bits per byte alone, so other work may go on
#   --text FILE     default: novels of $STRATA_SHARED_DATA (../shared/data), whole
#                   books, the last of them held out
#   --out DIR       build/compare: one JSON file a row. A row that is there is not
#                   made again, so a run that was cut off goes on where it stopped.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."

build=build/release
[ -f "$build/build.ninja" ] || cmake --preset release >/dev/null
cmake --build "$build" --target preset_facts strata-server strata make_model >&2
exec python3 "$here/compare.py" --bin "$build/bin" "$@"
