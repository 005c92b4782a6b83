"""Write token ids and decoded text of a nasty corpus as Hugging Face tokenizers give them.

usage: make_tokenizer_golden.py SMOLLM2_DIR OUT_DIR [--train]     SMOLLM2_DIR: see tests/e2e/make_smollm2_dir.py
Trains byte-level BPE tokenizers with the pre-tokenisers of Llama 3, Qwen2 and GPT-2 and writes
OUT_DIR/NAME/{tokenizer.json,tokenizer_config.json,config.json} and OUT_DIR/NAME/golden.json ({text, ids, special_ids, decoded,
plain} of each text); OUT_DIR/smollm2/golden.json likewise. Without --train it takes the tokenizer.json files of
tests/golden/tokenizers, so that what it writes must equal what is committed there.
"""
import json
import pathlib
import sys

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

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
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")


def split(pattern):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), behavior="isolated"),
                                    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def train(name):
    tokenizer = Tokenizer(models.BPE(ignore_merges=name == "llama3"))
    tokenizer.pre_tokenizer = {"llama3": split(LLAMA3), "qwen2": split(QWEN2), "gpt2": pre_tokenizers.ByteLevel(add_prefix_space=False)}[name]
    tokenizer.normalizer = normalizers.NFC() if name == "qwen2" else None
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    corpus = [pathlib.Path(__file__).read_text(), *TEXTS]
    tokenizer.train_from_iterator(corpus, trainers.BpeTrainer(vocab_size=900, special_tokens=special, show_progress=False,
                                                              initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.add_tokens([AddedToken("<|custom|>", normalized=False), AddedToken("<strip>", rstrip=True, lstrip=True, normalized=False),
                          AddedToken("<lone>", single_word=True, normalized=False), AddedToken("norm\u00e9", normalized=True)])
    if name == "llama3":
        start = tokenizer.token_to_id("<|endoftext|>")
        tokenizer.post_processor = processors.Sequence([
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(single="<|endoftext|> $A", pair=None, special_tokens=[("<|endoftext|>", start)])])
    else:
        tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer


def write(tokenizer, path):
    rows = []
    for text in TEXTS:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        rows.append({"text": text, "ids": ids, "special_ids": tokenizer.encode(text).ids, "decoded": tokenizer.decode(ids, skip_special_tokens=False),
                     "plain": tokenizer.decode(ids)})
    path.write_text(json.dumps(rows, ensure_ascii=True, indent=0) + "\n")


def main():
    smollm2, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    here = pathlib.Path(__file__).parent / "tokenizers"
    for name in ("llama3", "qwen2", "gpt2"):
        (out / name).mkdir(parents=True, exist_ok=True)
        if "--train" in sys.argv:
            train(name).save(str(out / name / "tokenizer.json"))
        else:
            (out / name / "tokenizer.json").write_bytes((here / name / "tokenizer.json").read_bytes())
        tokenizer = Tokenizer.from_file(str(out / name / "tokenizer.json"))
        (out / name / "tokenizer_config.json").write_text("{}\n")
        (out / name / "config.json").write_text(json.dumps({"model_type": "llama"}) + "\n")
        write(tokenizer, out / name / "golden.json")
    (out / "smollm2").mkdir(exist_ok=True)
    write(Tokenizer.from_file(str(smollm2 / "tokenizer.json")), out / "smollm2" / "golden.json")


main()
