"""Write SmolLM2-135M-Instruct as a Hugging Face directory from the GGUF that scripts/setup.sh fetched.

usage: make_smollm2_dir.py OUT_DIR
"""
import json
import os
import pathlib
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

out = pathlib.Path(sys.argv[1])
cache = os.environ.get("TPTT_MODELS_DIR") or pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache", "tptt")
gguf = dict(gguf_file="SmolLM2-135M-Instruct.Q4_1.gguf")
source = AutoModelForCausalLM.from_pretrained(cache, dtype=torch.float32, **gguf)
settings = {key: value for key, value in source.config.to_dict().items() if key != "quantization_config"}
model = LlamaForCausalLM(LlamaConfig(**settings))  # the dequantised weights in a model that can be saved
model.load_state_dict(source.state_dict())
model.save_pretrained(out)
AutoTokenizer.from_pretrained(cache, **gguf).save_pretrained(out)
# Transformers' conversion drops smollm's per-digit split, which the original tokenizer.json has.
path = out / "tokenizer.json"
tokenizer = json.loads(path.read_text())
tokenizer["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [
    {"type": "Digits", "individual_digits": True},
    {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}]}
path.write_text(json.dumps(tokenizer, ensure_ascii=False))
