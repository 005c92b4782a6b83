"""Merged models in Transformers and llama.cpp, and greedy text of an exported GGUF adapter in llama.cpp against ours.

usage: parity_export.py TPTT_BINARY MODEL_DIR      MODEL_DIR: see make_smollm2_dir.py
The adapter is rank-stabilised with a rank and an alpha of their own for some modules, made by PEFT.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import gguf
import numpy
import torch
from gguf_base import CACHE, llama_cpp_server, write_float_base
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

binary, directory = sys.argv[1:3]
GGUF = "smollm2-135m-instruct"
PROMPTS = ["The capital of France is", "Once upon a time, a small dog", "def fibonacci(n):\n"]
folder = tempfile.TemporaryDirectory()  # gone when the script ends
tmp = pathlib.Path(folder.name)
failed = 0


def check(ok, what):
    global failed
    failed += not ok
    print(f"{'ok    ' if ok else 'FAILED'} {what}")


def run(*arguments):
    return subprocess.run([binary, *map(str, arguments)], check=True, capture_output=True, text=True)


def our_logits(model, ids, *more):
    (tmp / "ids.json").write_text(json.dumps({"input_ids": ids.tolist()}))
    run("logits", model, "--input-ids", tmp / "ids.json", "--output", tmp / "logits.safetensors", *more)
    return load_file(tmp / "logits.safetensors")["logits"]


def make_adapter(folder, base):
    torch.manual_seed(0)
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), LoraConfig(
        r=4, lora_alpha=6, use_rslora=True, rank_pattern={"k_proj": 2, "layers.3.mlp.up_proj": 6}, alpha_pattern={"v_proj": 3}, lora_dropout=0.0,
        target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "up_proj", "down_proj"], task_type="CAUSAL_LM"))
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.01)
    model.save_pretrained(folder)


def llama_cpp_texts(base, adapter=None, count=24):
    server = llama_cpp_server(base, adapter)
    return [server.handle_completions({"prompt": p, "n_predict": count, "max_tokens": count, "temperature": 0.0, "top_k": 1})["choices"][0]["text"] for p in PROMPTS]


def our_texts(model, *more, count=24):
    return [run("generate", model, "--dtype", "float32", "--prompt", p, "--max-new-tokens", count, *more).stdout.rstrip("\n") for p in PROMPTS]


def compare_gguf(path, wanted):
    """The file's values against the gguf package's quantisation of base + PEFT's update."""
    base = {t.name: t for t in gguf.GGUFReader(pathlib.Path(CACHE, "SmolLM2-135M-Instruct.Q4_1.gguf")).tensors}
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32), tmp / "adapter")
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, 30)
    updates = {names.get_name(name.removeprefix("base_model.model.")): module.get_delta_weight("default").detach().numpy()
               for name, module in model.named_modules() if hasattr(module, "lora_A")}
    heads, unequal, count = {"attn_q": 9, "attn_k": 3}, 0, 0
    for tensor in gguf.GGUFReader(path).tensors:
        expected = gguf.dequantize(base[tensor.name].data, base[tensor.name].tensor_type).reshape(tensor.shape[::-1].tolist())
        stem = tensor.name.removesuffix(".weight")
        if stem in updates:
            x, n = updates[stem], heads.get(stem.split(".")[-1], 0)
            expected = expected + (x.reshape(n, 2, -1, x.shape[1]).swapaxes(1, 2).reshape(x.shape) if n else x)
        kind = wanted if expected.ndim > 1 else gguf.GGMLQuantizationType.F32
        if tensor.tensor_type != kind:
            return False, f"{tensor.name} has type {tensor.tensor_type}"
        ours, theirs = (gguf.dequantize(data, kind).reshape(expected.shape) for data in (tensor.data, gguf.quants.quantize(expected, kind)))
        if numpy.abs(ours - theirs).max() > 0.02 * numpy.abs(theirs).max():
            return False, f"{tensor.name} differs"
        unequal, count = unequal + (ours != theirs).sum(), count + ours.size
    return unequal < 1e-4 * count, f"merged {path.name}: {unequal} of {count} values are not the gguf package's (sums rounded another way)"


