# Sourced by the scripts: messages, and long commands with their progress.
# shellcheck shell=bash

say() { printf '%s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# Where LibTorch, the Python environment and the like are kept; every checkout
# of one user shares it.
strata_cache() {
  printf '%s\n' "${STRATA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/strata}"
}

_clock() { printf '%d:%02d' $(($1 / 60)) $(($1 % 60)); }

# step LABEL COMMAND… runs the command with its output in a log. On a terminal
# one line shows the elapsed time and what the command said last; elsewhere a
# line every 15 s does. The log is printed if the command fails.
step() {
  local label=$1 log start=$SECONDS pid rc=0 told=$SECONDS last
  shift
  log=$(mktemp "${TMPDIR:-/tmp}/strata-step.XXXXXX")
  [ -t 2 ] || say "$label …"
  set -m  # a process group of its own, so that an interrupt ends all of it
  "$@" >"$log" 2>&1 </dev/null &
  pid=$!
  set +m
  # shellcheck disable=SC2064
  trap "kill -TERM -- -$pid 2>/dev/null; rm -f '$log'; exit 130" INT TERM
  while kill -0 "$pid" 2>/dev/null; do
    last=$(tail -c 400 "$log" | tr '\r' '\n' | grep -av '^[[:space:]]*$' | tail -n 1 | cut -c1-80) || true
    if [ -t 2 ]; then
      printf '\r\033[K%s  %s  \033[2m%s\033[0m' "$label" "$(_clock $((SECONDS - start)))" "$last" >&2
    elif [ $((SECONDS - told)) -ge 15 ]; then
      told=$SECONDS
      say "  $(_clock $((SECONDS - start)))  $last"
    fi
    sleep 0.3
  done
  wait "$pid" || rc=$?
  trap - INT TERM
  [ -t 2 ] && printf '\r\033[K' >&2
  if [ "$rc" -ne 0 ]; then
    tail -n 60 "$log" >&2
    say "$label: failed after $(_clock $((SECONDS - start)))"
  else
    say "$label: done in $(_clock $((SECONDS - start)))"
  fi
  rm -f "$log"
  return "$rc"
}
