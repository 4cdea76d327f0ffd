#!/usr/bin/env bash
# Checks that the library compiles with the lowest version of each dependency that Cargo.toml
# allows. Works on a copy, whose Cargo.toml asks for exactly these versions: 1.12 becomes =1.12.0.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT

# Tests and the other packages are left out: what they depend on could ask for higher versions.
awk '/^\[/ { keep = !/^\[(workspace|dev-dependencies|profile)/ } keep' Cargo.toml |
  sed -E '/^\[dependencies\]/,/^\[/ {
    s/"([0-9]+)"/"\1.0"/
    s/"([0-9]+\.[0-9]+)"/"\1.0"/
    s/"([0-9]+\.[0-9]+\.[0-9]+)"/"=\1"/
  }' >"$copy/Cargo.toml"
cp -r Cargo.lock src "$copy"
cd "$copy"
sed -n '/^\[dependencies\]/,/^$/p' Cargo.toml

for features in --no-default-features --features=default --all-features; do
  echo "cargo check $features"
  cargo check "$features"
done
