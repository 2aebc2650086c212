#!/usr/bin/env bash
# From nothing to a model that answers: installs what is missing, builds, starts
# a server, trains a small hierarchical model on real text, publishes it, and
# streams its first words. Leaves the server running. A second run takes
# seconds: what is built, running or trained already is used again.
#
#   deploy/quickstart.sh [FILE]
#
# FILE is what to train on: plain text, or JSON lines of conversations. Without
# it the text is the licences that every Debian machine carries, some 230 kB.
# Models, jobs and logs live in $STRATA_HOME, by default build/quickstart;
# $STRATA_QUICKSTART_STEPS, by default 400, says how long it trains.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=progress.sh
. deploy/progress.sh

licences=/usr/share/common-licenses
steps=${STRATA_QUICKSTART_STEPS:-400}
home=${STRATA_HOME:-build/quickstart}
server=build/release/bin/strata-server
client=build/release/bin/strata

case "${1-}" in
  -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; exit 0 ;;
  "") ;;
  -*) die "$1 is no option; see deploy/quickstart.sh --help" ;;
  *) [ -e "$1" ] || die "there is no file $1"
     [ -r "$1" ] && [ -f "$1" ] || die "cannot read $1" ;;
esac

build() {
  [ -e build/release/build.ninja ] || cmake --preset release
  cmake --build build/release --target strata-server strata
}

# The ordinary files alone: the rest are links to them.
collect_text() {
  if [ $# -eq 1 ]; then
    cat "$1"
  else
    [ -d "$licences" ] || die "$licences is not there: give a text file as argument"
    find "$licences" -type f | sort | xargs cat
  fi
}

alive() {
  [ -s "$home/server.pid" ] && [ -s "$home/ports" ] &&
    kill -0 "$(cat "$home/server.pid")" 2>/dev/null &&
    [ ! "$server" -nt "$home/server.pid" ] &&  # not an older build
    "$client" --server "$(port grpc)" models >/dev/null 2>&1
}

port() { sed -n "s/^$1=//p" "$home/ports"; }

stop_server() {
  local pid
  pid=$(cat "$home/server.pid" 2>/dev/null) || return 0
  case "$(readlink "/proc/$pid/exe" 2>/dev/null)" in
    */strata-server*) kill "$pid" 2>/dev/null || return 0 ;;
    *) return 0 ;;  # gone, and its number is another's now
  esac
  while kill -0 "$pid" 2>/dev/null; do sleep 0.2; done
}

start_server() {
  local start=$SECONDS pid
  stop_server
  rm -f "$home/ports"
  # A session of its own: Ctrl-C here does not reach it.
  setsid "$server" --models "$home/models" --data "$home/data" --listen 127.0.0.1:0 \
    --http 127.0.0.1:0 --port-file "$home/ports" >>"$home/server.log" 2>&1 </dev/null &
  pid=$!
  echo "$pid" >"$home/server.pid"
  until [ -s "$home/ports" ]; do
    kill -0 "$pid" 2>/dev/null || { tail -n 20 "$home/server.log" >&2; die "the server ended"; }
    [ $((SECONDS - start)) -lt 60 ] || die "the server does not come up; see $home/server.log"
    sleep 0.1
  done
}

# The first field of that name in a line of JSON on standard input.
field() { grep -o "\"$1\":\"[^\"]*\"" | head -n 1 | sed 's/^[^:]*:"\(.*\)"$/\1/'; }

train() {
  "$client" train --base block-1m --data "$home/text" --name quickstart --steps "$steps" \
    --lr 2e-3 --key "$1" --json
}

# Shows a command, quoted for a shell, and runs it: what it prints comes as a
# stream.
show() {
  local word line="$client generate"
  for word in "$@"; do
    case "$word" in
      *[!A-Za-z0-9._/@=-]* | "") line+=" ${word@Q}" ;;
      *) line+=" $word" ;;
    esac
  done
  say
  say "\$ $line"
  "$client" generate "$@"
}

# What the data has: messages, prompt (and completion), or text.
data_kind() {
  case $(head -c 4096 "$home/text" | head -n 1) in
    '{'*'"messages"'*) echo messages ;;
    '{'*'"prompt"'*) echo prompt ;;
    *) echo text ;;
  esac
}

# Prompts the model in the way that its data had it.
first_words() {
  local common=(--model "$1" --max-tokens 300 --temperature 0.7 --top-k 40)
  case $(data_kind) in
    messages)
      echo '{"messages": [{"role": "user", "content": "Hello"}]}' >"$home/messages"
      show "${common[@]}" --messages-file "$home/messages" ;;
    prompt) show "${common[@]}" --completion --prompt Hello ;;
    text) show "${common[@]}" --prompt "$opening" ;;
  esac
}

# The command to try next.
next_words() {
  case $(data_kind) in
    messages) echo "$client chat --model quickstart" ;;
    prompt) echo "$client generate --model quickstart --completion --prompt Hello" ;;
    text) echo "$client generate --model quickstart --prompt ${opening@Q} --max-tokens 200" ;;
  esac
}

deploy/install_deps.sh
mkdir -p "$home"
step "Building the server and the client" build
collect_text "$@" >"$home/text"
opening='You may '
[ $# -eq 0 ] || opening=$(head -c 24 "$home/text" | tr -s ' \n' ' ')

if alive; then
  say "The server is running already."
else
  start_server
  say "Server started: gRPC on $(port grpc), log in $home/server.log"
fi
export STRATA_SERVER
STRATA_SERVER=$(port grpc)

# The same text and length is the same job, so nothing is trained twice; a job
# that came to nothing is started anew.
key=quickstart-$(sha256sum "$home/text" | cut -c1-32)-$steps
job=$(train "$key")
case "$(field state <<<"$job")" in
  FAILED | CANCELLED) job=$(train "$key-$(date +%s)") ;;
esac
name=$(field name <<<"$job")
if [ "$(field state <<<"$job")" = SUCCEEDED ]; then
  say "Trained already: $name"
else
  say "Training block-1m on $(wc -c <"$home/text") bytes for $steps steps:"
  start=$SECONDS
  "$client" jobs watch "$name" || {
    code=$?
    [ $code -ne 130 ] || say "That server is $STRATA_SERVER, and strata is $client; or run" \
      "this command again to go on. Stop the server with: kill \$(cat $home/server.pid)"
    exit $code
  }
  say "Trained and published in $((SECONDS - start)) s."
fi

first_words quickstart
echo

cat >&2 <<END

The server goes on: gRPC on $(port grpc), metrics on http://$(port http)/metrics.
Next:
  export STRATA_SERVER=$(port grpc)
  $(next_words)
  $client models
  $client jobs
  $client bench --model quickstart --concurrency 8 --requests 32 --max-tokens 128
  $client train --base quickstart --data FILE --name quickstart --steps 200 --watch
  $client --help
Stop it:
  kill \$(cat $home/server.pid)
END
