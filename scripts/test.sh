#!/usr/bin/env bash
# Set-up and all tests. usage: test.sh [--parity | --full]
#   --parity: also 50,000 damaged files for each parser (fuzz.sh), the tests of what stands without LibTorch under ASan and
#             UBSan, and the checks against the live Python packages
#   --full:   the same with 100,000 other files for each parser, 2.5 million in all
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh
./scripts/setup.sh
passed=0 failed=0

status=0
ctest --test-dir build --output-on-failure -j2 | tee build/ctest.log || status=$?
total=$(sed -n 's/.*tests failed out of \([0-9]*\)$/\1/p' build/ctest.log)
bad=$(sed -n 's/.* \([0-9]*\) tests failed out of.*/\1/p' build/ctest.log)
[ -n "$total" ] || { echo "ctest ran no test" >&2; exit 1; }
passed=$((total - bad)) failed=$bad
mapfile -t failures < <(sed -n 's/^\t *[0-9]* - \(.*\) (.*)$/\1/p' build/ctest.log)  # their names, said again at the end

count() {  # a command is one more that passed or failed
  if "$@"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1)) failures+=("$*")
  fi
}
check() {  # a parity script
  echo "parity: $1"
  count .venv-peers/bin/python "$@"
}
sanitized() (  # the tests of the fuzzer's build
  quiet cmake --build build-fuzz
  ctest --test-dir build-fuzz --output-on-failure -j2
)
if [ "${1:-}" = --parity ]; then count ./scripts/fuzz.sh 50000; fi
if [ "${1:-}" = --full ]; then SEED=0 count ./scripts/fuzz.sh 100000; fi
if [ "${1:-}" = --parity ] || [ "${1:-}" = --full ]; then
  count sanitized
  ./scripts/peers.sh
  check tests/e2e/remake_golden.py build .cache/smollm2
  check tests/e2e/parity_logits.py build/tptt .cache/smollm2
  check tests/e2e/parity_masks.py build/tptt .cache/smollm2
  check tests/e2e/parity_lora.py build/tptt .cache/smollm2
  check tests/e2e/parity_lora.py build/tptt .cache/smollm2 30 lora
  check tests/e2e/parity_families.py build/tptt
  check tests/e2e/parity_tptt.py build/tptt .cache/smollm2
  check tests/e2e/parity_export.py build/tptt .cache/smollm2
  check tests/e2e/parity_gguf_lora.py build/tptt .cache/smollm2
  check tests/e2e/parity_tensorboard.py build/tptt
  check tests/e2e/parity_lm_eval.py build/tptt .cache/smollm2 tests/golden/benchmarks 20 virology abstract_algebra
  check tests/e2e/parity_rolling.py build/tptt .cache/smollm2 tests/golden/benchmarks 4
  check tests/e2e/parity_prefix.py build/tptt .cache/smollm2 tests/golden/benchmarks/mmlu 4
fi
echo "$passed passed, $failed failed"
[ "${#failures[@]}" -eq 0 ] || printf 'failed: %s\n' "${failures[@]}"
[ "$failed" -eq 0 ] && [ "$status" -eq 0 ]
