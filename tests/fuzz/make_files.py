#!/usr/bin/env python3
"""Writes the files of known attacks (regressions/) and the small seeds (seeds/) of the fuzzer. usage: make_files.py"""
import json
import pathlib
import struct

HERE = pathlib.Path(__file__).parent
U8, U32, F32, BOOL, STRING, ARRAY = 0, 4, 6, 7, 8, 9  # GGUF's value types


def u32(value):
    return struct.pack("<I", value)


def u64(value):
    return struct.pack("<Q", value)


def text(value):
    return u64(len(value)) + value


def gguf(tensors=0, keys=0, body=b"", data=b""):
    file = b"GGUF" + u32(3) + u64(tensors) + u64(keys) + body
    return file + b"\0" * (-len(file) % 32) + data


def key(name, kind, value):
    return text(name) + u32(kind) + value


def strings(values):
    return u32(STRING) + u64(len(values)) + b"".join(map(text, values))


def tensor(name, dims, kind=0, offset=0):
    return text(name) + u32(len(dims)) + b"".join(map(u64, dims)) + u32(kind) + u64(offset)


def gguf_files():
    llama = key(b"general.architecture", STRING, text(b"llama"))
    tokens = [b"<unk>", b"<s>", b"</s>", b"<0x-1>", b"<0x+1>", b"a"]
    vocabulary = (llama + key(b"tokenizer.ggml.model", STRING, text(b"llama")) +
                  key(b"tokenizer.ggml.tokens", ARRAY, strings(tokens)) +
                  key(b"tokenizer.ggml.scores", ARRAY, u32(F32) + u64(6) + struct.pack("<6f", 0, 0, 0, 0, 0, -1)) +
                  key(b"tokenizer.ggml.token_type", ARRAY, u32(U32) + u64(6) + struct.pack("<6I", 2, 3, 3, 6, 6, 1)))
    sizes = b"".join(key(b"llama." + name, U32, u32(2)) for name in
                     (b"attention.head_count", b"embedding_length", b"feed_forward_length"))
    return {
        "CVE-2024-21802": gguf(1, 0, text(b"t") + u32(0x7FFFFFFF) + u64(1) * 8),
        "CVE-2024-21825": gguf(0, 1, key(b"k", ARRAY, u32(STRING) + u64((1 << 60) + 1) + text(b"a" * 32))),
        "CVE-2024-21836": gguf((1 << 64) // 88 + 1, 0, b"\0" * 256),
        "CVE-2024-23605": gguf(0, (1 << 64) // 32 + 1, b"\0" * 256),
        "CVE-2024-23496": gguf(0, 1, u64((1 << 64) - 1) + b"k" * 64),
        "CVE-2024-25664": gguf(0, 1 << 32, key(b"k", U32, u32(1))),
        "CVE-2024-25665": gguf(0, 1, key(b"k", STRING, u64(1 << 40) + b"a" * 64)),
        "CVE-2024-25666": gguf(1 << 32, 0, tensor(b"t", [1])),
        "CVE-2024-25667": gguf(0, 1, key(b"k", ARRAY, u32(U32) + u64((1 << 62) + 1) + b"\0" * 64)),
        "CVE-2024-25668": gguf(0, 1, key(b"k", ARRAY, u32(STRING) + u64(4) + text(b"a") + u64(1 << 63) + b"a" * 64)),
        "CVE-2024-32878": gguf(1, 3, key(b"a", STRING, text(b"b")) + text(b"k") + u32(STRING)),
        "CVE-2024-42477": gguf(1, 0, tensor(b"t", [1], 0x7FFFFFFF), b"1234"),
        "CVE-2025-53630": gguf(2, 0, tensor(b"a", [1 << 61], 0) + tensor(b"b", [1 << 61], 0, 1 << 63), b"1234"),
        "CVE-2026-27940": gguf(2, 0, tensor(b"a", [(1 << 62) - 8], 1) + tensor(b"b", [1], 0, (1 << 64) - 32), b"1234"),
        "CVE-2026-33298": gguf(1, 0, tensor(b"t", [1 << 31, 1 << 31, 4], 0), b"1234"),
        "CVE-2026-7482": gguf(1, 0, tensor(b"t", [1 << 20, 4], 0), b"\0" * 64),
        "llama.cpp-24759": gguf(1, 1, key(b"general.alignment", U32, u32(0xFFFFFFF8)) + tensor(b"t", [1]), b"1234"),
        "llama.cpp-26690": gguf(0, 1, key(b"general.architecture", ARRAY, strings([b"llama"]))),
        "llama.cpp-26690-element": gguf(0, 1, key(b"k", ARRAY, u32(ARRAY) + u64(1) + b"\0" * 32)),
        "llama.cpp-25821": gguf(0, 5, llama + key(b"llama.block_count", U32, u32(0xFFFFFFFF)) + sizes),
        "whisper.cpp-3787": gguf(1, 0, tensor(b"t", [1] * 5), b"1234"),
        "CTranslate2-2068": gguf(1, 0, tensor(b"", [0]), b"1234"),
    }, {
        "CVE-2025-49847": gguf(0, 1, key(b"tokenizer.ggml.tokens", ARRAY, u32(STRING) + u64(1) + u64((1 << 31) + 1))),
        "llama.cpp-27226": gguf(0, 5, vocabulary),
    }


def model(architecture):
    """A GGUF file of one layer, with every key that some architecture reads."""
    prefix = architecture.encode() + b"."
    counts = {b"block_count": 1, b"context_length": 16, b"embedding_length": 4, b"feed_forward_length": 4, b"expert_count": 2,
              b"attention.head_count": 2, b"attention.head_count_kv": 1, b"attention.key_length": 4, b"rope.dimension_count": 4,
              b"expert_used_count": 1, b"attention.sliding_window": 8, b"rope.scaling.original_context_length": 8}
    reals = [b"attention.layer_norm_rms_epsilon", b"attention.layer_norm_epsilon", b"attention.scale", b"embedding_scale",
             b"residual_scale", b"logit_scale", b"attn_logit_softcapping", b"rope.freq_base", b"rope.scaling.factor"]
    keys = [key(b"general.architecture", STRING, text(architecture.encode()))]
    keys += [key(prefix + name, U32, u32(value)) for name, value in counts.items()]
    keys += [key(prefix + name, F32, struct.pack("<f", 0.5)) for name in reals]
    tensors = [tensor(b"token_embd.weight", [4, 2]), tensor(b"blk.0.attn_q.weight", [4, 8], 1, 32),
               tensor(b"blk.0.ffn_gate_exps.weight", [4, 4, 2], 30, 96), tensor(b"rope_freqs.weight", [2], 0, 160)]
    return gguf(len(tensors), len(keys), b"".join(keys + tensors), bytes(range(168)))


def field(number, value):
    """A field of protobuf: bytes, or a small number."""
    if isinstance(value, int):
        return bytes([number << 3, value])
    size, length = len(value), b""
    while size >= 128:
        length, size = length + bytes([size & 127 | 128]), size >> 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + value


def piece(name, kind=1):
    return field(1, field(1, name) + field(3, kind))


def sentencepiece(pieces=b"", charsmap=None):
    model = piece(b"<unk>", 2) + piece(b"a") + pieces + field(2, field(3, 1))
    return model + (field(3, field(2, charsmap)) if charsmap is not None else b"")


def charsmap(units):
    units = list(units) + [0] * (256 - len(units))
    return u32(4 * len(units)) + struct.pack("<256I", *units) + b"x\0"


def sentencepiece_files():
    return {
        "CVE-2026-1260": sentencepiece(piece(b"b\0c")),
        "sentencepiece-1263": sentencepiece(piece(b"a" * 8001)),
        "sentencepiece-1267": sentencepiece(charsmap=charsmap([0x3FFFFF << 10])),
        "sentencepiece-1269": sentencepiece(charsmap=u32(1 << 30) + b"\0" * 64),
        "sentencepiece-1272": sentencepiece(b"".join(piece(b"b" * n, 4) for n in range(1, 70))),
        "llama.cpp-25258": sentencepiece(charsmap=b"\0\0"),
    }


def safetensors(header, data=b""):
    header = json.dumps(header).encode()
    return u64(len(header)) + header + data


def one(shape, begin, end):
    return {"t": {"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}}


def index(name):
    return json.dumps({"weight_map": {"x": name, "y": "b.safetensors"}}).encode()


JINJA = "{{ ''.__class__.__mro__[1].__subclasses__()[104].__init__.__globals__['sys'].modules['os'].system('id') }}"


def attacks():
    headers, vocabularies = gguf_files()
    return {
        "gguf": headers,
        "gguf_tokenizer": vocabularies,
        "sentencepiece": sentencepiece_files(),
        "safetensors": {"CTranslate2-2068": safetensors(one([4], 0, 8), b"12345678"),
                        "wraps": safetensors(one([1 << 62, 4], 0, 8), b"12345678")},
        "weight_index": {"transformers-46097": index("../outside.safetensors"),
                         "transformers-47176": index("/etc/passwd"),
                         "null-byte": index("a.safetensors\0/../../x")},
        "tokenizer_config": {"CVE-2026-5760": json.dumps({"chat_template": JINJA}).encode()},
    }


def tokenizer(normalizer=(), pre_tokenizer=(), decoder=(), tokens=(), vocab=("a", "<0x61>")):
    def sequence(key, steps):
        return {"type": "Sequence", key: list(steps)}
    vocab = vocab if isinstance(vocab, dict) else {token: at for at, token in enumerate(vocab)}
    return json.dumps({"model": {"type": "BPE", "vocab": vocab, "merges": []},
                       "added_tokens": [{"id": len(vocab) + at, "content": text, "normalized": True} for at, text in enumerate(tokens)],
                       "normalizer": sequence("normalizers", normalizer), "pre_tokenizer": sequence("pretokenizers", pre_tokenizer),
                       "decoder": sequence("decoders", decoder)}).encode()


def replace(old, new):
    return {"type": "Replace", "pattern": {"String": old}, "content": new}


def findings():
    """What was wrong once (README.md), but for what the fuzzer itself wrote."""
    doubled = {"type": "Metaspace", "replacement": "  ", "prepend_scheme": "never", "split": False}
    llama = key(b"general.architecture", STRING, text(b"llama")) + key(b"llama.attention.head_count", U32, u32(2))
    config = {"model_type": "llama", "vocab_size": 8, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1,
              "num_attention_heads": 2, "head_dim": (1 << 63) - 1}
    olmoe = llama.replace(b"llama", b"olmoe")
    return {
        "gguf": {"experts-without-bytes": gguf(1, 2, olmoe + tensor(b"blk.0.ffn_gate_exps.weight", [0, 4, 1 << 40])),
                 "elements-wrap-before-0": gguf(1, 2, llama + tensor(b"output.weight", [0, 1 << 31, 1 << 32])),
                 "heads-of-no-rows": gguf(1, 2, llama + tensor(b"blk.0.attn_q.weight", [1, 3]), b"\0" * 12)},
        "config": {"head_dim-of-2-to-63": json.dumps(config).encode()},
        "tokenizer_json": {"id-of-millions": tokenizer(vocab={"a": 3999999}),
                           "decoder-doubles": tokenizer(decoder=[replace("a", "aa")] * 40),
                           "metaspace-doubles": tokenizer(pre_tokenizer=[doubled] * 40),
                           "tokens-blown-up": tokenizer([replace("a", "aa")] * 40 + [replace("aa", "a")] * 20,
                                                        tokens=[f"a{n}" for n in range(200)])},
        "tokenizer_config": {"id-of-millions": json.dumps({"added_tokens_decoder": {"3999999": {"content": "x"}}}).encode()},
    }


def fnv1a64(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 % (1 << 64)
    return f"{value:016x}"


def event(step):
    record = b"\x09" + struct.pack("<d", 1.5) + bytes([0x10, step]) + field(5, field(1, field(1, b"loss") + b"\x15\0\0\0\0"))
    return u64(len(record)) + u32(0) + record + u32(0)


def token_cache():
    data = struct.pack("<4i4B1q1q", 1, 2, 3, 4, 0, 1, 1, 1, 4, 2)
    header = {"__metadata__": {"key": "k", "sha256": "0" * 64, "num_truncated": "0", "num_split": "0", "num_dropped": "1"}}
    at = 0
    for name, kind, count, size in ("ids", "I32", 4, 16), ("train", "U8", 4, 4), ("lengths", "I64", 1, 8), ("rows", "I64", 1, 8):
        header[name] = {"dtype": kind, "shape": [count], "data_offsets": [at, at + size]}
        at += size
    compact = json.dumps(header, separators=(",", ":")).encode()
    return u64(len(compact)) + compact + data


LORA = {"peft_type": "LORA", "r": 8, "lora_alpha": 16, "lora_dropout": 0.05, "use_rslora": False, "use_dora": False,
        "rank_pattern": {"q_proj": 4}, "alpha_pattern": {"q_proj": 8}, "bias": "none", "init_lora_weights": True,
        "target_modules": ["q_proj", "v_proj"], "exclude_modules": None, "layers_to_transform": [0], "modules_to_save": None}
LIZA = {"operator_mode": "delta_rule", "max_chunk_size": 64, "linear_precision": "float32", "target_modules": "all",
        "cross_gate": False, "base_scale_attn": False, "mag": {"mode": "constant", "mag_weight": 0.5}}
TPTT = {"model_type": "tptt", "base_model_name": "a/b", "operator_mode": "delta_rule", "mag_weight": 0.5,
        "max_chunk_size": 64, "target_modules_names": ["self_attn"], "bidirectional": False, "lora_config": LORA}
METRICS = {"step": 1, "epoch": 0.1, "loss": 2.5, "eval_loss": 2.25, "target_tokens": 10,
           "liza": {"mag_weight": [0.5, None], "softmax_rms": [1.0, None], "linear_rms": [1.0, None], "state_norm": [2, None]}}
SAMPLE = {"run": "r", "task": "mmlu_virology", "doc_id": 0, "prediction": 1, "target": 2, "loglikelihoods": [-1.5, None],
          "scores": {"acc,none": 0.0}}


def line(value):
    return (json.dumps(value) + "\n").encode()


CHAT = [{"role": "system", "content": "s"}, {"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "weight": 1}]


def seeds():
    state = b"{}\n"
    return {
        "weight_index": index("a.safetensors"),
        "adapter_config": line(LORA),
        "liza_config": line(LIZA),
        "tptt_config": line(TPTT),
        "manifest": line({"step": 10, "files": {"trainer.json": {"size": len(state), "fnv1a64": fnv1a64(state)}}}),
        "metrics": line(METRICS) + line({"step": 2, "epoch": 0.2, "loss": 2.0}),
        "samples_before": line({"eval_losses": [{"sum": 1.5, "target_tokens": 3}],
                                "answers": [{"prompt": "a", "expected": "b", "text": "c"}]}),
        "samples": line(SAMPLE) + line({**SAMPLE, "doc_id": 1, "response": "x", "truncated": True}),
        "events": event(1) + event(2) + event(20),
        "trainer_state": line({"step": 10, "optimizer_steps": 10, "best": {"eval_loss": 1.5, "step": 5, "evals_since": 1}}),
        "token_cache": token_cache(),
        "json_rows": line([{"messages": CHAT}, {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}]),
    }


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


for files_of in attacks(), findings():
    for parser, files in files_of.items():
        for name, data in files.items():
            write(HERE / "regressions" / parser / name, data)
for parser, data in seeds().items():
    write(HERE / "seeds" / parser / "whole", data)
for name in "gemma2", "gemma3", "gpt2", "granite", "llama", "olmo", "olmoe", "phi3", "qwen3":
    write(HERE / "seeds/gguf" / name, model(name))
