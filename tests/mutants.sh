#!/usr/bin/env bash
# Mutation testing: changes one operator, value or function body of src/ at a time, and runs the tests.
# A mutant that no test notices shows a gap in the tests, or code that nothing needs.
#
#   tests/mutants.sh [--list] [--first] [--tests 'A B'] [--shard K/N] [FILE...]
#
# FILE is a file or a folder of src/; without one it is all of src/. `--list` prints the number of
# mutants by file. `--first` stops after the first pass. `--tests` names other tests for that pass, and
# runs all of each. `--shard K/N` takes each N-th file, from file K on (0 to N-1).
#
# There are two passes: the unit tests and fast tests of the subject, then all tests for the mutants
# that survived. A run can be stopped at any time. The next one skips the mutants that were caught, if
# their lines are still the same, and tests the others again. All of src/ takes many hours: start with
# the files that you have changed. For a figure of all of src/, start with an empty folder of results,
# because tests may have become weaker since a mutant was caught.
#
# Needs cargo-mutants 27. The results are in mutants/results of the target folder; two runs with the
# same target folder must not overlap. The exit status is 1 if a mutant has survived. A mutant with which
# a test of a second ran for 12 is endless, and counts as caught.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The tests whose subject is the file. They only save time: what they miss goes to all tests.
subjects() {
  case $1 in
    src/frame/append.rs) echo exhaustive_masks sent_bytes memory ;;
    src/frame/mask*.rs) echo exhaustive_masks utf8 ;;
    src/frame/close_code.rs) echo frame exhaustive_closes ;;
    src/frame/*) echo frame exhaustive_headers ;;
    src/utf8.rs) echo exhaustive_text sending ;;
    src/connection/closing.rs) echo closing exhaustive_closing ;;
    src/connection/liveness.rs) echo liveness ;;
    src/connection/heard.rs | src/connection/halves.rs | src/connection/notes.rs) echo halves again_halves ;;
    src/connection/deflate.rs) echo deflate_memory ;;
    src/connection/prepared.rs | src/connection/lent.rs) echo prepared sent_bytes ;;
    src/connection/send*) echo sending sent_bytes prepared deflate_send ;;
    src/connection/receive/compressed.rs) echo deflate_receive parts meter ;;
    src/connection/receiv*) echo closing violations parts ;;
    src/connection/*) echo closing violations park halves sending ;;
    src/message.rs) echo violations parts ;;
    src/buffer/*) echo buffer park parts read_size ;;
    src/clock.rs | src/deadlines.rs) basename "$1" .rs ;;
    src/config.rs | src/error.rs | src/fault.rs) echo error frame ;;
    src/meter.rs) echo meter ;;
    src/output.rs) echo sent_bytes prepared full_output ;;
    src/seed.rs) echo frame ;;
    src/grammar.rs) echo handshake_{answers,client,deflate,server} ;;
    src/deflate/params.rs) echo handshake_deflate exhaustive_negotiation ;;
    src/deflate/off.rs) echo sending parts ;;
    src/deflate/deflater.rs | src/deflate/preparer.rs) echo deflate_send deflate_memory ;;
    src/deflate/*) echo deflate_receive deflate_wrong ;;
    src/handshake/origin.rs) echo handshake_origins ;;
    src/handshake/url.rs | src/handshake/target.rs) echo handshake_client handshake_connect ;;
    src/handshake/http.rs | src/handshake/values/*) echo handshake_{http,values,ways} ;;
    src/handshake/*) echo handshake_{answers,client,server,status} ;;
  esac
}

# Tests that take seconds, which the first pass leaves out.
slow=(
  a_bomb_in_parts
  a_compressor_refers_to_prepared_messages
  a_long_text_costs_its_limit
  a_message_of_any_length_takes_the_memory_of_one_read
  a_slow_peer_gets_all
  field_07_tiny_fragments_cost
  field_08_a_mebibyte
  field_11
  field_13_fresh_mask_keys
  field_4_05_plain
  field_4_06_only
  fixed_01
  fixed_02
  fixed_10_a_message
  fixed_31
  long_messages
  messages_in_fragments
  no_allocations_once_warm
  no_plain_bytes_cause
  one_call_does
  own_and_prepared_messages
  random_messages
  two_sides_with_keepalive_live
  what_is_hard_to_compress
  what_is_said_is_heard
)

list=false first=false only= timeout=12 shard=0/1 files=()
while [ $# != 0 ]; do
  case $1 in
    --list) list=true ;;
    --first) first=true ;;
    --tests) only=$2 slow=() timeout=120; shift ;;
    --shard) shard=$2; shift ;;
    -*) sed -n '2,/^set/{/^set/d;s/^# \?//p}' "$0" >&2; exit 2 ;;
    *) files+=("${1%/}") ;;
  esac
  shift
done
[ ${#files[@]} != 0 ] || files=(src)
mapfile -t files < <(git ls-files -- "${files[@]}" | grep '^src/.*\.rs$')

if $list; then
  cargo mutants --list --config tests/mutants.toml "${files[@]/#/--file=}" | cut -d: -f1 | sort | uniq -c
  exit
fi

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")/mutants
export CARGO_TARGET_DIR=$target/build
# The mutants are written into a copy: the working tree stays as it is, and may change. What a stopped
# run has built is not used.
rm -rf "$target/tree" "$target/build/debug/incremental" "$target"/build/debug/deps/*websocket_proto*
mkdir -p "$target/tree" "$target/results"
git ls-files -z --cached --others --exclude-standard | tar -c --ignore-failed-read --null -T - | tar -xm -C "$target/tree"
# A mutant that only collects memory ends here.
ulimit -v $((12 << 20))

# The folder of the results of a file.
results() {
  echo "$target/results/$(tr / - <<<"$1")"
}

# Runs cargo-mutants for one file. Fails if mutants survive. Status 3 means that tests were endless.
mutate() {
  local file=$1 results status=0 features=(--all-features)
  # It replaces the feature `deflate`.
  [ "$file" != src/deflate/off.rs ] || features=(--features std)
  results=$(results "$file")
  shift
  mkdir -p "$results"
  printf '\n=== %s\n' "$file"
  nice cargo mutants --dir "$target/tree" --config "$target/tree/tests/mutants.toml" --in-place \
    --package websocket-proto --file "$file" --output "$results" --iterate --colors never \
    "${features[@]}" "$@" || status=$?
  case $status in
    # 2: some were missed, 3: some were endless.
    0 | 2 | 3) [ ! -s "$results/mutants.out/missed.txt" ] ;;
    *) exit "$status" ;;
  esac
}

# The tests of the first pass, as one program: linking each of them takes longer than running them.
join() {
  echo '//! All tests of a subject.'
  printf '#[path = "%s.rs"]\nmod %s;\n' $(printf '%s\n' "$@" | sed 'p')
}

again=() survivors=()
for index in "${!files[@]}"; do
  [ $((index % ${shard#*/})) = "${shard%/*}" ] || continue
  file=${files[index]}
  join ${only:-$(subjects "$file")} >"$target/subject.rs"
  # Otherwise it would be built again.
  cmp -s "$target/subject.rs" "$target/tree/tests/subject.rs" || cp "$target/subject.rs" "$target/tree/tests/subject.rs"
  mutate "$file" --timeout $timeout --cargo-arg=--lib --cargo-arg=--test=subject --cargo-test-arg=-- \
    "${slow[@]/#/--cargo-test-arg=--skip=}" || again+=("$file")
  # A file without mutants has none.
  cp "$(results "$file")"/{mutants.out/timeout,endless}.txt 2>/dev/null || : >"$(results "$file")/endless.txt"
done
if ! $first; then
  rm -f "$target/tree/tests/subject.rs"
  for file in "${again[@]}"; do
    # What made a fast test endless is not tried again.
    mapfile -t endless < <(sed 's/[][\\.*^$+?(){}|]/\\&/g; s/.*/--exclude-re=^&$/' "$(results "$file")/endless.txt")
    mutate "$file" --baseline skip --timeout 600 --cargo-arg=--tests "${endless[@]}" || survivors+=("$file")
  done
  again=("${survivors[@]}")
fi
# The number of mutants in these files of the results.
count() {
  local file
  for file in "${files[@]}"; do
    cat "$(results "$file")/$1.txt" 2>/dev/null || true
  done | wc -l
}
printf '\n=== %s caught, %s caught by an earlier run or not compiled, %s endless, %s survived\n' \
  "$(count mutants.out/caught)" "$(($(count mutants.out/previously_caught) + $(count mutants.out/unviable)))" \
  "$(count endless)" "$(count mutants.out/missed)"
if [ ${#again[@]} != 0 ]; then
  for file in "${again[@]}"; do
    cat "$(results "$file")/mutants.out/missed.txt"
  done
  exit 1
fi
