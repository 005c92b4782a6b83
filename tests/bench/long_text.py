"""Loss by position on unseen text: softmax, window + sinks, window + sinks + LiZA; untrained and after LoRA steps on the same author.

usage: long_text.py TPTT_BINARY MODEL TEXT_FILE [STEPS]
"""
import json
import pathlib
import subprocess

from common import TARGETS, arguments, show, tmp, write_rows

binary, model, text, *rest = arguments(__doc__, 3)
steps = int(rest[0]) if rest else 60
WINDOW = "max_self_attn_length: 256"
RUNS = {"LoRA": f"{{{WINDOW}, mag: {{mode: constant, mag_weight: 0}}}}", "LoRA + LiZA": f"{{{WINDOW}, mag: {{mode: learned, mag_weight: 0.1}}}}"}

words = pathlib.Path(text).read_text()
cut = len(words) * 4 // 5
(tmp / "seen.txt").write_text(words[:cut])
(tmp / "unseen.txt").write_text(words[cut:])
rows = write_rows(tmp / "seen.txt", 6000, steps)


def train(name, liza):
    config = tmp / "config.yaml"
    config.write_text(f"""
model: {{name_or_path: {model}, dtype: float32}}
liza: {liza}
lora: {{r: 8, lora_alpha: 16, lora_dropout: 0, target_modules: [{", ".join(TARGETS)}]}}
data: {{train: [{{path: {rows}}}], packing: false, completion_only_loss: false, max_length: 1024}}
training: {{output_dir: "{tmp}/{name}", max_steps: {steps}, per_device_train_batch_size: 1, learning_rate: 5e-4, warmup_steps: 5}}
""")
    subprocess.run([binary, "train", config], check=True)
    return ["--adapter", f"{tmp}/{name}/adapter"]


def losses(name, adapter):
    out = subprocess.run([binary, "recall", model, *adapter, "--text", tmp / "unseen.txt", "--output", tmp / f"{name} recall", "--lengths", "2048",
                          "--depths", "0.5", "--num-keys", "32", "--samples", "8", "--max-self-attn-length", "256", "--json"],
                         check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(out.stdout)


adapters = {"untrained": []} | {name: train(name, liza) for name, liza in RUNS.items()}
columns = {}
for name, adapter in adapters.items():
    results = losses(name, adapter)
    for branch in results["branches"]:
        columns[f"{name}: {branch}"] = results
show("| positions | " + " | ".join(columns) + " |\n|" + "---|" * (len(columns) + 1))
first = next(iter(columns.values()))["perplexity"]
for begin, end in dict.fromkeys((row["begin"], row["end"]) for row in first):
    cells = [next(f"{r['loss']:.3f}" for r in results["perplexity"] if r["branch"] == column.split(": ")[1] and r["begin"] == begin)
             for column, results in columns.items()]
    show(f"| {begin} to {end} | " + " | ".join(cells) + " |")
for task in ("needle", "associative"):
    cells = [next(f"{r['accuracy']:.0%}" for r in results[task] if r["branch"] == column.split(": ")[1]) for column, results in columns.items()]
    show(f"| {task} | " + " | ".join(cells) + " |")
