"""What the benchmarks share: training text, runs of this program, tables."""
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj"]
LORA = f"{{r: 8, lora_alpha: 16, lora_dropout: 0.05, target_modules: [{', '.join(TARGETS)}]}}"
folder = tempfile.TemporaryDirectory()  # gone when the script ends
tmp = pathlib.Path(folder.name)


def write_rows(text, characters, count):
    """Rows of the text, each longer than any max_length here."""
    words = pathlib.Path(text).read_text()
    path = tmp / "rows.jsonl"
    path.write_text("".join(json.dumps({"prompt": " ", "completion": words[i * characters:(i + 1) * characters]}) + "\n" for i in range(count)))
    return path


def steps_of(run):
    """What a run noted of each of its steps."""
    rows = [json.loads(line) for line in open(run / "metrics.jsonl")]
    return [row for row in rows if "step_seconds" in row]


def train(binary, model, rows, name, tokens, batch, steps, *overrides):
    """Median seconds of the steps after the first, peak RSS in GB, of rows cut to `tokens`."""
    config = tmp / "config.yaml"
    config.write_text(f"""
model: {{name_or_path: {model}, dtype: float32}}
lora: {LORA}
data: {{train: [{{path: {rows}}}], packing: false, completion_only_loss: false, max_length: {tokens}}}
training: {{output_dir: {tmp}/{name}, max_steps: {steps + 1}, per_device_train_batch_size: {batch}, learning_rate: 5e-4,
  gradient_checkpointing: "false"}}
""")
    shutil.rmtree(tmp / name, ignore_errors=True)
    subprocess.run([binary, "train", config, *overrides], check=True, capture_output=True)
    steps = steps_of(tmp / name)
    return dict(seconds=statistics.median(step["step_seconds"] for step in steps[1:]), gb=steps[-1]["peak_rss_gb"])


def show(line):
    print(line, flush=True)


def best(results):
    """Of several rounds: other work on the machine only adds time."""
    return dict(seconds=min(r["seconds"] for r in results), gb=max(r["gb"] for r in results))


def arguments(usage, count):
    if len(sys.argv) < count + 1:
        sys.exit(usage)
    return sys.argv[1:]


def evaluate(binary, model, path, *options):
    """Benchmark results in a file; what is scored already is not scored again, and of another model or adapter is an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([binary, "eval", model, "--output", path, "--resume", *map(str, options)], check=True, stdout=subprocess.DEVNULL)
    return path


def compare(binary, first, second, task="all", score="acc,none"):
    """The paired difference of two results."""
    scores = json.loads(subprocess.run([binary, "compare", first, second, "--json"], check=True, capture_output=True).stdout)["scores"]
    return next(s for s in scores if s["task"] == task and s["score"] == score)


def row(*cells):
    show("| " + " | ".join(map(str, cells)) + " |")