def reference(folder, ids):
    """Transformers' float64 logits, from a process of its own: in this one, behind PEFT's models, they now and then come out
    1e-4 of the largest logit off (same weights, same ids)."""
    code = ("import sys, torch; from safetensors.torch import load_file, save_file; from transformers import AutoModelForCausalLM\n"
            "model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float64)\n"
            "with torch.no_grad(): save_file({'logits': model(load_file(sys.argv[2])['ids']).logits.contiguous()}, sys.argv[3])")
    save_file({"ids": ids}, tmp / "ids.safetensors")
    subprocess.run([sys.executable, "-c", code, folder, tmp / "ids.safetensors", tmp / "reference.safetensors"], check=True, capture_output=True)
    return load_file(tmp / "reference.safetensors")["logits"]


base = tmp / "base"  # sharded, in bfloat16
AutoModelForCausalLM.from_pretrained(directory, dtype=torch.bfloat16).save_pretrained(base, max_shard_size="100MB")
AutoTokenizer.from_pretrained(directory).save_pretrained(base)
make_adapter(tmp / "adapter", base)
ids = AutoTokenizer.from_pretrained(base)(" ".join(PROMPTS * 4), return_tensors="pt").input_ids

printed = run("export", tmp / "adapter", "--format", "merged", "--output", tmp / "merged", "--model", base).stdout
print(printed.strip())
merged = AutoModelForCausalLM.from_pretrained(tmp / "merged", dtype=torch.float32)
peft = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), tmp / "adapter").merge_and_unload().to(torch.bfloat16).float()
logits = reference(tmp / "merged", ids)
difference = ((our_logits(tmp / "merged", ids) - logits).abs().max() / logits.abs().max()).item()
check(difference < 1e-5, f"merged: our float32 logits of it differ by {difference:.1e} of the largest from Transformers' float64")
unequal = [name for name, x in peft.state_dict().items() if not torch.equal(x, merged.state_dict()[name])]
check(not unequal, f"merged: {len(peft.state_dict())} weights are PEFT's merge in bfloat16, bit for bit {unequal[:3]}")
layout = lambda folder: {path.name: sorted((k, str(f.get_slice(k).get_dtype())) for k in f.keys()) for path in sorted(folder.glob("*.safetensors")) for f in [safe_open(path, "pt")]}
check(layout(base) == layout(tmp / "merged"), f"merged: the base's {len(layout(base))} files, names and types")

for kind, wanted in (("f16", gguf.GGMLQuantizationType.F16), ("q8_0", gguf.GGMLQuantizationType.Q8_0)):
    path = tmp / f"merged-{kind}.gguf"
    print(run("export", tmp / "adapter", "--format", "merged", "--output", path, "--model", GGUF, "--outtype", kind).stdout.strip())
    check(*compare_gguf(path, wanted))
# Fewer tokens: llama.cpp rounds activations to the weights' F16.
there, here = llama_cpp_texts(tmp / "merged-f16.gguf", count=12), our_texts(tmp / "merged-f16.gguf", count=12)
check(there == here, f"merged f16: llama.cpp's greedy text is ours: {here[1]!r}")

run("export", tmp / "adapter", "--format", "gguf-lora", "--output", tmp / "lora.gguf", "--model", GGUF)
f32 = tmp / "f32.gguf"


write_float_base(f32)
there, here = llama_cpp_texts(f32, tmp / "lora.gguf"), our_texts(f32, "--adapter", tmp / "adapter")
check(there == here, f"gguf-lora: llama.cpp's greedy text with the adapter is ours: {here[0]!r}")
check(there != llama_cpp_texts(f32), "gguf-lora: and another than without it")
sys.exit(failed > 0)
