#!/usr/bin/env bash
# Our examples against python `websockets` and npm `ws`, each as server and as client.
#
#   tests/interop/run.sh          build the examples and test them
#   tests/interop/run.sh FOLDER   test the programs in FOLDER instead
#
# Needs python3 (3.11 or later, with venv) and npm; the two libraries go into target/interop.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../../target}
websockets=17.4

if [ $# = 0 ]; then
  cargo build --release -p examples -p io_uring_echo --manifest-path "$here/../../Cargo.toml"
  set -- "$target/release"
fi
mkdir -p "$target/interop"
target=$(cd "$target" && pwd)/interop

if ! python3 -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))'; then
  echo "the interop tests need python3, 3.11 or later, with venv and pip" >&2
  exit 2
fi
. "$here/ws.sh"
if [ ! -e "$target/websockets-$websockets/ready" ]; then
  rm -rf "$target/websockets-$websockets"
  python3 -m venv "$target/websockets-$websockets"
  "$target/websockets-$websockets/bin/pip" -q install --disable-pip-version-check "websockets==$websockets"
  touch "$target/websockets-$websockets/ready"
fi
exec "$target/websockets-$websockets/bin/python" "$here/run.py" "$1"
