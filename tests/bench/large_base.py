"""A step of LoRA and LiZA on a base of Mistral 7B's shape whose Q4_0 blocks (4.1 GB, random) stay packed in memory. Run alone on the machine.

usage: large_base.py TPTT_BINARY TOKENIZER_GGUF TEXT_FILE [FOLDER]      with the interpreter of .venv-peers
TOKENIZER_GGUF: a file with a byte-level tokenizer, whose first 32,000 tokens are taken. FOLDER: where the base is made (4.1 GB), or lies already.
"""
import json
import pathlib
import subprocess

import numpy
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter

from common import LORA, arguments, show, tmp, write_rows

HIDDEN, LAYERS, HEADS, KV_HEADS, FFN, VOCAB, TOKENS = 4096, 32, 32, 8, 14336, 32000, 512
binary, tokenizer, text, *rest = arguments(__doc__, 3)
base = pathlib.Path(rest[0] if rest else tmp) / "mistral-7b-shaped.Q4_0.gguf"
random = numpy.random.default_rng(0)


def blocks(rows, columns):
    """Of 32 numbers each: a half-precision scale, then two numbers a byte, so that the numbers spread by about 0.02."""
    data = random.integers(0, 256, (rows, columns // 32, 18), dtype=numpy.uint8)
    data[:, :, :2] = numpy.frombuffer(numpy.float16(0.004).tobytes(), dtype=numpy.uint8)
    return data.reshape(rows, -1)


def add_tokenizer(writer):
    fields = GGUFReader(tokenizer).fields
    value = lambda key: fields[f"tokenizer.ggml.{key}"].contents()
    tokens = value("tokens")[:VOCAB]
    known = set(tokens)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(value("pre"))
    writer.add_token_list(tokens)
    writer.add_token_types(value("token_type")[:VOCAB])
    writer.add_token_merges([merge for merge in value("merges") if merge.replace(" ", "") in known])
    writer.add_bos_token_id(value("bos_token_id"))
    writer.add_eos_token_id(value("eos_token_id"))


def make_base():
    writer = GGUFWriter(base, "llama")
    writer.add_block_count(LAYERS)
    writer.add_context_length(32768)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(FFN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(VOCAB)
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    add_tokenizer(writer)
    matrix = lambda name, out, size: writer.add_tensor(f"{name}.weight", blocks(out, size), raw_dtype=GGMLQuantizationType.Q4_0)
    norm = lambda name: writer.add_tensor(f"{name}.weight", numpy.ones(HIDDEN, dtype=numpy.float32))
    matrix("token_embd", VOCAB, HIDDEN)
    for layer in range(LAYERS):
        norm(f"blk.{layer}.attn_norm")
        norm(f"blk.{layer}.ffn_norm")
        kv = KV_HEADS * HIDDEN // HEADS
        for name, out, size in [("attn_q", HIDDEN, HIDDEN), ("attn_k", kv, HIDDEN), ("attn_v", kv, HIDDEN), ("attn_output", HIDDEN, HIDDEN),
                                ("ffn_gate", FFN, HIDDEN), ("ffn_up", FFN, HIDDEN), ("ffn_down", HIDDEN, FFN)]:
            matrix(f"blk.{layer}.{name}", out, size)
    norm("output_norm")
    matrix("output", VOCAB, HIDDEN)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file(progress=True)
    writer.close()


if not base.exists():
    make_base()
rows = write_rows(text, 8000, 8)
config = tmp / "config.yaml"
config.write_text(f"""
model: {{name_or_path: {base}, quantization: keep}}
liza: {{operator_mode: delta_rule}}
lora: {LORA}
data: {{train: [{{path: {rows}}}], packing: false, completion_only_loss: false, max_length: {TOKENS}}}
training: {{output_dir: {tmp}/run, max_steps: 3, per_device_train_batch_size: 1, learning_rate: 5e-4, gradient_checkpointing: "true"}}
""")
show(f"1 x {TOKENS} tokens, LoRA and LiZA, recomputation\n| dtype | s a step | peak GB | of the GEMM peak |\n|---|---|---|---|")
for dtype in ("bfloat16", "float32"):
    out = subprocess.run([binary, "bench", config, "--json", "--steps", "1", f"model.dtype={dtype}"], check=True, stdout=subprocess.PIPE, text=True)
    r = json.loads(out.stdout)
    show(f"| {dtype} | {r['step_seconds']:.1f} | {r['peak_rss_gb']:.2f} | {100 * r['gemm_fraction']:.0f}% |")
