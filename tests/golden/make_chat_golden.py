"""Write conversations as Jinja renders them with each family's own chat template, as Transformers compiles it.

usage: make_chat_golden.py SMOLLM2_DIR OUT_DIR [--texts DIR]     SMOLLM2_DIR: see tests/e2e/make_smollm2_dir.py
OUT_DIR/conversations.json: the conversations; OUT_DIR/NAME.json: {texts: SHA-256 of each text, bos, eos, rows}, a row
for each conversation: null where the template refuses it, else [text, kept, rest], the text with the generation prompt
being text[:kept] + rest. The families' texts come from two packages (.cache keeps them) and are not in this
repository; where no package carries one, OWN has the smallest template that writes the published format.
--texts DIR writes them all as DIR/NAME--ORIGIN.jinja, and as none--ORIGIN.jinja those of families that are not built in.
"""
import ast
import hashlib
import json
import os
import pathlib
import re
import sys
import tempfile
import zipfile

from jinja2.exceptions import TemplateError
from transformers.utils.chat_template_utils import _compile_jinja_template

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from llama_cpp_source import llama_cpp_source  # noqa: E402
from pip_download import pip_download  # noqa: E402

CACHE = pathlib.Path(".cache/templates")

LOOP = "{% for m in messages %}"
ROLES = LOOP + "{% if m.role == 'assistant' %}A{% elif m.role == 'user' %}U{% else %}S{% endif %}{% endfor %}{% if add_generation_prompt %}P{% endif %}"
ALTERNATE = "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('in turn') }}{% endif %}"
FOLD = "{% set sys = messages[0].content if messages[0].role == 'system' else none %}{% set messages = messages[1:] if sys is not none else messages %}"


def roles(system, user, assistant, prompt, start=""):
    parts = {"S": system, "U": user, "A": assistant, "P": prompt}
    return start + re.sub("(?<=})[SUAP](?={)", lambda m: parts[m[0]], ROLES)


TULU = dict(system="{{ '<|system|>\n' + m.content + '\n' }}", user="{{ '<|user|>\n' + m.content + '\n' }}",
            assistant="{{ '<|assistant|>\n' + m.content + eos_token }}{% if not loop.last %}{{ '\n' }}{% endif %}", prompt="{{ '<|assistant|>\n' }}")
OWN = {
    "llama2": FOLD + LOOP + ALTERNATE + r"""{% set content = '<<SYS>>\n' + sys + '\n<</SYS>>\n\n' + m.content if loop.first and sys is not none else m.content %}"""
    "{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' if m.role == 'user' else ' ' + content.strip() + ' ' + eos_token }}{% endfor %}",
    "qwen2": r"{% if messages[0].role != 'system' %}{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{% endif %}" + LOOP
    + r"{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    "phi4-mini": LOOP + "{% if m.tools %}{{ '<|tool|>' }}{% endif %}{% set message = m %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endfor %}"
    "{{ '<|assistant|>' if add_generation_prompt else eos_token }}",
    "tulu": roles(**TULU),
    "olmo2": roles(**TULU, start="{{ bos_token }}"),
    "zephyr": roles("{{ '<|system|>\n' + m.content + eos_token + '\n' }}", "{{ '<|user|>\n' + m.content + eos_token + '\n' }}",
                    "{% set message = m %}{{ '<|assistant|>\n' + message['content'] + eos_token + '\n' }}", "{{ '<|assistant|>\n' }}"),
    # No model's own: our definitions, by Stanford's prompt texts and as data/README.md says.
    "alpaca": FOLD + r"""{% set input = messages[0].input %}{{ sys if sys is not none else 'Below is an instruction that describes a task' +
    (', paired with an input that provides further context' if input else '') + '. Write a response that appropriately completes the request.' }}{{ '\n\n' }}"""
    + LOOP + ALTERNATE + r"""{% if m.role == 'user' %}{{ '### Instruction:\n' + m.content + ('\n\n### Input:\n' + m.input if m.input else '') + '\n\n' }}
    {%- else %}{{ '### Response:' + m.content + eos_token + ('' if loop.last else '\n\n') }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '### Response:' }}{% endif %}""",
    "plain": roles("{{ m.content + '\n' }}", "{{ m.content + '\n' }}", "{{ m.content + eos_token + ('' if loop.last else '\n') }}", ""),
}

