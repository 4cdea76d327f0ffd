#!/usr/bin/env bash
# Prints which lines, regions and branches of src/ the tests reach: by all tests, and each file by
# the tests of its own subject (tests/coverage/subjects.txt). Fails if something is reached by no
# test and is not in tests/coverage/unreached.txt. Documentation tests do not count.
#
# Needs a nightly compiler, which alone counts branches, and the LLVM tools of the same major
# version: the Debian package llvm-22, or `rustup component add --toolchain nightly llvm-tools`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}
work=$target/coverage
export LLVM_PROFILE_FILE=/dev/null
rm -rf "$work" && mkdir -p "$work"

llvm=$(rustc +nightly -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
PATH=$(echo "$(rustc +nightly --print sysroot)"/lib/rustlib/*/bin):/usr/lib/llvm-$llvm/bin:$PATH
if ! llvm-cov --version 2>/dev/null | grep "version $llvm\." >/dev/null; then
  echo "tests/coverage.sh needs llvm-cov $llvm; Debian has it in the package llvm-$llvm" >&2
  exit 2
fi

# Runs one program with its arguments, and writes what it reached to NAME.json.
measure() {
  local name=$1
  shift
  printf "%s " "$name" >&2
  if ! LLVM_PROFILE_FILE=$work/raw "$@" --quiet >"$work/log" 2>&1; then
    cat "$work/log" >&2
    exit 1
  fi
  llvm-profdata merge -sparse "$work/raw" -o "$work/data"
  # Without features a few programs are empty.
  if ! llvm-cov export -instr-profile "$work/data" -skip-functions -skip-expansions "$1" \
    >"$work/$name.json" 2>"$work/log"; then
    rm "$work/$name.json"
    grep 'no coverage data found' "$work/log" >/dev/null || { cat "$work/log" >&2 && exit 1; }
  fi
  rm "$work/raw" "$work/data"
}

# Only this crate is instrumented. Without optimisation it would take three times as long. Without
# features some code is another (deflate/off.rs).
for features in --all-features --no-default-features; do
  cargo +nightly test $features --lib --tests --no-run --message-format=json -Z profile-rustflags \
    --config 'profile.dev.package.websocket-proto.opt-level = 1' \
    --config 'profile.dev.package.websocket-proto.debug = false' \
    --config 'profile.dev.package.websocket-proto.rustflags = ["-Cinstrument-coverage", "-Zcoverage-options=branch"]' |
    sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' >"$work/programs"
  while read -r program; do
    name=$(basename "${program%-*}")
    if [ "$name" != websocket_proto ]; then
      measure "$name.$features" "$program"
    else # unit tests: each module alone
      for module in $("$program" --list --format terse | sed -n 's/::tests::.*//p' | sort -u); do
        measure "$module::tests.$features" "$program" "$module::tests::"
      done
    fi
  done <"$work/programs"
done
echo
python3 tests/coverage/report.py "$work"
