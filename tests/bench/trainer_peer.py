"""A Transformers Trainer with PEFT on rows of prompt and completion, padded per batch and grouped by length: the peer of
real_data.py. Writes DIR/adapter (before the first step), DIR/order.json (rows as they were trained on) and DIR/result.json.

usage: trainer_peer.py MODEL_DIR ROWS_JSONL DIR DTYPE BATCH MAX_LENGTH DROPOUT
"""
import json
import os
import pathlib
import resource
import sys
import time

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, DataCollatorForSeq2Seq, Trainer, TrainerCallback, TrainingArguments

from common import TARGETS

model_dir, rows, out, dtype, batch, max_length, dropout = sys.argv[1:]
out = pathlib.Path(out)
tokenizer = AutoTokenizer.from_pretrained(model_dir)
tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token


def example(line):
    row = json.loads(line)
    prompt = tokenizer(row["prompt"])["input_ids"]
    ids = prompt + tokenizer(row["completion"])["input_ids"] + [tokenizer.eos_token_id]
    labels = [-100] * len(prompt) + ids[len(prompt):]
    return dict(input_ids=ids[:int(max_length)], labels=labels[:int(max_length)])


examples = [example(line) for line in open(rows)]
place = {id(e): i for i, e in enumerate(examples)}
order, seconds, losses = [], [], []
pad = DataCollatorForSeq2Seq(tokenizer)


def collate(features):
    order.extend(place[id(f)] for f in features)
    return pad([dict(f) for f in features])


class Clock(TrainerCallback):
    def on_step_begin(self, *args, **kwargs):
        self.start = time.perf_counter()

    def on_step_end(self, *args, **kwargs):
        seconds.append(time.perf_counter() - self.start)

    def on_log(self, args, state, control, logs=None, **kwargs):
        if "loss" in logs:
            losses.append(float(logs["loss"]))


torch.manual_seed(0)
model = AutoModelForCausalLM.from_pretrained(model_dir, dtype=getattr(torch, dtype), attn_implementation="sdpa")
model = get_peft_model(model, LoraConfig(r=8, lora_alpha=16, lora_dropout=float(dropout), task_type="CAUSAL_LM", target_modules=TARGETS))
model.save_pretrained(out / "adapter")
arguments = TrainingArguments(
    output_dir=out / "trainer", per_device_train_batch_size=int(batch), num_train_epochs=1, learning_rate=5e-4, lr_scheduler_type="constant",
    train_sampling_strategy="group_by_length", logging_steps=1, save_strategy="no", report_to=[], disable_tqdm=True, use_cpu=True, seed=0,
    remove_unused_columns=False, logging_nan_inf_filter=False)
Trainer(model=model, args=arguments, train_dataset=examples, data_collator=collate, callbacks=[Clock()]).train()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
(out / "order.json").write_text(json.dumps(order))
(out / "result.json").write_text(json.dumps(dict(seconds=seconds, losses=losses, gb=peak)))
