"""Which tokens train, token by token, against Transformers: assistant-only, completion-only and per-turn masks.

The oracle of conversations is apply_chat_template(return_assistant_tokens_mask) with SmolLM2's own template, {% generation %} put
around what the assistant writes; of prompt and completion it is TRL's rule: what tokenizer(prompt + completion + EOS) has after
tokenizer(prompt). Ours are read from the token cache.
usage: parity_masks.py TPTT_BINARY MODEL_DIR      MODEL_DIR: see make_smollm2_dir.py
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from safetensors.numpy import load_file
from transformers import AutoTokenizer

binary, directory = sys.argv[1:3]
tokenizer = AutoTokenizer.from_pretrained(directory)
SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
TEMPLATE = (
    "{% for m in messages %}{% if loop.first and m.role != 'system' %}<|im_start|>system\n" + SYSTEM + "<|im_end|>\n{% endif %}"
    "{{ '<|im_start|>' + m.role + '\n' }}{% if m.role == 'assistant' and m.train is not false %}"
    "{% generation %}{{ m.content + '<|im_end|>' }}{% endgeneration %}{% else %}{{ m.content + '<|im_end|>' }}{% endif %}"
    "{{ '\n' }}{% endfor %}")
ANSWERS = ["Yes.", " leading blank", "two\n\nparagraphs\n", "naïve café 東京 🙂", "1234567890", "def f(x):\n\treturn x\n", "<|im_end|> inside", "x" * 70]
QUESTIONS = ["Why?", "  spaces  ", "Wie heißt das?\n", "2+2=", "", "Say <|endoftext|>"]


def conversation(i):
    messages = [{"role": "system", "content": f"Be brief {i}."}] if i % 3 == 0 else []
    for turn in range(1 + i % 4):
        messages.append({"role": "user", "content": QUESTIONS[(i + turn) % len(QUESTIONS)]})
        messages.append({"role": "assistant", "content": ANSWERS[(3 * i + turn) % len(ANSWERS)]})
    return messages


def chat_masks(messages):
    ours = tokenizer.apply_chat_template(messages, chat_template=TEMPLATE, tokenize=True, return_dict=True, return_assistant_tokens_mask=True)
    assert ours["input_ids"] == tokenizer.apply_chat_template(messages, tokenize=True, return_dict=True)["input_ids"], messages
    return ours["input_ids"], ours["assistant_masks"]


def completion_masks(row):
    prompt = tokenizer(row["prompt"]).input_ids
    ids = tokenizer(row["prompt"] + row["completion"] + tokenizer.eos_token).input_ids
    assert ids[:len(prompt)] == prompt, row
    return ids, [0] * len(prompt) + [1] * (len(ids) - len(prompt))


def cached(rows, *overrides):
    """Ids and masks of the rows as `tptt train` leaves them in its cache."""
    with tempfile.TemporaryDirectory() as tmp:
        path = pathlib.Path(tmp, "rows.jsonl")
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        config = pathlib.Path(tmp, "config.yaml")
        config.write_text(f"""model: {{name_or_path: {directory}}}
data: {{train: [{{path: {path}}}], packing: false, max_length: 1024}}
training: {{output_dir: {tmp}/run, max_steps: 1, per_device_train_batch_size: 1}}
""")
        subprocess.run([binary, "train", config, "--dry-run", *overrides], check=True, capture_output=True, env={**os.environ, "XDG_CACHE_HOME": tmp})
        (file,) = pathlib.Path(tmp, "tptt", "tokens").iterdir()
        tensors = load_file(file)
    examples, at = [], 0
    for length in tensors["lengths"]:
        examples.append((tensors["ids"][at:at + length].tolist(), tensors["train"][at:at + length].tolist()))
        at += length
    return examples


failed = 0


def compare(name, ours, expected):
    global failed
    wrong = sum(a != b for a, b in zip(ours, expected)) + abs(len(ours) - len(expected))
    failed += wrong > 0
    print(f"{name}: {len(expected)} rows, {sum(len(ids) for ids, _ in expected)} tokens, {sum(map(sum, (m for _, m in expected)))} train, {wrong} rows differ")


chats = [conversation(i) for i in range(20)]
compare("assistant-only", cached([{"messages": chat} for chat in chats]), [chat_masks(chat) for chat in chats])
whole = [(ids, [0] + [1] * (len(ids) - 1)) for ids, _ in map(chat_masks, chats)]
compare("whole conversations", cached([{"messages": chat} for chat in chats], "data.assistant_only_loss=false"), whole)
marked = [[dict(m, train=j == len(chat) - 1) if m["role"] == "assistant" else m for j, m in enumerate(chat)] for chat in chats]
compare("last answer only", cached([{"messages": chat} for chat in marked]), [chat_masks(chat) for chat in marked])
names = {"system": "system", "user": "human", "assistant": "gpt"}
shared = [{"conversations": [{"from": names[m["role"]], "value": m["content"]} for m in chat]} for chat in chats]
compare("sharegpt", cached(shared), [chat_masks(chat) for chat in chats])
plain = [{"prompt": f"Question {i}: {QUESTIONS[i % 4].strip()}\nAnswer:", "completion": " " + ANSWERS[i % 6].strip()} for i in range(20)]
compare("completion-only", cached(plain), [completion_masks(row) for row in plain])
sys.exit(failed > 0)
