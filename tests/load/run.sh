#!/usr/bin/env bash
# Many idle connections to epoll_echo: memory, time to open them, and the echo among them.
#
#   tests/load/run.sh [CONNECTIONS] [PROCESSES] [OPTIONS...]     default: 10000 1
#   tests/load/run.sh 100000 8                                   100,000 in eight servers
#   tests/load/run.sh 10000 1 --no-context-takeover              options of both sides
#
# There are as many client processes as servers. Take a process for each 14,000 connections: each
# needs a file for each connection (`ulimit -n`), and each client process connects to an address of
# its own, 127.0.0.N, to which the kernel has 28,000 ports. It finds the first half of them fast.
# README.md has results.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../../target}
connections=${1:-10000} processes=${2:-1} port=$((20000 + RANDOM % 10000))
options=("${@:3}")
ulimit -n "$(ulimit -Hn)"
cargo build --release -p examples --bin epoll_echo --bin load --manifest-path "$here/../../Cargo.toml"
temp=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$temp"' EXIT

# Memory of the whole machine in kB: slabs are what the kernel has for sockets, files and epoll.
kernel() { awk '/^Slab:/ { slab = $2 } END { print slab }' /proc/meminfo; }
# Resident memory of these processes in kB.
resident() { cat $(printf '/proc/%s/status ' "$@") | awk '/^VmRSS:/ { sum += $2 } END { print sum }'; }
each() { echo "$1: $((($3 - $2) * 1024 / connections)) bytes for each connection"; }

servers=()
for n in $(seq "$processes"); do
  "$target/release/epoll_echo" --shared --stats "${options[@]}" "0.0.0.0:$port" >"$temp/server$n" 2>&1 &
  servers+=($!)
done
sleep 1
kernel0=$(kernel) resident0=$(resident "${servers[@]}")

clients=()
start=$(date +%s%N)
for n in $(seq "$processes"); do
  mkfifo "$temp/in$n"
  active=$((n == 1 ? 100 : 0)) count=$((connections / processes + (n <= connections % processes)))
  "$target/release/load" "${options[@]}" "ws://127.0.0.$n:$port" $count $active <"$temp/in$n" >"$temp/client$n" &
  clients+=($!)
  exec {fd}>"$temp/in$n"
  fds[n]=$fd
done
for n in $(seq "$processes"); do
  until grep -q opened "$temp/client$n"; do
    kill -0 "${clients[n - 1]}" || exit 1
    sleep 0.1
  done
done
echo "$connections connections, $processes servers: opened in $((($(date +%s%N) - start) / 1000000)) ms"
sleep 3
kernel1=$(kernel) resident1=$(resident "${servers[@]}")
for n in $(seq "$processes"); do echo "server $n: $(tail -1 "$temp/server$n")"; done
each "resident memory of the servers" "$resident0" "$resident1"
each "slabs of the kernel, both ends" "$kernel0" "$kernel1"
echo go >&"${fds[1]}"
until grep -q echoes "$temp/client1"; do sleep 0.5; done
grep echoes "$temp/client1"
echo "after the echoes:"
sleep 1
for n in $(seq "$processes"); do echo "server $n: $(tail -1 "$temp/server$n")"; done
for n in $(seq "$processes"); do exec {fds[n]}>&-; done
wait "${clients[@]}"
echo "no connection was closed"
