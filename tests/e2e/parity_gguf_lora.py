"""An exported GGUF adapter in llama.cpp: next-token probabilities against the same adapter in PEFT, and the file against gguf's reader.

usage: parity_gguf_lora.py TPTT_BINARY MODEL_DIR      MODEL_DIR: see make_smollm2_dir.py
"""
import pathlib
import subprocess
import sys
import tempfile

import gguf
import numpy
import torch
from gguf_base import llama_cpp_server, write_float_base
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

binary, directory = sys.argv[1:3]
RANK, ALPHA, TOP = 4, 8, 20
PROMPTS = [[1, 4093, 198, 1780, 314, 260, 3575, 282], [504, 2365, 6354, 16438, 27003, 690, 260], list(range(100, 160))]
folder = tempfile.TemporaryDirectory()  # gone when the script ends
tmp = pathlib.Path(folder.name)


def llama_cpp(base, adapter=None):
    """{token: log-probability} of the likeliest next tokens of each prompt."""
    server = llama_cpp_server(base, adapter)
    found = []
    for prompt in PROMPTS:
        answer = server.handle_completions({"prompt": prompt, "max_tokens": 1, "n_predict": 1, "temperature": 0.0, "logprobs": TOP, "n_probs": TOP})
        top = answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
        found.append({entry["id"]: entry["logprob"] for entry in top})
    return found


@torch.no_grad()
def transformers(model):
    return [torch.log_softmax(model(torch.tensor([prompt])).logits[0, -1].float(), 0) for prompt in PROMPTS]


def difference(llama, reference):
    return max(abs(value - reference[i][token].item()) for i, top in enumerate(llama) for token, value in top.items())


torch.manual_seed(0)
base = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
plain = transformers(base)
model = get_peft_model(base, LoraConfig(r=RANK, lora_alpha=ALPHA, lora_dropout=0.0, task_type="CAUSAL_LM",
                                        target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]))
for name, parameter in model.named_parameters():
    if "lora_B" in name:
        torch.nn.init.normal_(parameter, std=0.02)
adapted = transformers(model)
model.save_pretrained(tmp / "adapter")
subprocess.run([binary, "export", tmp / "adapter", "--format", "gguf-lora", "--output", tmp / "adapter.gguf"], check=True, capture_output=True)

checks = []


def check(ok, what):
    print(f"{'ok    ' if ok else 'FAILED'} {what}")
    checks.append(ok)


reader = gguf.GGUFReader(tmp / "adapter.gguf")
fields = {name: field.contents() for name, field in reader.fields.items() if not name.startswith("GGUF.")}
check(fields == {"general.architecture": "llama", "general.type": "adapter", "adapter.type": "lora", "adapter.lora.alpha": 0.0},
      f"metadata {fields}")
check(reader.fields["adapter.lora.alpha"].types == [gguf.GGUFValueType.FLOAT32], "adapter.lora.alpha is float32")
state = {name: x for name, x in model.state_dict().items() if "lora_" in name}
check(len(reader.tensors) == len(state), f"{len(reader.tensors)} tensors for PEFT's {len(state)}")
heads = {"attn_q": base.config.num_attention_heads, "attn_k": base.config.num_key_value_heads}
names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, base.config.num_hidden_layers)
tensors = {tensor.name: tensor.data for tensor in reader.tensors}
wrong = []
for name, x in state.items():
    module, half = name.removeprefix("base_model.model.").removesuffix(".default.weight").rsplit(".lora_", 1)
    target = names.get_name(module)
    x = x.numpy()
    if half == "B":
        n = heads.get(target.split(".")[-1], 0)
        x = x * numpy.float32(ALPHA / RANK)
        x = x.reshape(n, 2, -1, RANK).swapaxes(1, 2).reshape(x.shape) if n else x
    if not numpy.array_equal(tensors[f"{target}.weight.lora_{half.lower()}"], x):
        wrong.append(name)
check(not wrong, f"A and B as gguf's names and the permutation want them {wrong[:3]}")

write_float_base(tmp / "base.gguf")
without = llama_cpp(tmp / "base.gguf")
adapter = llama_cpp(tmp / "base.gguf", tmp / "adapter.gguf")
check(difference(without, plain) < 1e-3, f"base: log-probabilities differ by {difference(without, plain):.1e} from Transformers'")
check(difference(adapter, adapted) < 1e-3, f"adapter: log-probabilities differ by {difference(adapter, adapted):.1e} from PEFT's")
check(difference(adapter, plain) > 0.1, f"the adapter moves them by {difference(adapter, plain):.2f}")
sys.exit(not all(checks))
