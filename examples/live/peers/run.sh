#!/bin/sh
# Runs the same load on `live`, npm ws and socket.io, one after the other, and prints a table.
#
#     peers/run.sh [OPTIONS of live load]        default: 10,000 connections in 100 rooms
#
# Needed: node and npm, and a release build: cargo build --release. Files go to the target folder.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../target}
live=${LIVE:-$target/release/live}
work=$target/peers
[ $# -gt 0 ] || set -- --connections 10000 --rooms 100 --rate 200 --seconds 20

export LIVE_LOG=warn
# All three compress only if the load tool offers it.
case " $* " in *" --compress "*) export COMPRESS=1 ;; esac

[ -x "$live" ] || { echo "run.sh: no $live: cargo build --release" >&2; exit 2; }
mkdir -p "$work"
cp "$here"/package.json "$here"/*.mjs "$work"
(cd "$work" && npm install --silent --no-audit --no-fund --no-package-lock)

server= failed=
trap 'if [ "$server" ]; then kill "$server"; fi' EXIT

# measure NAME PROTOCOL COMMAND...: starts a server, and loads it.
measure() {
    name=$1 protocol=$2
    shift 2
    : >"$work/$name.log"
    "$@" >"$work/$name.log" 2>&1 &
    server=$!
    until port=$(sed -n 's|^listening on http://127.0.0.1:||p' "$work/$name.log") && [ "$port" ]; do
        kill -0 "$server" || { cat "$work/$name.log" >&2; exit 1; }
        sleep 0.1
    done
    echo "== $name"
    rm -f "$work/$name.csv"
    eval "\"\$live\" load --url ws://127.0.0.1:$port --protocol $protocol --pid $server \
        --csv \"\$work/$name.csv\" $load" || failed="$failed $name"
    kill "$server"
    wait "$server" 2>/dev/null || true
    server=
}

# The options, quoted for `eval`: `measure` has arguments of its own.
load=
for option; do load="$load '$option'"; done

measure live live "$live" serve --listen 127.0.0.1:0 --max-connections 100000
measure ws live node "$work/ws.mjs" 127.0.0.1:0
measure socket.io socket.io node "$work/socketio.mjs" 127.0.0.1:0

echo
echo "The load tool needs up to one core. On $(nproc) cores a server has what it leaves. live uses several"
echo "threads and Node.js one, so compare CPU a delivered message; latency only if no core was full."
node "$work/table.mjs" "$work" live ws socket.io
[ -z "$failed" ] || { echo "run.sh: failed:$failed" >&2; exit 1; }
