"""With a memory (LiZA, exact) and 5 shots: the scores of questions that share a computed prefix, beside those of `tptt logits`, which
reads every prompt whole.

usage: parity_prefix.py TPTT_BINARY MODEL_DIR MMLU_DIR [LIMIT [ADAPTER_DIR [SUBJECT]]]
MMLU_DIR: {dev,test}/SUBJECT_{dev,test}.csv. ADAPTER_DIR: one with a memory; made here in a few steps unless it is given.
"""
import csv
import json
import pathlib
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer

binary, model, data = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
limit = int(sys.argv[4]) if len(sys.argv) > 4 else 8
adapter = sys.argv[5] if len(sys.argv) > 5 else None
subject = sys.argv[6] if len(sys.argv) > 6 else "virology"
SHOTS, MOST = 5, 1e-4
folder = tempfile.TemporaryDirectory()  # gone when the script ends
tmp = pathlib.Path(folder.name)


def run(*arguments):
    done = subprocess.run([binary, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)


if adapter is None:
    config = tmp / "config.yaml"
    config.write_text(f"""
model: {{name_or_path: {model}, dtype: float32}}
liza: {{operator_mode: delta_rule, mag: {{mode: learned, mag_weight: 0.5}}}}
data: {{train: [{{path: {pathlib.Path('data/samples/train.jsonl').resolve()}, limit: 40}}], max_length: 128}}
training: {{output_dir: {tmp}/run, max_steps: 10, per_device_train_batch_size: 4, learning_rate: 1e-3, report_to: [jsonl]}}
""")
    run("train", config)
    adapter = tmp / "run/adapter"

rows = {split: list(csv.reader(open(data / split / f"{subject}_{split}.csv", newline="", encoding="utf-8"))) for split in ("dev", "test")}


def asked(row):
    return row[0].strip() + "\n" + "".join(f"{letter}. {choice}\n" for letter, choice in zip("ABCD", row[1:5])) + "Answer:"


tokenizer = AutoTokenizer.from_pretrained(model)
shots = (f"The following are multiple choice questions (with answers) about {subject.replace('_', ' ')}.\n\n"
         + "".join(f"{asked(row)} {row[5]}\n\n" for row in rows["dev"][:SHOTS]))
letters = [tokenizer(f" {letter}").input_ids[-1] for letter in "ABCD"]
run("eval", model, "--adapter", adapter, "--task", f"mmlu_{subject}", "--data", data, "--num-fewshot", SHOTS, "--limit", limit,
    "--output", tmp / "result.json")
here = {row["doc_id"]: row["loglikelihoods"] for row in map(json.loads, open(tmp / "result.samples.jsonl"))}
furthest, memory = 0.0, 0.0
for i, row in enumerate(rows["test"][:limit]):
    (tmp / "ids.json").write_text(json.dumps({"input_ids": [tokenizer(shots + asked(row)).input_ids]}))
    whole = {}
    for branch in ("mixed", "softmax"):
        (tmp / "logits.safetensors").unlink(missing_ok=True)
        run("logits", model, "--adapter", adapter, "--branch", branch, "--input-ids", tmp / "ids.json", "--output", tmp / "logits.safetensors")
        logits = next(iter(load_file(tmp / "logits.safetensors").values()))
        whole[branch] = torch.log_softmax(logits.reshape(-1, logits.shape[-1])[-1].double(), -1)[letters].tolist()
    furthest = max(furthest, *(abs(a - b) for a, b in zip(here[i], whole["mixed"], strict=True)))
    memory = max(memory, *(abs(a - b) for a, b in zip(whole["mixed"], whole["softmax"])))
good = furthest < MOST < memory
print(f"{'ok ' if good else 'BAD'} {len(here)} questions of {subject} behind a shared prefix: log-likelihoods at most {furthest:.1e} from those "
      f"of whole prompts; the memory moves them by up to {memory:.2g}")
sys.exit(not good)
