#!/usr/bin/env bash
# Set-up and all tests. usage: test.sh [--parity]        --parity: also the checks against the live Python packages
set -euo pipefail
cd "$(dirname "$0")/.."
./scripts/setup.sh
passed=0 failed=0

status=0
ctest --test-dir build --output-on-failure -j2 | tee build/ctest.log || status=$?
total=$(sed -n 's/.*tests failed out of \([0-9]*\)$/\1/p' build/ctest.log)
bad=$(sed -n 's/.* \([0-9]*\) tests failed out of.*/\1/p' build/ctest.log)
[ -n "$total" ] || { echo "ctest ran no test" >&2; exit 1; }
passed=$((total - bad)) failed=$bad
mapfile -t failures < <(sed -n 's/^\t *[0-9]* - \(.*\) (.*)$/\1/p' build/ctest.log)  # their names, said again at the end

install_peers() {  # the network may fail once
  local try
  for try in 1 2 3; do
    .venv-peers/bin/pip install -q --disable-pip-version-check --retries 10 "$@" && return
    sleep 10
  done
  echo "could not install $*" >&2
  exit 1
}

check() {  # a parity script
  echo "parity: $1"
  if .venv-peers/bin/python "$@"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1)) failures+=("$*")
  fi
}
if [ "${1:-}" = --parity ]; then
  if [ ! -f .venv-peers/ready-5 ]; then
    echo "installing the Python peers in .venv-peers"
    [ -x .venv-peers/bin/python ] || python3 -m venv .venv-peers
    install_peers torch==2.13.0 transformers==5.23.0 peft==0.21.2 gguf==0.19.0 numpy==2.4.6 jinja2==3.1.6 einops==0.8.2 sentencepiece==0.2.3 \
      protobuf==7.36.2 xllamacpp==2026.10.11549 "mlx[cpu]==0.32.4" tensorboard==2.21.0
    install_peers --no-deps tptt==0.12.1 mlx-lm==0.32.2  # their other needs are for training
    touch .venv-peers/ready-5
  fi
  [ -f .cache/smollm2/config.json ] || .venv-peers/bin/python tests/e2e/make_smollm2_dir.py .cache/smollm2
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
fi
echo "$passed passed, $failed failed"
[ "${#failures[@]}" -eq 0 ] || printf 'failed: %s\n' "${failures[@]}"
[ "$failed" -eq 0 ] && [ "$status" -eq 0 ]
