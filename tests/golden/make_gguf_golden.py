"""Write GGUF blocks of every type that is read and the float32 values that the gguf package decodes them to.

usage: make_gguf_golden.py OUT_DIR      The same bytes on every run with the same package versions.
OUT_DIR/blocks.gguf holds a tensor for each type under the type's name, blocks.safetensors the values under the same names;
metadata.gguf has a value of every metadata type; quantized.safetensors float32 values and their bytes in each written type;
names.json the GGUF name of every tensor of a small model of each architecture.
"""
import json
import pathlib
import sys

import gguf
import numpy
import torch
from gguf import GGMLQuantizationType as Q
from safetensors.numpy import save_file
from transformers import AutoConfig, AutoModelForCausalLM

PLAIN = [Q.F32, Q.F16, Q.BF16]
# type: byte offsets of the float16 numbers in its block
BLOCKS = {Q.Q8_0: [0], Q.Q4_0: [0], Q.Q4_1: [0, 2], Q.Q5_0: [0], Q.Q5_1: [0, 2],
          Q.Q2_K: [80, 82], Q.Q3_K: [108], Q.Q4_K: [0, 2], Q.Q5_K: [0, 2], Q.Q6_K: [208]}
# zeros, subnormals, the least normal number, ordinary ones, large ones
SCALES = numpy.array([0.0, -0.0, 6e-8, -5.9e-5, 6.104e-5, 0.01, -0.37, 1.0, 333.0, -2048.0], dtype=numpy.float16)


def random_blocks(rng, kind, offsets):
    """Blocks of random bits, each scale in turn: every nibble, sign and high bit occurs."""
    data = rng.integers(0, 256, (len(SCALES), gguf.GGML_QUANT_SIZES[kind][1]), dtype=numpy.uint8)
    for i, offset in enumerate(offsets):
        data[:, offset:offset + 2] = numpy.roll(SCALES, 3 * i).reshape(-1, 1).view(numpy.uint8)
    return data


