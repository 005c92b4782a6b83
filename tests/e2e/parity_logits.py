"""Logits and token ids of SmolLM2-135M from GGUF and from its directory against Transformers.

usage: parity_logits.py TPTT_BINARY MODEL_DIR      MODEL_DIR: see make_smollm2_dir.py
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

binary, directory = sys.argv[1:3]
PROMPTS = ["Hello", "The capital of France is", "def add(a, b):\n    return a + b\n", "Zahlen: 1234567890, naïve café 東京 🙂",
           " ".join(f"item {i} costs {i * 7} coins;" for i in range(40))]
model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
tokenizer = AutoTokenizer.from_pretrained(directory)
failed = 0
for source in ("smollm2-135m-instruct", directory):
    for prompt in PROMPTS:
        ids = tokenizer(prompt).input_ids
        with tempfile.TemporaryDirectory() as tmp:
            inputs, out = pathlib.Path(tmp, "ids.json"), pathlib.Path(tmp, "logits.safetensors")
            inputs.write_text(json.dumps({"input_ids": [ids]}))
            subprocess.run([binary, "logits", source, "--dtype", "float32", "--input-ids", inputs, "--output", out], check=True)
            ours = load_file(out)["logits"]
        with torch.no_grad():
            diff = (model(torch.tensor([ids])).logits - ours).abs().max().item()
        failed += diff > 1e-4
        print(f"{source}: {len(ids)} tokens, max abs logit difference {diff:.2e}")
    lines = [p.replace("\n", " ") for p in PROMPTS]
    printed = subprocess.run([binary, "tokenize", source], input="\n".join(lines), capture_output=True, text=True, check=True).stdout
    same = [json.loads(line) for line in printed.splitlines()] == [tokenizer(p).input_ids for p in lines]
    failed += not same
    print(f"{source}: token ids {'equal' if same else 'DIFFER'}")
sys.exit(failed > 0)
