#!/usr/bin/env bash
# From nothing to a fine-tuned model: set-up, score before, training with LiZA + MaG + LoRA, score after, export.
# usage: quickstart.sh        OUTPUT_DIR=runs/quickstart is where the run goes; a finished run is kept, not repeated
set -euo pipefail
cd "$(dirname "$0")/.."
./scripts/setup.sh
run=${OUTPUT_DIR:-runs/quickstart}
model=smollm2-135m-instruct
score() { build/tptt eval "$model" --task sample --data data/samples/heldout.jsonl --chat-template chatml --json "$@"; }

echo "1/4 scoring the base model on 100 unseen orders" >&2
mkdir -p "$(dirname "$run")"
before=$(score)
echo "2/4 training" >&2
build/tptt train configs/quickstart.yaml "training.output_dir=$run"
echo "3/4 scoring the trained model" >&2
after=$(score --adapter "$run/adapter")
echo "4/4 exporting" >&2
[ -d "$run/peft" ] || build/tptt export "$run" --format peft --output "$run/peft" >&2

BEFORE=$before AFTER=$after python3 - "$run" <<'PY'
import json, os, sys
before, after = (json.loads(os.environ[name]) for name in ("BEFORE", "AFTER"))
run = json.load(open(sys.argv[1] + "/results.json"))
print(f"""
| held-out orders | before | after |
|---|---|---|
| exact match | {before['exact_match']:.0%} | {after['exact_match']:.0%} |
| loss | {before['loss']:.3f} | {after['loss']:.3f} |

training: {run['train_seconds']:.0f} s, {run.get('tokens_per_second', 0):.0f} tokens/s, {run.get('gemm_fraction', 0):.0%} of the GEMM peak ({run.get('gemm_peak_gflops', 0):.0f} GFLOP/s), peak memory {run['peak_rss_gb']:.2f} GB
adapter: {run['adapter']} (for PEFT: {sys.argv[1]}/peft)""")
PY
