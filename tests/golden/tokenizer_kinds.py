"""Tiny tokenizers with the components that each model family's own files have, trained on the given texts."""
import json
import pathlib
import re

import gguf
import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
REST = r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
TEKKEN = rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*|\p{{N}}|{REST}"
ENDING = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
GPT4O = rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+{ENDING}|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*{ENDING}|\p{{N}}{{1,3}}|{REST}"
BYTE_LEVEL = pre_tokenizers.ByteLevel(add_prefix_space=False)
PLAIN = [AddedToken("<|custom|>", normalized=False)]  # all that GGUF can say
ADDED = [*PLAIN, AddedToken("<strip>", rstrip=True, lstrip=True, normalized=False),
         AddedToken("<lone>", single_word=True, normalized=False), AddedToken("norm\u00e9", normalized=True)]


def split(pattern):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), behavior="isolated"),
                                    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


# name: pre-tokeniser, normaliser, ignore_merges, tokenizer.ggml.pre
BYTE_KINDS = {
    "llama3": (split(LLAMA3), None, True, None),
    "qwen2": (split(QWEN2), normalizers.NFC(), False, None),
    "gpt2": (BYTE_LEVEL, None, False, None),
    "qwen3": (split(QWEN2), normalizers.NFC(), False, "qwen2"),
    "smollm3": (split(LLAMA3), None, True, "llama-bpe"),
    "gpt-2": (BYTE_LEVEL, None, False, "gpt-2"),
    "olmo": (BYTE_LEVEL, normalizers.NFC(), False, "olmo"),
    "olmo2": (split(LLAMA3), None, False, "dbrx"),
    "granite": (pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), BYTE_LEVEL]), None, False, "refact"),
    "tekken": (split(TEKKEN), None, True, "tekken"),
    "phi4-mini": (split(GPT4O), None, False, "gpt-4o"),
    "prefix-space": (pre_tokenizers.Sequence([pre_tokenizers.Split(" ", "merged_with_next"), pre_tokenizers.Digits(individual_digits=False),
                                              pre_tokenizers.ByteLevel(add_prefix_space=True)]), None, False, None),
}
TO_TEXT = [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]
STRIP = decoders.Sequence([*TO_TEXT, decoders.Strip(" ", 1, 0)])
# name: normaliser, pre-tokeniser, decoder
CHARACTER_KINDS = {
    "llama2": (normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]), None, STRIP),
    "mistral": (None, pre_tokenizers.Metaspace(prepend_scheme="first", split=False), STRIP),
    "gemma": (normalizers.Replace(" ", "\u2581"), pre_tokenizers.Split(" ", "merged_with_previous"), decoders.Sequence(TO_TEXT)),
    "metaspace": (normalizers.NFC(), pre_tokenizers.Metaspace(), decoders.Metaspace()),
    "phi3": (normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]), None, STRIP),
}


def train_bytes(name, texts):
    pre_tokenizer, normalizer, ignore_merges, pre = BYTE_KINDS[name]
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizer, decoders.ByteLevel()
    tokenizer.normalizer = normalizer
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=520, special_tokens=special, show_progress=False,
                                                             initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.add_tokens(PLAIN if pre else ADDED)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    if name == "llama3":
        template = processors.TemplateProcessing(single="<|endoftext|> $A", special_tokens=[("<|endoftext|>", 0)])
        tokenizer.post_processor = processors.Sequence([tokenizer.post_processor, template])
    return tokenizer


def train_characters(name, texts):
    normalizer, pre_tokenizer, decoder = CHARACTER_KINDS[name]
    trained = Tokenizer(models.BPE())
    trained.normalizer, trained.pre_tokenizer = None, pre_tokenizers.Metaspace()
    trained.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=300, limit_alphabet=90, show_progress=False))
    model = json.loads(trained.to_str())["model"]
    merges = [merge if isinstance(merge, list) else merge.split(" ") for merge in model["merges"]]
    special = ["<unk>", "<s>", "</s>"]
    if name == "phi3":  # what SentencePiece's scores say
        known = set(model["vocab"])
        merges = [(token[:i], token[i:]) for token in model["vocab"] for i in range(1, len(token)) if token[:i] in known and token[i:] in known]
    bytes_ = [] if name == "metaspace" else [f"<0x{byte:02X}>" for byte in range(256)]  # which has unknown characters then
    vocab = {token: i for i, token in enumerate([*special, *bytes_, *model["vocab"]])}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[tuple(m) for m in merges], unk_token="<unk>", fuse_unk=name != "gemma",
                                     byte_fallback=bool(bytes_)))
    tokenizer.normalizer, tokenizer.decoder = normalizer, decoder
    if pre_tokenizer:
        tokenizer.pre_tokenizer = pre_tokenizer
    if name == "phi3":
        add_phi3_tokens(tokenizer)
        return tokenizer
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in special])
    tokenizer.add_tokens(ADDED)
    if name == "llama2":
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
    return tokenizer


