"""Resident memory over many short steps of many lengths with LoRA and LiZA: what is added after the first 200, by which
every length has come. Run alone on the machine.

usage: flat_memory.py TPTT_BINARY MODEL_DIR TEXT_FILE [STEPS]      with any Python 3
"""
import json
import pathlib
import subprocess

from common import LORA, arguments, show, steps_of, tmp

binary, model, text, *rest = arguments(__doc__, 3)
STEPS, FIRST = int(rest[0]) if rest else 2000, 200
words = pathlib.Path(text).read_text()
rows = tmp / "rows.jsonl"
rows.write_text("".join(json.dumps({"prompt": " ", "completion": words[i * 150:i * 150 + 20 + i * 37 % 130]}) + "\n" for i in range(STEPS)))
config = tmp / "config.yaml"
config.write_text(f"""
model: {{name_or_path: {model}, dtype: bfloat16}}
liza: {{}}
lora: {LORA}
data: {{train: [{{path: {rows}}}], packing: false, completion_only_loss: false, max_length: 32}}
training: {{output_dir: {tmp}/run, max_steps: {STEPS}, per_device_train_batch_size: 1, learning_rate: 1e-4}}
""")
subprocess.run([binary, "train", config], check=True, capture_output=True)
peaks = {step["step"]: step["peak_rss_gb"] for step in steps_of(tmp / "run")}
show(f"{STEPS} steps of up to 32 tokens: {peaks[FIRST]:.4f} GB at most until step {FIRST}, {peaks[STEPS]:.4f} GB until step {STEPS}: "
     f"{1e3 * (peaks[STEPS] - peaks[FIRST]):.1f} MB more, {1e9 / 2**20 * 1e3 * (peaks[STEPS] - peaks[FIRST]) / (STEPS - FIRST):.2f} MiB in 1,000 steps")
