"""Write token ids and decoded text of a nasty corpus as Hugging Face tokenizers and sentencepiece give them.

usage: make_tokenizer_golden.py SMOLLM2_DIR OUT_DIR [--train] [--corpus TEXT]     SMOLLM2_DIR: see tests/e2e/make_smollm2_dir.py
OUT_DIR/texts.json: the corpus. OUT_DIR/NAME/golden.json for each kind of tokenizer_kinds.py, beside its tokenizer.json (or
tokenizer.model) and tokenizer.gguf, and for smollm2: special_ids (what an empty text gives with special tokens) and rows of [ids,
decoded text, without special tokens], null where that is the text; sentencepiece's rows have the last alone, or are null.
Without --train it takes the tokenizers of tests/golden/tokenizers, so that what it writes must equal what is committed there.
--corpus adds the first 200 kB of a text: OUT_DIR/corpus.json, and each kind's ids, NAME/corpus.json.
"""
import json
import pathlib
import shutil
import sys

import sentencepiece
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from tokenizer_kinds import (BYTE_KINDS, CHARACTER_KINDS, encode_sentencepiece, train_bytes, train_characters, train_sentencepiece,
                             write_gguf, write_phi3_gguf, write_sentencepiece_gguf)

HERE = pathlib.Path(__file__).parent / "tokenizers"
LANGUAGES = [
    "The quick brown fox can't jump; they'll say it's over the lazy dog's back, I'd bet we've won.",
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich – Maße: 3,5 m²!", "Voix ambiguë d’un cœur qui préfère les jattes de kiwis.",
    "El pingüino Wenceslao hizo kilómetros bajo exhaustiva lluvia; ¿añoraba a su niño?", "À noite, vovô Kowalsky vê o ímã cair no pé do pinguim.",
    "Pchnąć w tę łódź jeża lub ośm skrzyń fig.", "Příliš žluťoučký kůň úpěl ďábelské ódy.", "Pijamalı hasta yağız şoföre çabucak güvendi. İIıi",
    "Съешь же ещё этих мягких французских булок, да выпей чаю.", "Жебракують філософи при ґанку церкви в Гадячі, ще й шатро їхнє п'яне знаємо.",
    "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία.", "נוּן דג סקרן שט בים מאוכזב ולפתע מצא חברה", "صِف خَلقَ خَودٍ كَمِثلِ الشَمسِ إِذ بَزَغَت ١٢٣٤", "ऋषियों को सताने वाले दुष्ट राक्षसों के राजा रावण १२३",
    "আমি কাচ খেতে পারি, তাতে আমার কোন ক্ষতি হয় না।", "நான் கண்ணாடி சாப்பிடுவேன்", "เป็นมนุษย์สุดประเสริฐเลิศคุณค่า ๑๒๓", "我能吞下玻璃而不伤身体。一二三，１２３！",
    "いろはにほへと ちりぬるを カタカナ ﾊﾝｶｸ 東京都", "키스의 고유조건은 입술끼리 만나야 하고", "Tiếng Việt: Do bạch kim rất quý, sẽ dùng để lắp vô xương.", "Kæmi ný öxi hér, ykist þjófum nú bæði víl og ádrepa.",
    "ამ სოფელში ქართული ენა", "Բել դղյակի ձախ ժամն", "ጌታ አምላክ", "ខ្ញុំអាចញុំកញ្ចក់បាន", "ང་ཚོ་བོད་པ", "𐌼𐌰𐌲 𐌲𐌻𐌴𐍃 𝕳𝖊𝖑𝖑𝖔 𝟏𝟐𝟑"]
NASTY = [
    "", " ", "  ", "\t", "\n", "\r\n", "a", " a", "a ", "  a  b   c    ", "\n\n\n", " \n \n ", "\r\n\r\n", "a\r\nb\r\n\r\nc", "a\rb", "\t\tx\t y",
    "line one\n  indented\n\tdef f(x):\n\t\treturn x ** 2  # square\n\n\n", "for (int i = 0; i < 10; ++i) { a[i] = b[i] << 2; } // ok\n",
    "if(x!=null&&y>=0x1F){return`${a}`;}", "SELECT * FROM t WHERE a='it''s' AND b<>\"q\";", "https://example.com/a?b=c&d=%20e#f_g-h.i~j",
    "1", "12", "123", "1234", "12345", "123456789012345678901234567890", "3.14159e-10", "1,234,567.89", "0x1234abcd", "v1.2.3-rc4+5", "a1b22c333d4444",
    "I'm you're HE'S she'D we'LL they'Ve 'tis ’tis I’m", "don't'll''s 's 'S 'ſ", "ÅÅ Å é é ﬁ ½ ² ① Ⅷ", "é=e\u0301 Å=A\u030a 각=\u1100\u1161\u11a8",
    "🙂", "🙂🙃", "👩‍👩‍👧‍👦 👍🏽 🇩🇪🇫🇷 ☎️ 1️⃣", "a🙂b 🙂 c🙂", "\u200b\u200c\u200d\ufeff", "\u00a0\u2003\u3000x\u00a0y\u2028z\u2029w\u0085v\u000bu\u000ct",
    "\u0000\u0001\u001f\u007f\u0080", "\ufffd\uffff\U0010ffff", "a\u0300\u0301\u0302\u0303", "«»„“‚‘—–…·•†‡§¶", "!!!???...", "--==++**//\\\\||&&^^%%$$##@@~~``",
    "((([[[{{{<<<>>>}}}]]])))", "_____", "a_b_c__d", "CamelCaseWordsAndABBRs", "ALLCAPS lower MiXeD", " \u00a0 mixed \t spaces \n", "x" * 300, " " * 100 + "x",
    "ab" * 200, "\n" * 50, "word " * 60, "trailing newline\n", "trailing space ", " leading", "\n leading newline", "tab\tseparated\tvalues\n1\t2\t3\n",
    "<|endoftext|>", "a<|endoftext|>b", "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n", " <|im_start|> <|im_end|> ", "<|im_start|><|im_start|>", "<|im_start", "|im_end|>",
    "<|custom|>inside<|custom|> text", "x<strip> \t y", "keep <lone>word and <lone> word", "norm\u00e9", "NORME\u0301 norme\u0301", "<s>not special</s> [MASK] <unk>", "<repo_name>a<file_sep>b<jupyter_text>"]
