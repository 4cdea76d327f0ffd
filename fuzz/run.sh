#!/usr/bin/env bash
# Runs the fuzz targets with cargo-fuzz on the nightly compiler, and prints a table. Ends with 1 if one
# of them has a finding. Without a nightly compiler it says so, and ends with 0.
#
# usage: fuzz/run.sh [--seconds N] [--jobs N] [--save] [TARGET...]
#
#   --seconds N   for each target; default: 60
#   --jobs N      targets that run at the same time; default: 1
#   --save        minimises what was found, and writes it to fuzz/corpus
#
# FUZZ_SANITIZER=address also looks for wrong memory accesses of dependencies, and is six times slower:
# the crate itself is safe Rust. FUZZ_FOLDER is the folder for builds, corpora and findings.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

seconds=60 jobs=1 save=
targets=()
while [ $# != 0 ]; do
  case $1 in
    --seconds) seconds=$2 && shift 2 ;;
    --jobs) jobs=$2 && shift 2 ;;
    --save) save=1 && shift ;;
    -*) sed -n '2,12s/^# \?//p' run.sh >&2 && exit 2 ;;
    *) targets+=("$1") && shift ;;
  esac
done
[ ${#targets[@]} != 0 ] || mapfile -t targets < <(sed -n 's/^path = "fuzz_targets\/\(.*\)\.rs"/\1/p' Cargo.toml)

if ! cargo +nightly --version >/dev/null 2>&1; then
  echo 'fuzz/run.sh: there is no nightly compiler: nothing is fuzzed. (rustup toolchain install nightly)'
  exit 0
fi
cargo fuzz --version >/dev/null 2>&1 || cargo install --locked cargo-fuzz

# The folder is kept, so that the next run goes on where this one ends.
folder=${FUZZ_FOLDER:-${CARGO_TARGET_DIR:-$PWD/target}/fuzz}
mkdir -p "$folder"
# Traced comparisons would help to find long constants, which are in the dictionaries. Without them
# there are ten times as many executions.
build=(cargo +nightly fuzz build --fuzz-dir . --target-dir "$folder/target" --no-trace-compares --sanitizer "${FUZZ_SANITIZER:-none}")
# Without a name it builds all targets.
[ ${#targets[@]} != 1 ] || build+=("${targets[0]}")
"${build[@]}" || exit 2
binaries=$folder/target/$(rustc +nightly -vV | sed -n 's/^host: //p')/release

dictionary() {
  case $1 in
    receive | frame | pair | differential) echo dictionaries/frames.dict ;;
    inflate | deflate) echo dictionaries/deflate.dict ;;
    *) echo dictionaries/handshakes.dict ;;
  esac
}

corpus() {
  cargo run --quiet --example corpus -- "$@"
}

fuzz() {
  local target=$1 artifacts=$folder/artifacts/$1/
  rm -rf "$artifacts"
  mkdir -p "$artifacts" "$folder/corpus/$target"
  "$binaries/$target" "$folder/corpus/$target" -dict="$(dictionary "$target")" -artifact_prefix="$artifacts" \
    -max_total_time="$seconds" -max_len=4096 -timeout=25 -rss_limit_mb=2048 -print_final_stats=1 \
    >"$folder/$target.log" 2>&1 || true
}

for target in "${targets[@]}"; do
  corpus unpack "$target" "$folder/corpus/$target"
done
for target in "${targets[@]}"; do
  while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n; done
  fuzz "$target" &
done
wait

findings=0
printf '%-18s %12s %10s %8s %9s\n' target executions exec/s seconds findings
for target in "${targets[@]}"; do
  log=$folder/$target.log
  stat() { sed -n "s/^stat::$1: *//p" "$log" | tail -1; }
  executions=$(stat number_of_executed_units) rate=$(stat average_exec_per_sec)
  # A slow run is not a finding until it exceeds -timeout: the machine may be busy.
  found=$(find "$folder/artifacts/$target" -type f ! -name 'slow-unit-*' | sort)
  # A run that ends without statistics has failed, also if it has left no input.
  count=$(printf '%s' "$found" | grep -c . || true)
  [ -n "$executions" ] || [ "$count" != 0 ] || count=1
  printf '%-18s %12s %10s %8s %9s\n' "$target" "${executions:--}" "${rate:--}" "$seconds" "$count"
  if [ "$count" != 0 ]; then
    findings=1
    grep -m 3 -A 2 'panicked at\|ERROR:' "$log" || tail -5 "$log"
    for input in $found; do
      echo "  $input"
      echo "  cargo +nightly fuzz run --fuzz-dir fuzz $target $input"
      # For a machine whose files are gone later.
      echo "  base64 -d >input <<<$(base64 -w0 "$input")"
    done
  fi
done

if [ -n "$save" ]; then
  for target in "${targets[@]}"; do
    rm -rf "$folder/minimised/$target"
    mkdir -p "$folder/minimised/$target"
    "$binaries/$target" -merge=1 -max_len=4096 "$folder/minimised/$target" "$folder/corpus/$target" \
      >"$folder/$target.merge.log" 2>&1
    corpus pack "$target" "$folder/minimised/$target"
  done
fi
exit $findings
