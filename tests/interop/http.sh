#!/usr/bin/env bash
# The examples with hyper and axum against headless Chromium, node's http2 and npm `ws`.
#
#   tests/interop/http.sh          build the examples and test them
#   tests/interop/http.sh FOLDER   test the programs in FOLDER instead
#
# Needs node with npm, and Chromium or Chrome on the PATH or in $CHROMIUM. On Debian and Ubuntu, root
# gets Chromium installed by apt-get. `ws` goes into target/interop.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../../target}

find_chromium() {
  command -v ${CHROMIUM:-chromium chromium-browser google-chrome google-chrome-stable} | head -n 1 | grep .
}

if ! CHROMIUM=$(find_chromium); then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing chromium"
    apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends chromium >/dev/null
  fi
  if ! CHROMIUM=$(find_chromium); then
    echo "no Chromium: put 'chromium' or 'google-chrome' on the PATH, or its path into CHROMIUM" >&2
    exit 2
  fi
fi
export CHROMIUM

if [ $# = 0 ]; then
  cargo build --release -p examples-http --manifest-path "$here/../../Cargo.toml"
  set -- "$target/release"
fi
mkdir -p "$target/interop"
target=$(cd "$target" && pwd)/interop
. "$here/ws.sh"
exec node "$here/http.cjs" "$1"