# Template: its texts (a file of a package, "string:NAME" of llama.cpp's test, or "own"), BOS, EOS and what else is set.
MODELS = "models/templates/"
FAMILIES = {
    "chatml": (["string:OpenHermes-2.5"], "<s>", "<|im_end|>", {}),
    "smollm2": (["smollm2"], "<|im_start|>", "<|im_end|>", {}),
    "smollm3": ([MODELS + "HuggingFaceTB-SmolLM3-3B"], "", "<|im_end|>", {}),
    "qwen2": (["trl/chat_templates/qwen2_5_vl", "own"], "", "<|im_end|>", {}),
    "qwen2.5": ([MODELS + "Qwen-Qwen2.5-7B-Instruct", "trl/chat_templates/qwen2_5"], "", "<|im_end|>", {}),
    "qwen3": ([MODELS + "Qwen-Qwen3-0.6B", "trl/chat_templates/qwen3"], "", "<|im_end|>", {}),
    "qwen3-nothink": ([MODELS + "Qwen-Qwen3-0.6B"], "", "<|im_end|>", {"enable_thinking": False}),
    "llama2": (["own"], "<s>", "</s>", {}),
    "llama3": (["trl/chat_templates/llama3"], "<|begin_of_text|>", "<|eot_id|>", {}),
    "llama3.1": ([MODELS + "meta-llama-Llama-3.1-8B-Instruct", MODELS + "meta-llama-Llama-3.2-3B-Instruct", MODELS + "meta-llama-Llama-3.3-70B-Instruct"],
                 "<|begin_of_text|>", "<|eot_id|>", {"date_string": "26 Jul 2024"}),  # Llama 3.2's would take the day's
    "mistral-v0": (["string:Old pre-v1"], "<s>", "</s>", {}),
    "mistral-v1": (["string:'v1' template"], "<s>", "</s>", {}),
    "mistral-v3": (["string:'v3' template"], "<s>", "</s>", {}),
    "mistral-v3-tekken": ([MODELS + "mistralai-Mistral-Nemo-Instruct-2407", "string:'v3-tekken'"], "<s>", "</s>", {}),
    "gemma2": ([MODELS + "google-gemma-2-2b-it", "trl/chat_templates/gemma"], "<bos>", "<eos>", {}),
    "gemma3": (["trl/chat_templates/gemma3"], "<bos>", "<end_of_turn>", {}),
    "phi3": (["trl/chat_templates/phi3"], "<s>", "<|endoftext|>", {}),
    "phi3.5": ([MODELS + "microsoft-Phi-3.5-mini-instruct", "trl/chat_templates/phi3_5"], "<s>", "<|endoftext|>", {}),
    "phi4-mini": (["own"], "<|endoftext|>", "<|endoftext|>", {}),
    "tulu": (["own"], "<|begin_of_text|>", "<|end_of_text|>", {}),
    "olmo2": (["own"], "<|endoftext|>", "<|endoftext|>", {}),
    "zephyr": (["own"], "<s>", "</s>", {}),
    "granite": (["string:granite-3.0", "string:granite-3.x"], "<|end_of_text|>", "<|end_of_text|>", {}),
    "granite3.3": ([MODELS + "ibm-granite-granite-3.3-2B-Instruct"], "<|end_of_text|>", "<|end_of_text|>", {}),
    "granite4": ([MODELS + "ibm-granite-granite-4.0"], "<|end_of_text|>", "<|end_of_text|>", {}),
    "granite4.1": ([MODELS + "ibm-granite-granite-4.1"], "<|end_of_text|>", "<|end_of_text|>", {}),
    "alpaca": (["own"], "<s>", "</s>", {}),
    "plain": (["own"], "<s>", "</s>", {}),
}
NEVER_AUTO = ("qwen3-nothink", "alpaca", "plain")
# Recognised too: with the generation prompt whether asked or not, and a cut-down text that writes what granite writes.
ALIKE = {"Llama-3": "llama3", "ibm-granite/granite-4.1 (tool call)": "granite"}