def add_phi3_tokens(tokenizer):
    """As Phi 3 has them: most take the white space behind them, </s> is not special."""
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in ("<unk>", "<s>", "<|endoftext|>")])
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, rstrip=True) for token in ("<|im_start|>", "<|im_end|>")])
    tokenizer.add_tokens([AddedToken(token, normalized=False, rstrip=True) for token in ("</s>", "<|custom|>")])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])


def train_sentencepiece(name, texts, directory):
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "rules.tsv").write_text("FB01\t66 69\n2026\t2E 2E 2E\n65 301\tE9\n2003\t20\n")
    kind = {"sp-bpe": {"model_type": "bpe", "byte_fallback": True, "split_digits": True, "normalization_rule_name": "identity",
                       "remove_extra_whitespaces": False, "allow_whitespace_only_pieces": True, "vocab_size": 900},
            "sp-unigram": {"model_type": "unigram", "normalization_rule_tsv": str(directory / "rules.tsv"), "vocab_size": 700,
                           "user_defined_symbols": "<|custom|>"}}[name]
    lines = [line for text in texts for line in text.splitlines() if line.strip() and "\0" not in line]
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(lines), model_prefix=str(directory / "tokenizer"), minloglevel=2,
                                             character_coverage=0.98, hard_vocab_limit=False, num_threads=1, **kind)
    for extra in ("tokenizer.vocab", "rules.tsv"):
        (directory / extra).unlink()


def encode_sentencepiece(processor, text):
    """sentencepiece between the control and unknown tokens, which it never finds in a text itself."""
    special = [i for i in range(len(processor)) if processor.is_control(i) or processor.is_unknown(i)]
    names = {processor.id_to_piece(i): i for i in special}
    ids = []
    for part in re.split("(" + "|".join(map(re.escape, names)) + ")", text):
        ids += [names[part]] if part in names else processor.encode(part)
    plain = [i for i in ids if i not in special]
    return ids, plain


def write_gguf(directory, pre):
    """tokenizer.gguf from tokenizer.json, as llama.cpp's converter writes it."""
    tokenizer = json.loads((directory / "tokenizer.json").read_text())
    tokens = {i: token for token, i in tokenizer["model"]["vocab"].items()}
    types = {}
    for added in tokenizer["added_tokens"]:
        tokens[added["id"]] = added["content"]
        types[added["id"]] = gguf.TokenType.CONTROL if added["special"] else gguf.TokenType.USER_DEFINED
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in tokenizer["model"]["merges"]]
    writer = gguf.GGUFWriter(str(directory / "tokenizer.gguf"), "llama")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list([tokens[i] for i in range(len(tokens))])
    writer.add_token_types([types.get(i, gguf.TokenType.NORMAL) for i in range(len(tokens))])
    writer.add_token_merges(merges)
    writer.add_bos_token_id(0)
    writer.add_add_bos_token(False)
    finish_gguf(writer)


def write_sentencepiece_gguf(directory, processor):
    kinds = [(processor.is_unknown, gguf.TokenType.UNKNOWN), (processor.is_control, gguf.TokenType.CONTROL),
             (processor.is_unused, gguf.TokenType.UNUSED), (processor.is_byte, gguf.TokenType.BYTE)]
    every = range(len(processor))
    writer = gguf.GGUFWriter(str(directory / "tokenizer.gguf"), "llama")
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([processor.id_to_piece(i) for i in every])
    writer.add_token_scores([processor.get_score(i) for i in every])
    writer.add_token_types([next((kind for test, kind in kinds if test(i)), gguf.TokenType.NORMAL) for i in every])
    finish_gguf(writer)


def write_phi3_gguf(directory):
    """The same for a Phi 3, whose vocabulary is SentencePiece's: scores and no merges."""
    tokenizer = json.loads((directory / "tokenizer.json").read_text())
    tokens = {i: token for token, i in tokenizer["model"]["vocab"].items()}
    types = {i: gguf.TokenType.BYTE for i, token in tokens.items() if re.fullmatch("<0x[0-9A-F]{2}>", token)}
    for added in tokenizer["added_tokens"]:
        tokens[added["id"]] = added["content"]
        types[added["id"]] = gguf.TokenType.CONTROL if added["special"] else gguf.TokenType.USER_DEFINED
    types[0] = gguf.TokenType.UNKNOWN
    writer = gguf.GGUFWriter(str(directory / "tokenizer.gguf"), "phi3")
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([tokens[i] for i in range(len(tokens))])
    writer.add_token_scores([-float(i) for i in range(len(tokens))])
    writer.add_token_types([types.get(i, gguf.TokenType.NORMAL) for i in range(len(tokens))])
    finish_gguf(writer)


def finish_gguf(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