def write_blocks(folder):
    rng = numpy.random.default_rng(1)
    writer = gguf.GGUFWriter(folder / "blocks.gguf", "llama")
    values = {}
    for kind in PLAIN:
        data = gguf.quantize(rng.normal(size=(2, 32)).astype(numpy.float32), kind)
        if kind == Q.F16:
            data = numpy.arange(65536, dtype=numpy.uint16).view(numpy.float16).reshape(2, -1)[:, ::13]
            data = numpy.where(numpy.isnan(data), numpy.float16(1), data)
        writer.add_tensor(kind.name, data, raw_dtype=kind)
        values[kind.name] = gguf.dequantize(data, kind)
    for kind, offsets in BLOCKS.items():
        data = random_blocks(rng, kind, offsets)
        writer.add_tensor(kind.name, data, raw_dtype=kind)
        values[kind.name] = gguf.dequantize(data, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    save_file({name: numpy.ascontiguousarray(x) for name, x in values.items()}, folder / "blocks.safetensors")


def write_metadata(folder):
    """A file with a value of every type, with an alignment of its own."""
    writer = gguf.GGUFWriter(folder / "metadata.gguf", "llama")
    writer.add_custom_alignment(64)
    for name, value in {"uint8": 255, "int8": -128, "uint16": 65535, "int16": -32768, "uint32": 2**32 - 1, "int32": -2**31,
                        "uint64": 2**63 - 1, "int64": -2**63, "float32": 1e-5, "float64": 1e-300, "bool": True, "string": "n\u00e4\nme"}.items():
        getattr(writer, f"add_{name}")(f"test.{name}", value)
    writer.add_array("test.strings", ["a", "", "\u00e9"])
    writer.add_array("test.ints", [1, -2])
    writer.add_array("test.floats", [0.1, -1e30])
    writer.add_array("test.bools", [True, False])
    writer.add_key_value("test.u32s", [7, 2**32 - 1], gguf.GGUFValueType.ARRAY, gguf.GGUFValueType.UINT32)
    rng = numpy.random.default_rng(2)
    writer.add_tensor("f32", rng.normal(size=(2, 3, 5)).astype(numpy.float32))
    writer.add_tensor("f16", rng.normal(size=7).astype(numpy.float16))
    writer.add_tensor("q8_0", gguf.quantize(rng.normal(size=(3, 64)).astype(numpy.float32), Q.Q8_0), raw_dtype=Q.Q8_0)
    writer.add_tensor("i32", numpy.arange(3, dtype=numpy.int32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_quantized(folder):
    """float32 values with ties, subnormals and both ends of the ranges, and what the gguf package makes of them."""
    rng = numpy.random.default_rng(3)
    x = (rng.normal(size=(24, 32)) * 10.0 ** rng.integers(-9, 5, (24, 1))).astype(numpy.float32)
    x[1] = 0
    x[2] = -0.0
    x[3] = numpy.arange(32) - 15.5  # with 127 as largest: ties of Q8_0
    x[3, 0] = -127
    x[4] = numpy.float32(1) + numpy.arange(32) * numpy.float32(2.0 ** -12)  # ties of F16
    x[5] = numpy.float32(1) + numpy.arange(32) * numpy.float32(2.0 ** -9)  # ties of BF16
    x[6] = numpy.arange(32) * numpy.float32(2.0 ** -25)  # subnormals of F16, ties
    x[7] = 65504 + numpy.arange(32)  # to F16's infinity
    x[8] = numpy.arange(32) * numpy.float32(1e-6) * (-1) ** numpy.arange(32)
    values = {"F32": x}
    for kind in (Q.F16, Q.BF16, Q.Q8_0):
        with numpy.errstate(over="ignore"):
            values[kind.name] = gguf.quantize(x, kind).view(numpy.uint8)
    save_file(values, folder / "quantized.safetensors")


SMALL = dict(vocab_size=32, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=8,
             pad_token_id=None, bos_token_id=None, eos_token_id=None)
# architecture in GGUF: (model_type of Transformers, settings over SMALL)
NAMED = {"llama": ("llama", dict(attention_bias=True, mlp_bias=True)), "qwen2": ("qwen2", {}), "qwen3": ("qwen3", {}), "gemma2": ("gemma2", {}),
         "gemma3": ("gemma3_text", {}), "phi3": ("phi3", {}), "gpt2": ("gpt2", dict(n_layer=2, n_embd=32, n_head=4)), "olmo": ("olmo", {}),
         "olmo2": ("olmo2", {}), "olmoe": ("olmoe", dict(num_experts=2, num_experts_per_tok=1)), "granite": ("granite", {}), "smollm3": ("smollm3", {})}


def write_names(folder):
    """The tensors of a model of two layers under their Hugging Face names, and gguf's TensorNameMap for each."""
    architectures = {name: arch for arch, name in gguf.MODEL_ARCH_NAMES.items()}
    names = {}
    for name, (model_type, settings) in NAMED.items():
        config = AutoConfig.for_model(model_type, **SMALL | settings)
        with torch.device("meta"):
            keys = list(AutoModelForCausalLM.from_config(config).state_dict())
        table = gguf.get_tensor_name_map(architectures[name], 2)
        found = {key: table.get_name(key, try_suffixes=(".weight", ".bias")) for key in keys if ".experts." not in key}
        if name == "olmoe":  # files hold each expert by itself, the conversion stacks them
            for layer in range(2):
                for part in ("gate_proj", "up_proj", "down_proj"):
                    stacked = table.get_name(f"model.layers.{layer}.mlp.experts.{part}.weight", try_suffixes=(".weight",))
                    found |= {f"model.layers.{layer}.mlp.experts.{i}.{part}.weight": stacked for i in range(2)}
        names[name] = {key: value for key, value in found.items() if value}
    (folder / "names.json").write_text(json.dumps(names, indent=0) + "\n")


if __name__ == "__main__":
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    write_blocks(out)
    write_metadata(out)
    write_quantized(out)
    write_names(out)