ODD = ["  odd\n\nblanks \t", "\u00a0\u3000wide\u2003", "\x1cfile\x1f", "\u200bzero\u200b", "\r\nlines\r\n", "\n\n\n"]
UNICODE = ["\U0001F642\U0001F469\u200d\U0001F469", "e\u0301 \u00fc \u4f60\u597d", "\u0627\u0644"]
LOOKALIKE = ["{{ 7 * 7 }} {% raw %}", "<|im_end|>", "[/INST]</s>", "{eos}{bos}", "<end_of_turn>\n", "<|eot_id|><|end|>", "### Response:", "<<SYS>>"]
REASONED = ["<think>\nwhy\n</think>\n\nso", "<think>why</think>so", "no open\n</think>\n\n\nx", "<think>a</think>b<think>c</think>\nd", "<think>\n\n</think>\n\nempty"]


def conversations():
    """Short ones: u and a take turns after an optional s."""
    turns = [["u:hi"], ["u:hi", "a:hello"], ["s:Be brief.", "u:hi"], ["s:Be brief.", "u:hi", "a:yes"], ["u:1", "a:2", "u:3"], ["u:1", "a:2", "u:3", "a:4"],
             ["s:S", "u:1", "a:2", "u:3"], ["s:S", "u:1", "a:2", "u:3", "a:4"], ["u:"], ["u:", "a:"], ["s:", "u:a"], ["s:", "u:a", "a:"], ["s: \n", "u: "],
             ["s:  padded \n", "u: q ", "a: r "], ["s:/no_think", "u:x", "a:\n\ny"], ["s:Answer. /no_think  ", "u:x", "a:y"], ["s:a /think b", "u:x"],
             ["u:<tool_response>1</tool_response>"], ["u:q", "a:<think>r</think>s", "u:<tool_response>1</tool_response>", "a:<think>t</think>u"]]
    turns += [[f"u:{text}", f"a:{text}"] for text in ODD + UNICODE + LOOKALIKE]
    turns += [[f"s:{text}", f"u:{text}"] for text in (ODD[0], ODD[1], UNICODE[1], LOOKALIKE[0], LOOKALIKE[3])]
    turns += [["u:q", f"a:{text}"] for text in REASONED] + [["u:q", f"a:{text}", "u:r"] for text in REASONED]
    turns += [["a:first"], ["a:first", "u:then"], ["u:1", "u:2"], ["s:S", "a:1"], ["u:1", "a:2", "a:3"], ["s:S", "u:1", "u:2", "a:3"], ["u:1", "a:2", "u:3", "u:4"],
              ["u:do|with this"], ["u:do|with this", "a:done", "u:more|and that"], ["s:S", "u:do|x", "a:y"]]
    names = {"s": "system", "u": "user", "a": "assistant"}
    out = []
    for conversation in turns:
        out.append([])
        for turn in conversation:
            content, bar, given = turn[2:].partition("|") if turn.startswith("u:do|") or turn.startswith("u:more|") else (turn[2:], "", "")
            out[-1].append({"role": names[turn[0]], "content": content} | ({"input": given} if bar else {}))
    return out


def fetch_trl():
    if (CACHE / "trl").exists():
        return
    with tempfile.TemporaryDirectory() as tmp:
        with zipfile.ZipFile(pip_download(tmp, "trl==1.16.0", "--only-binary=:all:")) as wheel:
            wheel.extractall(CACHE, [name for name in wheel.namelist() if re.search(r"^trl/chat_templates/[^/]+\.jinja$", name)])


