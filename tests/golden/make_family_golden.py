"""Write tiny random models of every family with the logits, greedy continuations and LoRA gradients of the live packages.

usage: make_family_golden.py OUT_DIR [FAMILY...]
OUT_DIR/FAMILY/NAME/ holds a Hugging Face directory, with golden.json (input_ids [B][T], greedy: the 30 tokens that follow the
first 12 of row 0) and golden.safetensors beside it: logits [B, T, V]; an adapter of rank 2 on every Linear under PEFT's names
(experts by their number); "grad." + name, its gradients under the mean cross-entropy of all next tokens. Transformers and
PEFT are the oracle, mlx-lm for OpenELM. The same bytes on every run with the same package versions.
"""
import json
import pathlib
import sys

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM

RANK, ALPHA, LENGTH, PROMPT, NEW = 2, 4, 30, 12, 30
COMMON = dict(vocab_size=48, hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
              max_position_embeddings=128, rms_norm_eps=1e-5, bos_token_id=1, eos_token_id=None, pad_token_id=None, tie_word_embeddings=False)
LLAMA3 = {"rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 100}  # some frequencies in each of its three ranges
YARN = {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 32}
GPT2 = dict(vocab_size=48, n_embd=24, n_layer=2, n_head=4, n_positions=64, bos_token_id=1, eos_token_id=None)
GEMMA = dict(COMMON, num_hidden_layers=3, head_dim=10, query_pre_attn_scalar=20, sliding_window=6)
OPENELM = dict(model_type="openelm", torch_dtype="bfloat16", vocab_size=48, model_dim=24, num_transformer_layers=2, head_dim=6, ffn_dim_divisor=8, num_query_heads=[2, 4],
               num_kv_heads=[1, 2], ffn_multipliers=[1.0, 1.7], share_input_output_layers=True, bos_token_id=1, rms_norm_eps=1e-6)


def longrope(dim, **more):
    return {"rope_type": "longrope", "rope_theta": 10000.0, "short_factor": [1.0 + 0.1 * i for i in range(dim // 2)],
            "long_factor": [1.5 + 0.7 * i for i in range(dim // 2)], **more}


# family: {name: config over the family's common part}; "dtype" is what is stored, "shard" the largest file in bytes
FAMILIES = {
    "llama": (COMMON, {
        "tied": dict(num_key_value_heads=4, tie_word_embeddings=True),
        "gqa_bias_bf16_sharded": dict(num_attention_heads=8, head_dim=4, attention_bias=True, mlp_bias=True, shard=8000),
        "mqa_head_dim_f16": dict(num_hidden_layers=1, num_key_value_heads=1, head_dim=16, dtype=torch.float16),
        "linear_rope": dict(num_hidden_layers=1, rope_parameters={"rope_type": "linear", "rope_theta": 1000.0, "factor": 4.0}),
        "llama3_rope": dict(num_hidden_layers=1, rope_parameters=LLAMA3, tie_word_embeddings=True),
        "odd_sharded": dict(vocab_size=53, hidden_size=30, num_attention_heads=5, num_key_value_heads=5, head_dim=6, rms_norm_eps=1e-3,
                            rope_parameters={"rope_type": "default", "rope_theta": 500000.0}, shard=8000, num_hidden_layers=1)}),
    "mistral": (COMMON, {
        "window": dict(sliding_window=7), "no_window_tied": dict(dtype=torch.float32, sliding_window=None, head_dim=10, tie_word_embeddings=True),
        "yarn": dict(sliding_window=None, num_key_value_heads=1, rope_parameters=dict(YARN, beta_fast=8.0, beta_slow=0.5, attention_factor=1.3))}),
    "qwen2": (COMMON, {
        "tied": dict(tie_word_embeddings=True), "upper_window": dict(use_sliding_window=True, sliding_window=6, max_window_layers=1, num_attention_heads=6, num_key_value_heads=3, hidden_size=36),
        "yarn": dict(rope_parameters=YARN)}),
    "qwen3": (COMMON, {
        "wide_heads": dict(head_dim=16), "bias_tied": dict(head_dim=6, attention_bias=True, tie_word_embeddings=True),
        "upper_window": dict(head_dim=8, use_sliding_window=True, sliding_window=5, max_window_layers=1, num_key_value_heads=4)}),
    "olmo": ({k: v for k, v in COMMON.items() if k != "rms_norm_eps"}, {
        "plain_f64": dict(num_key_value_heads=4, dtype=torch.float64), "clipped_gqa": dict(clip_qkv=0.4), "tied_bias": dict(tie_word_embeddings=True, attention_bias=True)}),
    "olmo2": (COMMON, {
        "plain": dict(num_key_value_heads=4), "gqa_bias": dict(attention_bias=True, rms_norm_eps=1e-3), "tied_mqa": dict(tie_word_embeddings=True, num_key_value_heads=1)}),
    "olmoe": (dict(COMMON, intermediate_size=16, num_experts=4, num_experts_per_tok=2), {
        "plain": dict(num_key_value_heads=4), "clipped_gqa": dict(clip_qkv=0.4, norm_topk_prob=True), "tied_one": dict(tie_word_embeddings=True, num_experts=5, num_experts_per_tok=1)}),
    "gemma": (dict(COMMON, head_dim=10), {
        "tied": dict(tie_word_embeddings=True), "mqa_bias": dict(num_key_value_heads=1, attention_bias=True), "legacy_gelu": dict(hidden_act="gelu", head_dim=6, num_key_value_heads=4)}),
    "gemma2": (GEMMA, {
        "capped": dict(tie_word_embeddings=True, attn_logit_softcapping=2.0, final_logit_softcapping=3.0), "no_caps": dict(attn_logit_softcapping=None, final_logit_softcapping=None),
        "bias_capped": dict(attention_bias=True, num_key_value_heads=1, hidden_size=20, sliding_window=9)}),
    "gemma3_text": (GEMMA, {
        "two_ropes": dict(tie_word_embeddings=True, layer_types=["sliding_attention", "sliding_attention", "full_attention"],
                          rope_parameters={"full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1000000.0}, "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0}}),
        "capped": dict(final_logit_softcapping=3.0, attn_logit_softcapping=2.0, sliding_window_pattern=2), "mqa": dict(num_key_value_heads=1, query_pre_attn_scalar=10)}),
    "gpt2": (GPT2, {
        "plain": {}, "inverse_layer_f16": dict(scale_attn_by_inverse_layer_idx=True, n_inner=40, dtype=torch.float16),
        "untied_unscaled": dict(tie_word_embeddings=False, scale_attn_weights=False, activation_function="gelu", n_head=3)}),
    "phi3": (COMMON, {
        "window": dict(sliding_window=7),
        "longrope": dict(max_position_embeddings=96, original_max_position_embeddings=20, rope_parameters=longrope(6), tie_word_embeddings=True),
        "partial_longrope": dict(hidden_size=32, max_position_embeddings=96, original_max_position_embeddings=24, num_key_value_heads=4,
                                 rope_parameters=longrope(6, partial_rotary_factor=0.75), intermediate_size=24)}),
    "smollm3": (dict(COMMON, num_hidden_layers=3), {
        "no_rope_each_third": dict(no_rope_layers=[1, 1, 0], tie_word_embeddings=True), "biases": dict(no_rope_layer_interval=2, attention_bias=True, mlp_bias=True, hidden_size=32),
        "window": dict(no_rope_layers=[1, 0, 1], use_sliding_window=True, sliding_window=6, num_key_value_heads=4)}),
    "granite": (COMMON, {
        "multipliers": dict(embedding_multiplier=3.0, residual_multiplier=0.6, attention_multiplier=0.3, logits_scaling=2.5, tie_word_embeddings=True),
        "dynamic_rope": dict(attention_multiplier=0.2, max_position_embeddings=20, rope_parameters={"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0}), "biases": dict(attention_bias=True, mlp_bias=True, attention_multiplier=0.4, residual_multiplier=0.5, num_key_value_heads=1)}),
    "openelm": (OPENELM, {
        "layer_wise": {}, "untied": dict(share_input_output_layers=False, num_query_heads=[4, 4], num_kv_heads=[2, 4]), "one_head": dict(num_query_heads=[1, 3], num_kv_heads=[1, 1], head_dim=10)}),
}


def randomise(named, gemma):
    """Weights, norms and biases that matter, in the order of their names."""
    for name, parameter in sorted(named, key=lambda item: item[0]):
        norm = "norm" in name.rsplit(".", 2)[-2] or ".ln_" in name
        mean = 1 if norm and name.endswith("weight") and not gemma else 0
        spread = 0.2 if parameter.dim() > 1 else 0.4
        parameter.data = torch.randn(parameter.shape) * spread + mean


def adapter_tensors(shapes):
    """Random A and B by module name: {module: (out, in)} -> {PEFT's name: tensor}."""
    tensors = {}
    for module, (rows, columns) in sorted(shapes.items()):
        tensors[f"base_model.model.{module}.lora_A.weight"] = torch.randn(RANK, columns) * 0.3
        tensors[f"base_model.model.{module}.lora_B.weight"] = torch.randn(rows, RANK) * 0.3
    return tensors


def loss_of(logits, ids):
    return torch.nn.functional.cross_entropy(logits[:, :-1].reshape(-1, logits.shape[-1]), ids[:, 1:].reshape(-1))


def expert_shapes(model):
    shapes = {}
    for name, parameter in model.named_parameters():
        if not name.endswith("mlp.experts.gate_up_proj"):
            continue
        module, (count, rows, columns) = name.removesuffix(".gate_up_proj"), parameter.shape
        for i in range(count):
            shapes |= {f"{module}.{i}.gate_proj": (rows // 2, columns), f"{module}.{i}.up_proj": (rows // 2, columns), f"{module}.{i}.down_proj": (columns, rows // 2)}
    return shapes


def with_expert_adapters(model, adapter, scale):
    """The stacked expert weights with every expert's own adapter added."""
    merged = {}
    for name, parameter in model.named_parameters():
        if ".mlp.experts." not in name:
            continue
        plain = name.removeprefix("base_model.model.")
        module, part = plain.rsplit(".", 1)
        parts = ["gate_proj", "up_proj"] if part == "gate_up_proj" else ["down_proj"]
        deltas = [torch.cat([adapter[f"base_model.model.{module}.{i}.{p}.lora_B.weight"] @ adapter[f"base_model.model.{module}.{i}.{p}.lora_A.weight"] for p in parts])
                  for i in range(parameter.shape[0])]
        merged[name] = parameter + scale * torch.stack(deltas)
    return merged


def lora_gradients(model, ids):
    """A rank-2 adapter on every Linear but the head, and its gradients, by PEFT (experts: as if merged)."""
    linears = {name: (m.weight.shape[::-1] if type(m).__name__ == "Conv1D" else m.weight.shape) for name, m in model.named_modules()
               if isinstance(m, torch.nn.Linear) or type(m).__name__ == "Conv1D"}
    linears.pop("lm_head", None)
    experts = expert_shapes(model)
    adapter = adapter_tensors({**linears, **experts})
    peft = get_peft_model(model, LoraConfig(r=RANK, lora_alpha=ALPHA, lora_dropout=0.0, target_modules=list(linears), task_type="CAUSAL_LM",
                                            fan_in_fan_out=model.config.model_type == "gpt2"))
    parameters = dict(peft.named_parameters())
    leaves = {}
    for name, tensor in adapter.items():
        there = parameters.get(name.replace(".weight", ".default.weight"))
        if there is not None:
            there.data.copy_(tensor)
        leaves[name] = there if there is not None else tensor.requires_grad_()
    logits = torch.func.functional_call(peft, with_expert_adapters(peft, leaves, ALPHA / RANK), kwargs={"input_ids": ids, "use_cache": False}).logits
    gradients = torch.autograd.grad(loss_of(logits, ids), list(leaves.values()), allow_unused=True)
    return {**{name: leaf.detach().clone() for name, leaf in leaves.items()},
            **{"grad." + name: torch.zeros_like(leaf) if g is None else g for (name, leaf), g in zip(leaves.items(), gradients)}}


def greedy(model, prompt):
    model.generation_config.pad_token_id = 0
    return model.generate(prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=NEW)[0, prompt.shape[1]:].tolist()


def write_transformers(folder, family, settings, seed):
    dtype, shard = settings.pop("dtype", torch.bfloat16), settings.pop("shard", None)
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(family, **settings), attn_implementation="eager").float().eval()
    randomise(model.named_parameters(), family.startswith("gemma"))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.to(dtype).float())
    model.to(dtype).save_pretrained(folder, **({"max_shard_size": shard} if shard else {}))
    (folder / "generation_config.json").unlink(missing_ok=True)

    def load():
        return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()

    model = load()
    ids = torch.randint(0, model.config.vocab_size, (2, LENGTH), generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        tensors = {"logits": model(ids).logits.float()}
    tensors |= lora_gradients(model, ids)
    finish(folder, tensors, ids, greedy(load(), ids[:1, :PROMPT]))  # of its own: dynamic RoPE remembers longer texts


def finish(folder, tensors, ids, continued):
    (folder / "golden.json").write_text(json.dumps({"input_ids": ids.tolist(), "greedy": continued}) + "\n")
    save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, folder / "golden.safetensors")


def main():
    out = pathlib.Path(sys.argv[1])
    for family in sys.argv[2:] or FAMILIES:
        common, shapes = FAMILIES[family]
        for seed, (name, settings) in enumerate(shapes.items()):
            folder = out / family / name
            folder.mkdir(parents=True, exist_ok=True)
            if family == "openelm":
                from openelm_golden import write_openelm
                write_openelm(folder, {**common, **settings}, seed)
            else:
                write_transformers(folder, family, {**common, **settings}, seed)


if __name__ == "__main__":
    main()
