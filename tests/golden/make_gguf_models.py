"""Write tiny models as GGUF: what llama.cpp's own converter makes of those of make_family_golden.py, and one in ggml's blocks.

usage: make_gguf_models.py GOLDEN_DIR OUT_DIR      GOLDEN_DIR: what make_family_golden.py wrote
OUT_DIR/FAMILY-NAME.gguf gives the logits of GOLDEN_DIR/FAMILY/NAME (the stored bfloat16 is kept). OUT_DIR/blocks.gguf is a
Llama in Q8_0, Q4_0, Q4_1, Q5_0, Q5_1 and F16 with the logits of the dequantised weights in blocks.safetensors ("logits"
[B, T, V], "input_ids" [B, T]).
"""
import itertools
import json
import logging
import pathlib
import shutil
import sys
import tempfile

import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from llama_cpp_source import llama_cpp_source

sys.path[:0] = [str(llama_cpp_source()), str(llama_cpp_source() / "gguf-py")]
import gguf  # noqa: E402
from conversion import get_model_class  # noqa: E402
from conversion.base import ModelBase, ModelType, get_model_architecture  # noqa: E402

MODELS = ["llama/tied", "llama/gqa_bias_bf16_sharded", "llama/llama3_rope", "mistral/yarn", "qwen2/tied", "qwen2/yarn", "qwen3/wide_heads",
          "gemma3_text/mqa", "phi3/window", "phi3/longrope", "gpt2/plain"]


def convert(golden, out):
    with tempfile.TemporaryDirectory() as tmp:
        folder = pathlib.Path(tmp) / golden.name  # its name is written into the file
        shutil.copytree(golden, folder)
        hparams = ModelBase.load_hparams(folder, False)
        hparams.setdefault("n_ctx", hparams.get("n_positions"))
        # Gemma's converter counts the words there are.
        (folder / "tokenizer.json").write_text(json.dumps({"model": {"vocab": {str(i): i for i in range(hparams["vocab_size"])}}, "added_tokens": []}))
        architecture = get_model_architecture(hparams, ModelType.TEXT)
        model_class = get_model_class(architecture, mmproj=False)
        model = model_class(folder, gguf.LlamaFileType.MOSTLY_BF16, out, hparams=hparams)
        model.set_vocab = lambda: None  # these models have no words
        model.write()


def write_blocks(out):
    """Rows of 32, so that every type of 32 fits; llama's q and k rows as GGUF interleaves them."""
    torch.manual_seed(100)
    c = LlamaConfig(vocab_size=48, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
                    max_position_embeddings=128, rms_norm_eps=1e-5, bos_token_id=1, eos_token_id=2, tie_word_embeddings=True)
    model = LlamaForCausalLM(c).float().eval()
    writer = gguf.GGUFWriter(out / "blocks.gguf", "llama")
    writer.add_embedding_length(c.hidden_size)
    writer.add_feed_forward_length(c.intermediate_size)
    writer.add_block_count(c.num_hidden_layers)
    writer.add_head_count(c.num_attention_heads)
    writer.add_head_count_kv(c.num_key_value_heads)
    writer.add_context_length(c.max_position_embeddings)
    writer.add_layer_norm_rms_eps(c.rms_norm_eps)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, c.num_hidden_layers)
    types = itertools.cycle(getattr(gguf.GGMLQuantizationType, name) for name in ("Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "F16"))
    stored = {}
    for name, parameter in model.named_parameters():
        norm = parameter.dim() == 1
        kind = gguf.GGMLQuantizationType.F32 if norm else next(types)
        data = (torch.randn(parameter.shape) * (0.4 if norm else 0.2) + norm).numpy()
        packed = gguf.quants.quantize(data, kind)
        stored[name] = torch.from_numpy(gguf.quants.dequantize(packed, kind).astype("float32").reshape(data.shape).copy())
        heads = {"q_proj": c.num_attention_heads, "k_proj": c.num_key_value_heads}.get(name.split(".")[-2])
        if heads:
            data = data.reshape(heads, 2, data.shape[0] // heads // 2, -1).swapaxes(1, 2).reshape(data.shape)
        writer.add_tensor(names.get_name(name, try_suffixes=(".weight",)), gguf.quants.quantize(data, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    model.load_state_dict(stored, strict=False)
    ids = torch.randint(0, c.vocab_size, (2, 30), generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        logits = model(ids).logits
    save_file({"logits": logits.contiguous(), "input_ids": ids.float()}, out / "blocks.safetensors")


def main():
    golden, out = map(pathlib.Path, sys.argv[1:3])
    logging.disable(logging.WARNING)
    out.mkdir(parents=True, exist_ok=True)
    for name in MODELS:
        convert(golden / name, out / (name.replace("/", "-") + ".gguf"))
    write_blocks(out)


main()
