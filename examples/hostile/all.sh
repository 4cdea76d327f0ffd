#!/usr/bin/env bash
# Plays all attacks on the examples, in full numbers and with those that drip:
# examples/hostile/all.sh [OPTIONS of `hostile`]. Prints what does not pass. Linux.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
bin=${CARGO_TARGET_DIR:-$PWD/target}/release
cargo build --release -p examples -p examples-http -p io_uring_echo --features examples/tls >&2
log=$(mktemp -d)
trap 'rm -r "$log"' EXIT
failed=0

# A busy machine is no fault of an example. None takes so much memory.
options=(--wait 10 --memory 64 --patience 60 "$@")

play() { # name, then what `hostile` gets
  local name=$1 file=$log/$1
  shift
  if "$bin/hostile" "$@" "${options[@]}" >"$file" 2>&1; then
    printf '%-14s %s\n' "$name" "$(grep ' PASS, ' "$file")"
  else
    failed=1
    printf '%-14s FAILED: %s\n' "$name" "$(tail -n 1 "$file")"
  fi
  grep -E '^(head|frame|deflate|flood|slow|response)/.* (FAIL|NON-STRICT) ' "$file" || true
}

for server in echo_blocking echo_tokio epoll_echo io_uring_echo; do
  play $server server --strict --start "'$bin/$server' 127.0.0.1:0"
done
for client in client reconnect; do
  play $client client --strict --run "'$bin/$client' {url}"
done
play tls server --strict --start "'$bin/tls' 127.0.0.1:0"
# Not strict: a proxy keeps no time for unfinished messages, because they cost it little.
"$bin/echo_tokio" 127.0.0.1:0 >"$log/echo" 2>/dev/null &
echo=$!
trap 'kill $echo; rm -r "$log"' EXIT
until upstream=$(grep -om1 'ws://.*' "$log/echo"); do sleep 0.1; done
play proxy server --start "'$bin/proxy' --max-message-size 1048576 127.0.0.1:0 $upstream"
# Not strict: hyper reads these heads, and it refuses HTTP/1.2 and accepts lines that end with LF.
"$bin/hyper_upgrade" 127.0.0.1:0 >"$log/hyper" 2>/dev/null &
hyper=$!
trap 'kill $echo $hyper; rm -r "$log"' EXIT
until url=$(grep -om1 'localhost:[0-9]*' "$log/hyper"); do sleep 0.1; done
play hyper_upgrade server --same-origin --pid $hyper "wss://$url/echo"
# Chats are no echoes: who floods them makes others miss lines, or is closed, as their descriptions say.
play broadcast server --same-origin --only head/,frame/,slow/ --start "'$bin/broadcast' --max-message-size 1048576 127.0.0.1:0"
play axum_handler server --same-origin --only head/,frame/,slow/ --start "'$bin/axum_handler' --max-message-size 1048576 127.0.0.1:0"
exit $failed
