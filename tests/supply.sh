#!/usr/bin/env bash
# Checks what this crate takes from others and what it gives to others.
#
#   tests/supply.sh                       all checks
#   tests/supply.sh package api           only these
#   tests/supply.sh --write package api   writes the committed lists anew
#
# A check passes, fails, or says that it did not run, and why. Tools are installed with fixed
# versions into $CARGO_TARGET_DIR/tools, which takes some minutes once, unless SUPPLY_INSTALL=no.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target} CARGO_TERM_COLOR=never
export PATH=$CARGO_TARGET_DIR/tools/bin:$PATH
export RUSTUP_AUTO_INSTALL=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
NOT_RUN=3
TOOLS=(cargo-deny@0.20.2 cargo-public-api@0.52.0 cargo-semver-checks@0.51.0)
CHECKS=(deny package api msrv minimal built semver)
# Each optional feature; those whose name begins with two underscores are not public.
PUBLIC_FEATURES=std,getrandom,deflate,http

not_run() {
  echo "not run: $*"
  return $NOT_RUN
}

# Whether a tool is here in the fixed version; installs it if it may.
tool() {
  local pinned version
  for pinned in "${TOOLS[@]}"; do
    [ "${pinned%@*}" = "$1" ] && version=${pinned#*@}
  done
  "$1" "${1#cargo-}" --version 2>/dev/null | grep -F " $version" >/dev/null && return
  if [ "${SUPPLY_INSTALL:-yes}" = no ]; then
    not_run "needs $1 $version: cargo install --locked $1@$version"
  else
    cargo install --quiet --locked --root "$CARGO_TARGET_DIR/tools" "$1@$version" ||
      not_run "cannot install $1 $version"
  fi
}

# Standard input must be what the file says.
same() {
  if [ "$write" = yes ]; then
    cat >"$1"
  elif ! diff -u --label "$1" --label 'as it is now' "$1" -; then
    echo "If this change is intended: tests/supply.sh --write $check"
    return 1
  fi
}

# Licences, duplicates and sources of dependencies: of the library, which must not need two versions
# of anything, and of each lock file of the repository. Known vulnerabilities are looked up if their
# database can be fetched.
deny() {
  tool cargo-deny || return
  local manifest result=0 rules=$PWD/tests/supply
  echo 'the library:'
  cargo deny --all-features --exclude-dev --config "$rules/deny.toml" check licenses bans sources || result=1
  local -a tools=(cargo deny --all-features --workspace --config "$rules/deny_tools.toml")
  for manifest in Cargo.toml */Cargo.toml */*/Cargo.toml; do
    [ -f "${manifest%toml}lock" ] || continue
    echo "$manifest:"
    "${tools[@]}" --manifest-path "$manifest" check licenses bans sources || result=1
  done
  if timeout 60 "${tools[@]}" fetch db >"$scratch/fetch" 2>&1; then
    "${tools[@]}" check --disable-fetch advisories || result=1
  else
    echo 'advisories: NOT CHECKED, because the database cannot be fetched'
  fi
  return $result
}

# The files that a user downloads.
package() {
  cargo package --list --allow-dirty | grep -vx .cargo_vcs_info.json | same tests/supply/package.txt
}

# The public API: tests/supply/api/none.txt without features, and what features add to it.
api() {
  rustup run nightly rustc --version >/dev/null 2>&1 || not_run 'needs a nightly compiler' || return
  tool cargo-public-api || return
  local features
  for features in none default all; do
    case $features in
      none) set -- --no-default-features ;;
      default) set -- ;;
      all) set -- --features $PUBLIC_FEATURES ;;
    esac
    cargo +nightly public-api --omit blanket-impls "$@" >"$scratch/whole" 2>"$scratch/log" ||
      { cat "$scratch/log"; return 1; }
    # Traits that only the compiler can name, and unwind safety, about which nothing is promised.
    grep -vE '^impl.* !?core::(marker::(Freeze|UnsafeUnpin)|panic::unwind_safe::)' "$scratch/whole" |
      awk '!seen[$0]++' >"$scratch/$features"
  done
  local result=0
  same tests/supply/api/none.txt <"$scratch/none" || result=1
  added none default | same tests/supply/api/default.txt || result=1
  added default all | same tests/supply/api/all.txt || result=1
  ! grep -n '^GONE' tests/supply/api/*.txt || result=1
  return $result
}

# What one more set of features adds. Nothing may go.
added() {
  grep -vxF -f "$scratch/$2" "$scratch/$1" | sed 's/^/GONE: /'
  grep -vxF -f "$scratch/$1" "$scratch/$2" || :
}

# The oldest compiler that Cargo.toml promises. Without it: every item of std that is used, and the
# promise of every dependency, must be that old.
msrv() {
  local version
  version=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
  if rustup run "$version" cargo --version 2>/dev/null; then
    CARGO_TARGET_DIR=$scratch/msrv rustup run "$version" cargo check --all-features
    return
  fi
  echo "no compiler $version here (rustup toolchain install $version): checked by lint and by the dependencies' promises"
  cargo clippy --quiet --all-features -- -D clippy::incompatible_msrv || return
  cargo metadata --format-version 1 --all-features | python3 tests/supply/msrv.py
}

# The lowest versions of dependencies that Cargo.toml allows.
minimal() {
  tests/minimal_versions.sh
}

# The package, unpacked elsewhere, builds and passes its tests.
built() {
  cargo package --quiet --no-verify --allow-dirty || return
  tar -xf "$(ls -t "$CARGO_TARGET_DIR"/package/websocket-proto-*.crate | head -1)" -C "$scratch" || return
  (cd "$scratch"/websocket-proto-* && cargo test --quiet --all-features)
}

# No change that breaks users since the last release, unless the version says so.
semver() {
  local tag
  tag=$(git describe --tags --abbrev=0 --match 'v[0-9]*' 2>/dev/null) || not_run 'no tag yet' || return
  tool cargo-semver-checks || return
  echo "since $tag"
  cargo semver-checks --only-explicit-features --features $PUBLIC_FEATURES --baseline-rev "$tag"
}

write=no
[ "${1:-}" != --write ] || { write=yes && shift; }
[ $# != 0 ] || set -- "${CHECKS[@]}"
failed=0 summary=
for check in "$@"; do
  [[ " ${CHECKS[*]} " = *" $check "* ]] || { echo "no such check: $check" >&2 && exit 2; }
  printf '\n--- %s\n' "$check"
  start=$SECONDS
  $check
  case $? in
    0) word=passed ;;
    $NOT_RUN) word='NOT RUN' ;;
    *) word=FAILED failed=1 ;;
  esac
  summary+=$(printf '%-8s %-8s %4d s' "$check" "$word" $((SECONDS - start)))$'\n'
done
printf '\n%s' "$summary"
exit $failed
