"""Instructions of real length (Alpaca and Dolly rows, loss on the completions) here and by a Transformers Trainer with PEFT, dynamic
padding and group_by_length: the same batches in the same order from the same adapter. Speed in turn with dropout 0.05, losses once
without dropout, where step by step they have to be the same. Run alone on the machine.

usage: real_data.py TPTT_BINARY MODEL_DIR ALPACA_JSONL DOLLY_JSONL [ROUNDS]      with the interpreter of .venv-peers
"""
import json
import pathlib
import shutil
import statistics
import subprocess
import sys

from common import TARGETS, arguments, show, steps_of, tmp

binary, model, *sources = arguments(__doc__, 4)
rounds = int(sources.pop()) if len(sources) > 2 else 2
EXAMPLES, BATCH, MAX_LENGTH = 160, 8, 512


def prompt_of(row):
    given = f"\n\n### Input:\n{row['input']}" if row.get("input") else ""
    return f"### Instruction:\n{row['instruction']}{given}\n\n### Response:\n"


def write(name, rows):
    path = tmp / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


rows = []
for source in sources:
    lines = [json.loads(line) for line in pathlib.Path(source).read_text().splitlines()[:EXAMPLES // len(sources)]]
    rows += [dict(prompt=prompt_of(row), completion=row["output"].strip()) for row in lines]
examples = write("rows.jsonl", rows)


def there(dtype, dropout):
    folder = tmp / "peer"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    script = pathlib.Path(__file__).with_name("trainer_peer.py")
    subprocess.run([sys.executable, script, model, examples, folder, dtype, str(BATCH), str(MAX_LENGTH), str(dropout)], check=True,
                   capture_output=True)
    write("ordered.jsonl", [rows[i] for i in json.loads((folder / "order.json").read_text())])
    return json.loads((folder / "result.json").read_text())


def here(dtype, dropout):
    run = tmp / "run"
    shutil.rmtree(run, ignore_errors=True)
    config = write("config.yaml", [])
    config.write_text(f"""
model: {{name_or_path: {model}, dtype: {dtype}, adapter_name_or_path: {tmp}/peer/adapter}}
lora: {{r: 8, lora_alpha: 16, lora_dropout: {dropout}, target_modules: [{", ".join(TARGETS)}]}}
data: {{train: [{{path: {tmp}/ordered.jsonl}}], packing: false, shuffle: false, max_length: {MAX_LENGTH}}}
training: {{output_dir: {run}, num_train_epochs: 1, per_device_train_batch_size: {BATCH}, learning_rate: 5e-4, lr_scheduler_type: constant}}
""")
    subprocess.run([binary, "train", config], check=True, capture_output=True)
    steps = steps_of(run)
    return dict(seconds=[s["step_seconds"] for s in steps], losses=[s["loss"] for s in steps], gb=max(s["peak_rss_gb"] for s in steps))


def rate(result):
    return BATCH * len(result["seconds"][1:]) / sum(result["seconds"][1:])


show(f"{len(rows)} examples in batches of {BATCH}, at most {MAX_LENGTH} tokens, one epoch; medians of {rounds} rounds in turn")
show("| | examples/s | Trainer's | speed | peak GB | Trainer's | largest difference of a step's loss | mean loss | Trainer's |\n"
     "|---|---|---|---|---|---|---|---|---|")
for dtype in ("float32", "bfloat16"):
    theirs, ours = there(dtype, 0), here(dtype, 0)
    apart = max(abs(a - b) for a, b in zip(ours["losses"], theirs["losses"], strict=True))
    means = [statistics.mean(r["losses"]) for r in (ours, theirs)]
    pairs = [(there(dtype, 0.05), here(dtype, 0.05)) for _ in range(rounds)]
    speeds = [statistics.median(rate(r) for r in side) for side in zip(*pairs)]
    gbs = [statistics.median(r["gb"] for r in side) for side in zip(*pairs)]
    show(f"| {dtype} | {speeds[1]:.2f} | {speeds[0]:.2f} | {speeds[1] / speeds[0]:.2f}x | {gbs[1]:.2f} | {gbs[0]:.2f} | {apart:.4f} | "
         f"{means[0]:.4f} | {means[1]:.4f} |")
