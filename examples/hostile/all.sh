#!/usr/bin/env bash
# Plays all attacks on all examples, in full numbers: examples/hostile/all.sh [OPTIONS of `hostile`], such
# as --patience 60. Prints what does not pass. Linux.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
bin=${CARGO_TARGET_DIR:-$PWD/target}/release
cargo build --release -p examples -p examples-http -p io_uring_echo --features examples/tls >&2
log=$(mktemp -d)
trap 'rm -r "$log"' EXIT
failed=0

# A busy machine is no fault of an example. None takes so much memory.
options=(--wait 10 --memory 64 "$@")

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
# Not strict: hyper reads these heads, and it refuses HTTP/1.2 and accepts lines that end with LF.
"$bin/hyper_upgrade" 127.0.0.1:0 >"$log/hyper" 2>/dev/null &
trap 'kill $!; rm -r "$log"' EXIT
until url=$(grep -om1 'localhost:[0-9]*' "$log/hyper"); do sleep 0.1; done
play hyper_upgrade server --same-origin --pid $! "wss://$url/echo"
# A chat is no echo: who floods it makes others miss lines, as its description says.
play axum_handler server --same-origin --only head/,frame/,slow/ --start "'$bin/axum_handler' --max-message-size 1048576 127.0.0.1:0"
exit $failed
