#!/usr/bin/env bash
# Two nodes on one engine under load. Node 1 is killed after 8 s, the engine after 13 s (kill -9), and
# started again after 15 s. The load tool says whether anything was lost, doubled or out of order.
#
#   tests/failover.sh redis|nats [OPTIONS of live load]        default: 3,000 connections in 30 rooms
#
# tests/failover.rs is the same with fewer clients, as a test. Needs redis-server or nats-server, and a
# release build.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../target}
live=${LIVE:-$target/release/live}
engine=${1:?redis or nats}
shift
[ $# != 0 ] || set -- --connections 3000 --rooms 30 --rate 100 --kill 20
temp=$(mktemp -d)
# The processes are killed, which is no news.
exec 3>&2 2>"$temp/log"
trap 'kill -9 $(jobs -p) $(cat "$temp/pid") || true; rm -rf "$temp"' EXIT

port=$((20000 + RANDOM % 10000))
case $engine in
  redis)
    url=redis+unix://$temp/socket
    start=(redis-server --port 0 --unixsocket "$temp/socket" --appendonly yes --appendfsync always --dir "$temp")
    ;;
  nats)
    url=nats://127.0.0.1:$port
    start=(nats-server -a 127.0.0.1 -p "$port" -js -sd "$temp")
    ;;
esac
start_engine() {
  "${start[@]}" >>"$temp/engine" 2>&1 &
  echo $! >"$temp/pid"
}

export LIVE_LOG=warn LIVE_SECRET=${LIVE_SECRET:-$(od -An -N16 -tx1 /dev/urandom | tr -d ' ')}
start_engine
urls=() nodes=()
for node in 1 2; do
  "$live" --listen 127.0.0.1:0 --engine "$url" --node "n$node" >"$temp/node$node" &
  nodes+=($!)
  until addr=$(sed -n 's|^listening on http://||p' "$temp/node$node") && [ -n "$addr" ]; do sleep 0.1; done
  urls+=(--url "ws://$addr")
done
(
  sleep 8
  kill -9 "${nodes[0]}"
  echo "-- node 1 is killed" >&3
  sleep 5
  kill -9 "$(cat "$temp/pid")"
  echo "-- $engine is killed" >&3
  sleep 2
  start_engine
  echo "-- $engine is back" >&3
  wait
) &
"$live" load "${urls[@]}" --seconds 22 --drain 40 --pid "${nodes[1]}" "$@" 2>&3
