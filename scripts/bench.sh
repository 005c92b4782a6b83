#!/usr/bin/env bash
# Measures every figure of docs/performance.md again, this program and its peers in turn, and writes docs/results/speed-*.md, named
# after the CPU's vendor and the best it multiplies with: about an hour, alone on the machine. Stands on setup.sh and on the
# Python peers, which it installs.
# usage: bench.sh TEXT_FILE ALPACA_JSONL DOLLY_JSONL        ROUNDS=2 is how often a comparison is repeated
set -euo pipefail
[ $# -eq 3 ] || { sed -n 2,5p "$0" >&2; exit 2; }
text=$(realpath "$1") alpaca=$(realpath "$2") dolly=$(realpath "$3")
cd "$(dirname "$0")/.."
./scripts/setup.sh
./scripts/peers.sh
rounds=${ROUNDS:-2} model=.cache/smollm2
simd=$(lscpu | grep -oE 'avx512f|avx512_bf16|amx_bf16' | sort -u | xargs || true)  # from the best to the least
best=${simd%% *}
out=docs/results/speed-$(lscpu | sed -n 's/^Vendor ID: *\(Authentic\|Genuine\)\?//p' | tr '[:upper:]' '[:lower:]')${best:+-$best}.md
gguf=${TPTT_MODELS_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/tptt}/SmolLM2-135M-Instruct.Q4_1.gguf
python=.venv-peers/bin/python part=$(mktemp)
trap 'rm -f "$part"' EXIT

section() {  # TITLE SCRIPT ARGUMENTS: a heading, how even the machine is just then, the script's tables
  echo "$1" >&2
  printf '\n## %s\n\n`tests/bench/%s`\n\n' "$1" "$2" >>"$part"
  $python tests/bench/noise.py >>"$part"
  echo >>"$part"
  $python "tests/bench/$2" "${@:3}" >>"$part"
}

{
  echo "# Speed and memory, measured"
  echo
  echo "Made by \`scripts/bench.sh\` of $(git rev-parse --short HEAD) in $rounds rounds; SmolLM2-135M; LoRA r = 8 on q, k, v, o with dropout 0.05."
  echo "Machine: $(lscpu | sed -n 's/^Model name: *//p'), family $(lscpu | sed -n 's/^CPU family: *//p'), $(nproc) cores," \
    "$(awk '/MemTotal/ {printf "%.0f GB", $2 / 1e6}' /proc/meminfo); of AVX-512, AVX512-BF16 and AMX it has: ${simd:-none}."
} >"$part"
section "A step beside PEFT" lora_step.py build/tptt $model "$text" "$rounds"
section "Steps with and without a memory, beside the Python package" train_step.py build/tptt $model "$text" "$rounds"
section "Instructions of real length, beside Transformers' Trainer" real_data.py build/tptt $model "$alpaca" "$dolly" "$rounds"
section "A quantised base kept packed" packed_base.py build/tptt "$gguf" "$text"
section "8,192 tokens in one sequence" long_context.py build/tptt $model "$text" fits
section "Decoding" decode.py build/tptt $model "$gguf" "$rounds"
section "A base of Mistral 7B's shape" large_base.py build/tptt "$gguf" "$text"
section "Forecasts" forecast.py build/tptt $model "$gguf" "$text" "$alpaca"
section "Memory over 2,000 steps" flat_memory.py build/tptt $model "$text"
mv "$part" "$out"
echo "written: $out" >&2
