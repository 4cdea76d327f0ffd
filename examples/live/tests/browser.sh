#!/usr/bin/env bash
# The page of the chat: its logic in node, and all of it in headless Chromium with the real server and a
# real Redis.
#
#   tests/browser.sh            build `live` and test it
#   tests/browser.sh PROGRAM    test this `live` instead
#
# Needs node with npm; Chromium or Chrome on the PATH or in $CHROMIUM; redis-server. On Debian and
# Ubuntu, root gets the last two installed by apt-get. axe-core goes into target/browser, and so do the
# screenshots.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../target}
axe=4.14.1

install() {
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing $1"
    apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$1" >/dev/null
  fi
}

find_chromium() {
  command -v ${CHROMIUM:-chromium chromium-browser google-chrome google-chrome-stable} | head -n 1 | grep .
}

if ! { node --version && npm --version; } >/dev/null 2>&1; then
  echo "the tests of the page need node and npm" >&2
  exit 2
fi
if ! CHROMIUM=$(find_chromium); then
  install chromium
  if ! CHROMIUM=$(find_chromium); then
    echo "no Chromium: put 'chromium' or 'google-chrome' on the PATH, or its path into CHROMIUM" >&2
    exit 2
  fi
fi
if ! command -v redis-server >/dev/null; then
  install redis-server
  if ! command -v redis-server >/dev/null; then
    echo "no redis-server on the PATH" >&2
    exit 2
  fi
fi

if [ $# = 0 ]; then
  cargo build --manifest-path "$here/../Cargo.toml"
  set -- "$target/debug/live"
fi
LIVE=$(realpath "$1")
mkdir -p "$target/browser"
target=$(cd "$target" && pwd)/browser
if [ ! -e "$target/axe-$axe/ready" ]; then
  rm -rf "$target/axe-$axe"
  npm install --prefix "$target/axe-$axe" --silent --no-audit --no-fund "axe-core@$axe"
  touch "$target/axe-$axe/ready"
fi
AXE=$target/axe-$axe/node_modules/axe-core/axe.min.js
OUTPUT=$target/screenshots
mkdir -p "$OUTPUT"
export CHROMIUM LIVE AXE OUTPUT
# One after the other: some tests measure time.
for tests in "$here"/browser/*.test.mjs; do
  node --test --test-reporter=spec "$tests"
done
