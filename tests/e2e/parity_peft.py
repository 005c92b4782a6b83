"""Ten LoRA steps here and in PEFT from the same adapter: losses, adapter, and the adapter loaded in stock PEFT.

usage: parity_peft.py TPTT_BINARY MODEL_DIR      MODEL_DIR: see make_smollm2_dir.py
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import warnings

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

binary, directory = sys.argv[1:3]
STEPS, BATCH, RATE = 10, 2, 1e-3
tmp = pathlib.Path(tempfile.mkdtemp())
rows = [json.loads(line) for line in open("data/samples/train.jsonl")][: STEPS * BATCH]
(tmp / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
tokenizer = AutoTokenizer.from_pretrained(directory)


def base():
    return AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)


torch.manual_seed(0)
model = get_peft_model(base(), LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0, task_type="CAUSAL_LM",
                                          target_modules=["q_proj", "k_proj", "v_proj", "o_proj"]))
for name, parameter in model.named_parameters():
    if "lora_B" in name:
        torch.nn.init.normal_(parameter, std=0.02)
model.save_pretrained(tmp / "start")

(tmp / "config.yaml").write_text(f"""
model: {{name_or_path: {directory}, adapter_name_or_path: {tmp}/start, dtype: float32}}
data: {{train: [{{path: {tmp}/rows.jsonl}}], chat_template: chatml, packing: false, shuffle: false}}
training: {{output_dir: {tmp}/run, max_steps: {STEPS}, per_device_train_batch_size: {BATCH}, learning_rate: {RATE},
  lr_scheduler_type: linear, max_grad_norm: 1.0}}
""")
subprocess.run([binary, "train", tmp / "config.yaml"], check=True, capture_output=True)
ours = [json.loads(line)["loss"] for line in open(tmp / "run/metrics.jsonl")]


def example(row):
    user, assistant = (m["content"] for m in row["messages"])
    prompt = tokenizer(f"<|im_start|>user\n{user}<|im_end|>\n<|im_start|>assistant\n").input_ids
    answer = tokenizer(f"{assistant}<|im_end|>").input_ids
    tail = tokenizer("\n").input_ids
    return torch.tensor([prompt + answer + tail]), torch.tensor([[-100] * len(prompt) + answer + [-100] * len(tail)])


optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=RATE, weight_decay=0.0)
schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / STEPS)
theirs = []
for step in range(STEPS):
    examples = [example(row) for row in rows[step * BATCH:(step + 1) * BATCH]]
    targets = sum((labels[:, 1:] != -100).sum() for _, labels in examples)
    loss = sum(torch.nn.functional.cross_entropy(model(input_ids=ids).logits[0, :-1], labels[0, 1:], reduction="sum")
               for ids, labels in examples) / targets
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    schedule.step()
    optimizer.zero_grad()
    theirs.append(loss.item())
model.save_pretrained(tmp / "theirs")

loss_difference = max(abs(a - b) for a, b in zip(ours, theirs, strict=True))
a, b = load_file(tmp / "run/adapter/adapter_model.safetensors"), load_file(tmp / "theirs/adapter_model.safetensors")
same_keys = a.keys() == b.keys()
relative = max(((a[k] - b[k]).norm() / b[k].norm()).item() for k in b) if same_keys else float("inf")
print(f"ten steps: losses within {loss_difference:.2e}, adapter within {relative:.2e} relative, keys {'equal' if same_keys else 'DIFFER'}")

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    loaded = PeftModel.from_pretrained(base(), tmp / "run/adapter").eval()
complaints = [str(w.message) for w in caught if "missing" in str(w.message) or "unexpected" in str(w.message)]
ids = example(rows[0])[0]
(tmp / "ids.json").write_text(json.dumps({"input_ids": ids.tolist()}))
subprocess.run([binary, "logits", directory, "--adapter", tmp / "run/adapter", "--dtype", "float32", "--input-ids", tmp / "ids.json",
                "--output", tmp / "logits.safetensors"], check=True)
with torch.no_grad():
    logits = (loaded(input_ids=ids).logits - load_file(tmp / "logits.safetensors")["logits"]).abs().max().item()
print(f"stock PEFT: {len(complaints)} complaints about keys, max abs logit difference {logits:.2e}")
sys.exit(not (loss_difference < 1e-4 and relative < 1e-3 and not complaints and logits < 1e-4))
