#!/usr/bin/env bash
# What costly input costs our echo servers, tokio-tungstenite, npm ws and python websockets, in one run:
# examples/hostile/peers.sh [OPTIONS of `hostile cost`] > table.md
# Needs cargo, node, npm and python3 with venv. Everything is installed in the target directories.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
ours=${CARGO_TARGET_DIR:-$PWD/target}
theirs=${CARGO_TARGET_DIR:-$PWD/benches/peers/target}
contestants=(tokio-tungstenite ws 'python websockets')
{
  cargo build --release -p examples --bin hostile --bin epoll_echo --bin echo_tokio
  cargo run --release --manifest-path benches/peers/Cargo.toml --bin servers -- \
    --install --contestants "${contestants[@]}"
} >&2
unset NODE_OPTIONS
exec "$ours/release/hostile" cost \
  --start "epoll_echo='$ours/release/epoll_echo' 127.0.0.1:0" \
  --start "echo_tokio='$ours/release/echo_tokio' 127.0.0.1:0" \
  --start "tokio-tungstenite='$theirs/release/servers' serve tokio-tungstenite" \
  --start "ws=node '$theirs/servers/npm/ws.js' --deflate" \
  --start "python websockets='$theirs/servers/venv/bin/python' benches/peers/servers/websockets_echo.py --deflate" \
  "$@"
