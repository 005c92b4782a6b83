"""One training step of a Python peer on a model directory, as one JSON line: median seconds and peak RSS in GB.

usage: peer_step.py MODEL_DIR peft|peft_checkpointing|tptt:OPERATOR_MODE BATCH TOKENS STEPS [DTYPE]
"""
import json
import os
import resource
import statistics
import sys
import time

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

directory, kind = sys.argv[1:3]
batch, tokens, steps = map(int, sys.argv[3:6])
dtype = getattr(torch, sys.argv[6]) if len(sys.argv) > 6 else torch.float32
torch.manual_seed(0)
model = AutoModelForCausalLM.from_pretrained(directory, dtype=dtype, attn_implementation="sdpa")
if kind.startswith("tptt:"):
    import tptt
    from tptt.modeling_tptt import get_tptt_model

    mode = kind.removeprefix("tptt:")
    model, _ = get_tptt_model(model, model.config, operator_mode=mode, recurrent_config=tptt.TpttConfig.RECURRENT_MODES[mode])
model = get_peft_model(model, LoraConfig(r=8, lora_alpha=16, lora_dropout=0.05, task_type="CAUSAL_LM",
                                         target_modules=["q_proj", "k_proj", "v_proj", "o_proj"]))
if kind == "peft_checkpointing":
    model.gradient_checkpointing_enable()
    model.enable_input_require_grads()
model.train()
optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=5e-4)
ids = torch.randint(0, model.config.vocab_size, (batch, tokens))
seconds = []
for _ in range(steps + 1):
    start = time.perf_counter()
    loss = model(input_ids=ids, labels=ids, attention_mask=torch.ones_like(ids)).loss
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    seconds.append(time.perf_counter() - start)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
print(json.dumps(dict(seconds=statistics.median(seconds[1:]), gb=peak)))