TEXTS = NASTY + LANGUAGES
KINDS = [*BYTE_KINDS, *CHARACTER_KINDS]
# Which AutoTokenizer does not heed where there is a tokenizer.json.
BOS_AND_EOS = {"bos_token": "<s>", "eos_token": "</s>", "add_bos_token": True, "add_eos_token": True}


def row(text, ids, decoded, plain):
    """A decoded text that is the text itself is null."""
    return [ids, None if decoded == text else decoded, None if plain == text else plain]


def write_json(path, value):
    path.write_text(json.dumps(value, ensure_ascii=True, separators=(",", ":")) + "\n")


def write(tokenizer, directory, corpus, with_special=None):
    rows = []
    for text in TEXTS:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        rows.append(row(text, ids, tokenizer.decode(ids, skip_special_tokens=False), tokenizer.decode(ids)))
    empty = (with_special or tokenizer).encode("", add_special_tokens=True)
    write_json(directory / "golden.json", {"special_ids": empty if isinstance(empty, list) else empty.ids, "rows": rows})
    if corpus:
        write_json(directory / "corpus.json", [tokenizer.encode(part, add_special_tokens=False).ids for part in corpus])


def write_kind(name, out, corpus, trained):
    directory = out / name
    directory.mkdir(parents=True, exist_ok=True)
    if trained:
        trained.save(str(directory / "tokenizer.json"), pretty=False)
    config = {"tokenizer_class": "TokenizersBackend", **(BOS_AND_EOS if name == "mistral" else {})}
    write_json(directory / "tokenizer_config.json", config)
    write_json(directory / "config.json", {"model_type": "llama"})
    tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
    write(tokenizer, directory, corpus, AutoTokenizer.from_pretrained(directory))
    pre = BYTE_KINDS[name][3] if name in BYTE_KINDS else None
    if pre:
        write_gguf(directory, pre)
    if name == "phi3":
        write_phi3_gguf(directory)


def write_sentencepiece(name, out, corpus):
    directory = out / name
    processor = sentencepiece.SentencePieceProcessor(model_file=str(directory / "tokenizer.model"))
    write_json(directory / "config.json", {"model_type": "llama"})
    rows = []
    for text in TEXTS:
        ids, plain = encode_sentencepiece(processor, text)
        # The ways to cut one repeated letter have equal scores, so that rounding picks one: versions differ.
        rows.append([ids, processor.decode(plain)] if len(set(text)) > 1 or len(text) < 100 else None)
    write_json(directory / "golden.json", {"special_ids": [processor.bos_id()], "rows": rows})
    if corpus:
        write_json(directory / "corpus.json", processor.encode(corpus[:-1] if name == "sp-unigram" else corpus))
    if name == "sp-bpe":
        write_sentencepiece_gguf(directory, processor)


def read_corpus(path):
    """Its lines, then the whole, over which rounding decides between what scores alike: not for unigram."""
    text = path.read_bytes()[:200_000].decode(errors="ignore")
    return [*text.splitlines(keepends=True), text]


def main():
    smollm2, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    training = [pathlib.Path(__file__).read_text(), *TEXTS]
    corpus = read_corpus(pathlib.Path(sys.argv[sys.argv.index("--corpus") + 1])) if "--corpus" in sys.argv else None
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "texts.json", TEXTS)
    if corpus:
        write_json(out / "corpus.json", corpus)
    for name in KINDS + ["sp-bpe", "sp-unigram"]:
        if "--train" not in sys.argv and out.resolve() != HERE.resolve():
            shutil.copytree(HERE / name, out / name, dirs_exist_ok=True)
    for name in KINDS:
        train = train_bytes if name in BYTE_KINDS else train_characters
        write_kind(name, out, corpus, train(name, training) if "--train" in sys.argv else None)
    for name in ("sp-bpe", "sp-unigram"):
        if "--train" in sys.argv:
            train_sentencepiece(name, training, out / name)
        write_sentencepiece(name, out, corpus)
    (out / "smollm2").mkdir(exist_ok=True)
    write(Tokenizer.from_file(str(smollm2 / "tokenizer.json")), out / "smollm2", corpus)


main()
