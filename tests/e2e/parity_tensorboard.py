"""The event files of a run that was cut off and resumed, read by TensorBoard's EventAccumulator: every number of
metrics.jsonl once, none that the resumed run took back.

usage: parity_tensorboard.py TPTT_BINARY
"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from transformers import LlamaConfig, LlamaForCausalLM

binary = sys.argv[1]
folder = tempfile.TemporaryDirectory()  # gone when the script ends
tmp = pathlib.Path(folder.name)
run = tmp / "run"
torch.manual_seed(0)
LlamaForCausalLM(LlamaConfig(vocab_size=1024, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
                             num_attention_heads=4, num_key_value_heads=2, eos_token_id=0)).save_pretrained(tmp / "model")
for name in ("tokenizer.json", "tokenizer_config.json"):
    shutil.copy(f"tests/golden/tokenizers/gpt2/{name}", tmp / "model")
(tmp / "rows.jsonl").write_text("".join(json.dumps({"prompt": f"count to {i}:", "completion": " x" * (i % 7 + 1)}) + "\n"
                                        for i in range(12)))
(tmp / "config.yaml").write_text(f"""
model: {{name_or_path: {tmp}/model, dtype: float32}}
liza: {{}}
data: {{train: [{{path: {tmp}/rows.jsonl}}], eval: [{{path: {tmp}/rows.jsonl, limit: 4}}]}}
training: {{output_dir: {run}, eval_steps: 2, save_steps: 3}}
""")


def train(steps):
    subprocess.run([binary, "train", tmp / "config.yaml", f"training.max_steps={steps}"], check=True, capture_output=True)


def expected():
    """{tag: {step: float32}} of metrics.jsonl."""
    tags = {}
    for row in map(json.loads, open(run / "metrics.jsonl")):
        group, step = "eval" if "eval_loss" in row else "train", row.pop("step")
        for layers, values in row.pop("liza", {}).items():
            for i, value in enumerate(values):
                if value is not None:
                    tags.setdefault(f"liza/{layers}/layer_{i:02}", {})[step] = float(numpy.float32(value))
        for name, value in row.items():
            tags.setdefault(f"{group}/{name.removeprefix('eval_')}", {})[step] = float(numpy.float32(value))
    return tags


train(7)
shutil.rmtree(run / "checkpoints/step-000007")  # killed after step 7: only step 6 is there to go on from
shutil.rmtree(run / "adapter")
first = next(run.glob("events.out.tfevents.*"))
with open(first, "ab") as file:
    file.write(b"\x40\0\0\0\0\0\0\0cut")  # a record that the end cut off
before = expected()
train(9)
after = expected()
accumulator = EventAccumulator(str(run), size_guidance={"scalars": 0, "tensors": 0})
accumulator.Reload()
events = {tag: accumulator.Scalars(tag) for tag in accumulator.Tags()["scalars"]}
read = {tag: {event.step: event.value for event in rows} for tag, rows in events.items()}
raw = [(value.tag, event.step) for path in run.glob("events.out.tfevents.*")
       for event in EventFileLoader(str(path)).Load() for value in event.summary.value if value.tag != "config"]
checks = {
    "the second run took a row back": before["train/loss"].keys() == {*range(1, 8)} and len(before["eval/loss"]) == 5,
    "two files": len(list(run.glob("events.out.tfevents.*"))) == 2,
    "no step twice": all(len(rows) == len(read[tag]) for tag, rows in events.items()),
    "no row in two files": len(raw) == len(set(raw)) == sum(map(len, after.values())),
    "the same tags": read.keys() == after.keys(),
    "the same values": read == after,
    "nine steps": read["train/loss"].keys() == {*range(1, 10)},
    "the configuration": (run / "config.yaml").read_text() in accumulator.Tensors("config")[-1].tensor_proto.string_val[0].decode(),
}
print(f"TensorBoard: {len(read)} tags, {sum(map(len, read.values()))} values of metrics.jsonl")
for what, right in checks.items():
    if not right:
        print("FAILED:", what)
sys.exit(not all(checks.values()))
