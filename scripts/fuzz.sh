#!/usr/bin/env bash
# Feeds the parsers with damaged files, by clang's libFuzzer under ASan and UBSan (tests/fuzz/README.md). Fails when one
# crashes, hangs, leaks, holds too much memory or throws what is no Error, and says where the input lies.
# usage: fuzz.sh [RUNS] [PARSER...]     RUNS: inputs for each (50000)     SEED=N: other inputs, the same each time (1)
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh
export RUNS="${1:-50000}" SEED="${SEED:-1}" FUZZER="$PWD/build-fuzz/tptt_fuzz" FINDINGS=build-fuzz/findings
[[ $RUNS =~ ^[0-9]+$ ]] || die "RUNS must be a number, got '$RUNS'"
shift $(($# > 0))

install_packages clang-14 libclang-rt-14-dev
[ -f build-fuzz/build.ninja ] || quiet cmake --preset fuzz
say "building"
cmake --build build-fuzz --target tptt_fuzz >build-fuzz/build.log 2>&1 || { tail -40 build-fuzz/build.log >&2; die "the build failed (build-fuzz/build.log)"; }
mapfile -t known < <("$FUZZER")
parsers=("$@")
[ $# -gt 0 ] || parsers=("${known[@]}")
mkdir -p "$FINDINGS"
export WORK ASAN_OPTIONS=malloc_context_size=0:quarantine_size_mb=4  # a third faster; a finding is run again without
WORK=$(mktemp -d -p /dev/shm tptt-fuzz-XXXXXX)  # the files that parsers read stay in memory
trap 'rm -rf "$WORK"' EXIT

of_table() {  # what inputs.txt has for a parser: files of that kind
  sed -n "s/^$2 $1 //p" tests/fuzz/inputs.txt | tr ' ' '\n' | while read -r pattern; do compgen -G "$pattern"; done
}

fuzz() {
  local parser=$1 corpus="$WORK/$1" log="$WORK/$1.log" start=$SECONDS status=0 number=0 dictionary=() file words
  mkdir "$corpus" "$corpus.tmp"
  for file in $(of_table "$parser" seeds) tests/fuzz/{seeds,regressions}/"$parser"/*; do
    [ ! -f "$file" ] || cp "$file" "$corpus/$((number += 1))-$(basename "$file")"
  done
  mapfile -t words < <(of_table "$parser" words)
  grep -oh '"[A-Za-z0-9_.<>|-]\{2,40\}"' "${words[@]}" /dev/null | sort -u | sed 's/.*/&\n"\\&/; s/"$/\\""/' >"$WORK/$parser.dict"
  [ ! -s "$WORK/$parser.dict" ] || dictionary=("-dict=$WORK/$parser.dict")
  TMPDIR="$corpus.tmp" TPTT_PARSER=$parser nice -n 10 "$FUZZER" -runs="$RUNS" -seed="$SEED" -max_len=20480 -entropic=0 -timeout=5 \
    -rss_limit_mb=4096 -close_fd_mask=2 "${dictionary[@]}" -artifact_prefix="$FINDINGS/$parser-" "$corpus" >"$log" 2>&1 || status=$?
  local most found=none
  most=$(sed -n 's/^most: //p' "$log")
  if [ "$status" -ne 0 ]; then
    found=$(sed -n 's/^artifact_prefix=.*written to //p' "$log" | tail -1)
    found=${found:-$FINDINGS/$parser}
    tail -60 "$log" >"$found.log"
  fi
  printf '%-18s %9d inputs %5d s   most: %-36s finding: %s\n' "$parser" \
    "$(sed -n 's/^Done \([0-9]*\) runs.*/\1/p' "$log" | grep . || echo 0)" $((SECONDS - start)) "$most" "$found"
  return "$status"
}
export -f fuzz of_table
printf '%s\n' "${parsers[@]}" | xargs -P 2 -n 1 bash -c 'fuzz "$0"'
