"""Write tiny random Llama models and the float32 logits that Transformers gives for them.

usage: make_llama_golden.py OUT_DIR
OUT_DIR/NAME/ holds a Hugging Face directory or model.gguf, with input_ids.json ({"input_ids": [B][T]}) and
logits.safetensors ("logits" [B, T, V]) beside it. The same bytes on every run with the same package versions.
"""
import copy
import json
import pathlib
import sys

import gguf
import numpy
import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

COMMON = dict(vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=4,
              max_position_embeddings=256, rms_norm_eps=1e-5, bos_token_id=1, eos_token_id=2, pad_token_id=None)
LLAMA3 = {"rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 100}  # some frequencies in each of its three ranges
# name: (config over COMMON, dtype stored, largest shard in bytes, or none)
SHAPES = {
    "tied": (dict(tie_word_embeddings=True), torch.float32, None),
    "gqa_bias_bf16_sharded": (dict(num_attention_heads=8, num_key_value_heads=2, head_dim=8, attention_bias=True, mlp_bias=True), torch.bfloat16, 16000),
    "mqa_head_dim_f16": (dict(hidden_size=40, num_attention_heads=4, num_key_value_heads=1, head_dim=16), torch.float16, None),
    "linear_rope": (dict(num_hidden_layers=1, rope_parameters={"rope_type": "linear", "rope_theta": 1000.0, "factor": 4.0}), torch.float32, None),
    "llama3_rope": (dict(num_key_value_heads=2, rope_parameters=LLAMA3, tie_word_embeddings=True), torch.float32, None),
    "odd_sharded": (dict(vocab_size=101, hidden_size=30, intermediate_size=77, num_hidden_layers=3, num_attention_heads=5, num_key_value_heads=5,
                         head_dim=6, rms_norm_eps=1e-3, rope_parameters={"rope_type": "default", "rope_theta": 500000.0}), torch.float32, 30000),
}
Q = gguf.GGMLQuantizationType
BLOCK = dict(COMMON, hidden_size=64, intermediate_size=96, num_attention_heads=4, num_key_value_heads=2)
# name: (config, types that the matrices take in turn)
GGUFS = {
    "gguf_float": (dict(BLOCK, rope_parameters=LLAMA3, num_hidden_layers=1), [Q.F32, Q.F16, Q.BF16]),
    "gguf_blocks": (dict(BLOCK, tie_word_embeddings=True), [Q.Q8_0, Q.Q4_0, Q.Q4_1, Q.F16]),
}


def make_model(settings, seed):
    torch.manual_seed(seed)
    model = LlamaForCausalLM(LlamaConfig(**settings)).float().eval()
    for name, parameter in model.named_parameters():  # norms and biases that matter
        spread = 0.2 if parameter.dim() > 1 else 0.5
        parameter.data = torch.randn_like(parameter) * spread + (1 if name.endswith("norm.weight") else 0)
    return model


def write_expected(model, folder, length=96):
    ids = torch.randint(0, model.config.vocab_size, (2, length), generator=torch.Generator().manual_seed(7))
    (folder / "input_ids.json").write_text(json.dumps({"input_ids": ids.tolist()}) + "\n")
    with torch.no_grad():
        logits = model(ids).logits.float()
    save_file({"logits": logits.contiguous()}, folder / "logits.safetensors")


def permuted(weight, heads):
    """Hugging Face's half-split rows in the interleaved order that GGUF's llama stores."""
    return weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)


GGUF_NAMES = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output", "self_attn.q_proj": "attn_q",
              "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate",
              "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}


def gguf_name(name):
    stem, suffix = name.rsplit(".", 1)
    if stem in GGUF_NAMES:
        return f"{GGUF_NAMES[stem]}.{suffix}"
    layer, module = stem.removeprefix("model.layers.").split(".", 1)
    return f"blk.{layer}.{GGUF_NAMES[module]}.{suffix}"


def write_gguf(folder, settings, types, seed):
    model = make_model(settings, seed)
    c = model.config
    writer = gguf.GGUFWriter(folder / "model.gguf", "llama")
    writer.add_embedding_length(c.hidden_size)
    writer.add_feed_forward_length(c.intermediate_size)
    writer.add_block_count(c.num_hidden_layers)
    writer.add_head_count(c.num_attention_heads)
    writer.add_head_count_kv(c.num_key_value_heads)
    writer.add_context_length(c.max_position_embeddings)
    writer.add_layer_norm_rms_eps(c.rms_norm_eps)
    rope = c.rope_parameters
    writer.add_rope_freq_base(rope["rope_theta"])
    if rope["rope_type"] == "llama3":  # llama.cpp keeps this scaling as a tensor of factors
        default = 1.0 / rope["rope_theta"] ** (torch.arange(0, c.head_dim, 2).float() / c.head_dim)
        writer.add_tensor("rope_freqs.weight", (default / model.model.rotary_emb.inv_freq).numpy())
    stored = {}
    for index, (name, parameter) in enumerate(model.named_parameters()):
        kind = types[index % len(types)] if parameter.dim() > 1 else Q.F32
        data = parameter.detach().numpy()
        packed = gguf.quants.quantize(data, kind)
        stored[name] = torch.from_numpy(gguf.quants.dequantize(packed, kind).astype(numpy.float32).reshape(data.shape).copy())
        heads = {"q_proj": c.num_attention_heads, "k_proj": c.num_key_value_heads}.get(name.split(".")[-2])
        rows = permuted(data, heads) if heads else data
        writer.add_tensor(gguf_name(name), gguf.quants.quantize(rows, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    model.load_state_dict(stored, strict=False)
    write_expected(model, folder)


def main():
    out = pathlib.Path(sys.argv[1])
    for seed, (name, (settings, dtype, shard)) in enumerate(SHAPES.items()):
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        model = make_model({**COMMON, **settings}, seed).to(dtype)
        model.save_pretrained(folder, **({"max_shard_size": shard} if shard else {}))
        (folder / "generation_config.json").unlink(missing_ok=True)
        # to() rounds inv_freq as well, which no reader of the file does
        reference = make_model({**COMMON, **settings}, seed)
        reference.load_state_dict({key: value.float() for key, value in model.state_dict().items()})
        write_expected(reference, folder)
    for seed, (name, (settings, types)) in enumerate(GGUFS.items()):
        (out / name).mkdir(parents=True, exist_ok=True)
        write_gguf(out / name, copy.deepcopy(settings), types, 100 + seed)


main()
