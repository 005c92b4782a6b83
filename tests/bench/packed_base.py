"""Fine-tuning straight from a quantised GGUF file: its blocks kept packed beside the same file read as bfloat16. Steps of 1 x 512 tokens
with recomputation, in turn: seconds, peak memory, and how far the two loss curves are apart. Run alone on the machine.

usage: packed_base.py TPTT_BINARY GGUF_FILE TEXT_FILE [STEPS]      with any Python 3
"""
import shutil
import statistics
import subprocess

from common import LORA, arguments, show, steps_of, tmp, write_rows

binary, gguf, text, *rest = arguments(__doc__, 3)
STEPS, WINDOW = int(rest[0]) if rest else 100, 10
rows = write_rows(text, 2500, STEPS + 1)
config = tmp / "config.yaml"
config.write_text(f"""
model: {{name_or_path: {gguf}, dtype: bfloat16}}
lora: {LORA}
data: {{train: [{{path: {rows}}}], packing: false, completion_only_loss: false, max_length: 512}}
training: {{output_dir: {tmp}/run, max_steps: {STEPS}, per_device_train_batch_size: 1, learning_rate: 5e-4, gradient_checkpointing: "true"}}
""")


def curve(quantization):
    shutil.rmtree(tmp / "run", ignore_errors=True)
    subprocess.run([binary, "train", config, f"model.quantization={quantization}"], check=True, capture_output=True)
    return steps_of(tmp / "run")


def means(steps):
    losses = [step["loss"] for step in steps]
    return [statistics.mean(losses[i:i + WINDOW]) for i in range(0, len(losses), WINDOW)]


both = {quantization: curve(quantization) for quantization in ("none", "keep")}
show(f"{STEPS} steps of 1 x 512 tokens, bfloat16, recomputation")
show("| blocks | s a step | peak GB | mean loss, first and last 10 steps |\n|---|---|---|---|")
for name, steps in both.items():
    seconds = statistics.median(step["step_seconds"] for step in steps[1:])
    show(f"| {name} | {seconds:.2f} | {max(step['peak_rss_gb'] for step in steps):.2f} | {means(steps)[0]:.4f}, {means(steps)[-1]:.4f} |")
seconds = [statistics.median(step["step_seconds"] for step in steps[1:]) for steps in both.values()]
apart = max(abs(b - a) / a for a, b in zip(*map(means, both.values())))
show(f"\nkeep runs at {seconds[0] / seconds[1]:.2f}x of none's speed; the means of {WINDOW} steps differ by {apart:.2%} at most")
