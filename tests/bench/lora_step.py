"""A LoRA step of SmolLM2-135M here and by PEFT, in turn, in float32 and bfloat16, with and without recomputation: the table of
docs/performance.md. Run alone on the machine.

usage: lora_step.py TPTT_BINARY MODEL_DIR TEXT_FILE [ROUNDS]      with the interpreter of .venv-peers
"""
import json
import pathlib
import statistics
import subprocess
import sys

from common import LORA, arguments, show, tmp, write_rows

binary, model, text, *rest = arguments(__doc__, 3)
rounds = int(rest[0]) if rest else 3
BATCH, TOKENS, STEPS = 2, 384, 3
rows = write_rows(text, 4000, 64)
config = tmp / "config.yaml"
config.write_text(f"""
model: {{name_or_path: {model}}}
lora: {LORA}
data: {{train: [{{path: {rows}}}], packing: false, completion_only_loss: false, max_length: {TOKENS}}}
training: {{output_dir: {tmp}/run, max_steps: {STEPS + 1}, per_device_train_batch_size: {BATCH}, learning_rate: 5e-4}}
""")


def here(dtype, checkpointing):
    out = subprocess.run([binary, "bench", config, "--json", "--steps", str(STEPS), f"model.dtype={dtype}",
                          f"training.gradient_checkpointing={str(checkpointing).lower()}"], check=True, capture_output=True, text=True)
    return json.loads(out.stdout)


def there(dtype, checkpointing):
    kind = "peft_checkpointing" if checkpointing else "peft"
    out = subprocess.run([sys.executable, pathlib.Path(__file__).with_name("peer_step.py"), model, kind, str(BATCH), str(TOKENS), str(STEPS), dtype],
                         check=True, capture_output=True, text=True)
    return json.loads(out.stdout.splitlines()[-1])


show(f"batch {BATCH} x {TOKENS} tokens, all supervised; medians of {rounds} rounds in turn (fastest to slowest round)")
show("| | s a step | tokens/s | peak GB | PEFT's s a step | PEFT's peak GB | speed | memory | of the GEMM peak |\n|---|---|---|---|---|---|---|---|---|")
for dtype in ("float32", "bfloat16"):
    for checkpointing in (False, True):
        pairs = [(here(dtype, checkpointing), there(dtype, checkpointing)) for _ in range(rounds)]
        ours = [a["step_seconds"] for a, _ in pairs]
        theirs = [b["seconds"] for _, b in pairs]
        middle = statistics.median
        gb, peer_gb = middle(a["peak_rss_gb"] for a, _ in pairs), middle(b["gb"] for _, b in pairs)
        show(f"| {dtype}{', recomputation' if checkpointing else ''} | {middle(ours):.2f} ({min(ours):.2f} to {max(ours):.2f}) | "
             f"{BATCH * TOKENS / middle(ours):.0f} | {gb:.2f} | {middle(theirs):.2f} ({min(theirs):.2f} to {max(theirs):.2f}) | {peer_gb:.2f} | "
             f"{middle(theirs) / middle(ours):.2f}x | {gb / peer_gb:.2f}x | {100 * middle(a['gemm_fraction'] for a, _ in pairs):.0f}% |")
