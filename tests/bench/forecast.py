"""What `tptt train --dry-run` and the forecast that chooses recomputation say beside the run itself. Run alone on the machine.

usage: forecast.py TPTT_BINARY MODEL_DIR GGUF_FILE TEXT_FILE ALPACA_JSONL      with any Python 3
"""
import json
import re
import shutil
import statistics
import subprocess

from common import LORA, arguments, show, steps_of, tmp, write_rows

binary, model, gguf, text, alpaca = arguments(__doc__, 5)
STEPS = 12
texts, few = write_rows(text, 4000, 64), f"{{path: {alpaca}, limit: 96}}"
whole = f"{{train: [{{path: {texts}}}], packing: false, completion_only_loss: false, max_length: "
LIZA = "liza={mag: {mode: constant, mag_weight: 0.1}}"
CASES = {
    "float32, 2 x 384": (model, whole + "384}", 2, []),
    "float32, 2 x 384, recomputation": (model, whole + "384}", 2, ["training.gradient_checkpointing=true"]),
    "bfloat16, 4 x 512, LiZA": (model, whole + "512}", 4, ["model.dtype=bfloat16", LIZA]),
    "bfloat16, Alpaca rows of any length, 8 a batch": (model, f"{{train: [{few}], packing: false, max_length: 512}}", 8, ["model.dtype=bfloat16"]),
    "bfloat16, Alpaca rows in packs of 1,024": (model, f"{{train: [{few}], max_length: 1024}}", 1, ["model.dtype=bfloat16"]),
    "Q4_1 kept, bfloat16, 1 x 512, recomputation": (gguf, whole + "512}", 1, ["model.dtype=bfloat16", "model.quantization=keep",
                                                                            "training.gradient_checkpointing=true"]),
}


def run(command, *flags):
    return subprocess.run([binary, command, tmp / "config.yaml", *flags], check=True, capture_output=True, text=True).stdout


show(f"runs of {STEPS} steps\n| | dry run: GB | s a step | forecast: GB | the run: GB | s a step | dry run's memory, time | forecast's memory |\n"
     "|---|---|---|---|---|---|---|---|")
for name, (base, data, batch, overrides) in CASES.items():
    (tmp / "config.yaml").write_text(f"""
model: {{name_or_path: {base}, dtype: float32}}
lora: {LORA}
data: {data}
training: {{output_dir: {tmp}/run, max_steps: {STEPS}, per_device_train_batch_size: {batch}, learning_rate: 5e-4, gradient_checkpointing: "false"}}
""")
    shutil.rmtree(tmp / "run", ignore_errors=True)
    dry = re.search(r"([\d.]+) GB peak memory.*\(([\d.]+) s a step\)", run("train", "--dry-run", *overrides))
    gb, seconds = map(float, dry.groups())
    forecast = json.loads(run("bench", "--json", "--steps", "1", *overrides))["forecast_gb"]
    run("train", *overrides)
    steps = steps_of(tmp / "run")
    true_gb = max(step["peak_rss_gb"] for step in steps)
    true_seconds = statistics.mean(step["step_seconds"] for step in steps)
    show(f"| {name} | {gb:.2f} | {seconds:.2f} | {forecast:.2f} | {true_gb:.2f} | {true_seconds:.2f} | {gb / true_gb - 1:+.0%}, "
         f"{seconds / true_seconds - 1:+.0%} | {forecast / true_gb - 1:+.0%} |")