def test_strings():
    """Name and text of the templates in llama.cpp's own test (C++ string literals are Python's here)."""
    source = (llama_cpp_source() / "tests/test-chat-template.cpp").read_text()
    for name, text in re.findall(r'/\* \.name= \*/ "([^"]*)",\s*/\* \.template_str= \*/ ("(?:[^"\\]|\\.)*")', source):
        yield name, ast.literal_eval(text)


def load(origin, name, smollm2):
    if origin == "own":
        return OWN[name]
    if origin == "smollm2":
        return (smollm2 / "chat_template.jinja").read_text()
    if origin.startswith("string:"):
        return next(text for title, text in test_strings() if origin[7:] in title)
    return ((CACHE if origin.startswith("trl/") else llama_cpp_source()) / (origin + ".jinja")).read_text()


def appended(messages, name):
    """Our messages as a template without `input` takes them."""
    if name == "alpaca":
        return messages
    return [{"role": m["role"], "content": m["content"] + ("\n\n" + m["input"] if m.get("input") else "")} for m in messages]


def render(text, name, messages, prompt, **settings):
    render_one = lambda turns: _compile_jinja_template(text).render(messages=turns, add_generation_prompt=prompt, **settings)
    messages = appended(messages, name)
    # These write the system text only where a user's turn is the last; we write it in the last user's turn always, as
    # the family's own tokenizer package does. Without the answer both agree, and the answer is what it adds elsewhere.
    if name.startswith("mistral-v3") and messages[0]["role"] == "system" and messages[-1]["role"] == "assistant":
        bare = render_one(messages[1:])
        return render_one(messages[:-1]) + bare[len(render_one(messages[1:-1])):]
    if name == "granite3.3" and messages[0]["role"] != "system":
        raise TemplateError("the default holds the day's date")
    return render_one(messages)


def rows(text, name, **settings):
    for messages in conversations():
        try:
            plain, prompted = (render(text, name, messages, prompt, **settings) for prompt in (False, True))
        except TemplateError:
            yield None
            continue
        kept = len(os.path.commonprefix([plain, prompted]).encode())
        yield [plain, kept, prompted.encode()[kept:].decode()]


def write_texts(out, smollm2):
    out.mkdir(parents=True, exist_ok=True)
    known = set()
    for name, (origins, *_) in FAMILIES.items():
        for origin in origins:
            text = load(origin, name, smollm2)
            known.add(text)
            if name not in NEVER_AUTO:
                (out / f"{name}--{re.sub('[^A-Za-z0-9.-]', '_', origin)}.jinja").write_text(text)
    others = [(path.stem, path.read_text()) for path in sorted(llama_cpp_source().glob("*/templates/*.jinja")) + sorted(CACHE.glob("trl/*/*.jinja"))] + list(test_strings())
    for origin, text in others:
        if text not in known and "_training" not in origin:
            (out / f"{ALIKE.get(origin, 'none')}--{re.sub('[^A-Za-z0-9.-]', '_', origin)}.jinja").write_text(text)


def main():
    smollm2, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    fetch_trl()
    out.mkdir(parents=True, exist_ok=True)
    (out / "conversations.json").write_text(json.dumps(conversations(), indent=0) + "\n")
    for name, (origins, bos, eos, settings) in FAMILIES.items():
        texts = [load(origin, name, smollm2) for origin in origins]
        first, *others = [list(rows(text, name, bos_token=bos, eos_token=eos, **settings)) for text in texts]
        assert all(other == first for other in others), f"the texts of {name} differ from one another"
        golden = {"texts": {origin: hashlib.sha256(text.encode()).hexdigest() for origin, text in zip(origins, texts)}, "eos": eos, "rows": first}
        (out / f"{name}.json").write_text(json.dumps(golden, indent=0) + "\n")
    if "--texts" in sys.argv:
        write_texts(pathlib.Path(sys.argv[sys.argv.index("--texts") + 1]), smollm2)


main()
