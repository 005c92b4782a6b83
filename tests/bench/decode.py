"""Tokens a second of greedy decoding at batch 1, here and by Transformers, in turn, beside what reading the weights once a token
takes on this machine; and of a quantised file's blocks as they are, here and by llama.cpp. Run alone on the machine.

usage: decode.py TPTT_BINARY MODEL_DIR GGUF_FILE [ROUNDS]      with the interpreter of .venv-peers
"""
import os
import pathlib
import statistics
import subprocess
import sys
import time

from common import arguments, show

os.environ["HF_HUB_OFFLINE"] = "1"
sys.path.append(str(pathlib.Path(__file__).parents[1] / "e2e"))
import torch
from gguf_base import llama_cpp_server
from transformers import AutoModelForCausalLM, AutoTokenizer

binary, model, blocks, *rest = arguments(__doc__, 3)
rounds = int(rest[0]) if rest else 3
PROMPT, SHORT, LONG = "1, 2, 3, 4, 5, 6, 7,", 16, 272  # a text that goes on
tokenizer = AutoTokenizer.from_pretrained(model)
ids = tokenizer(PROMPT, return_tensors="pt").input_ids


def timed(work):
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def here(model, *options):
    """From the difference of two lengths: loading and prefill are in both."""
    run = lambda count: timed(lambda: subprocess.run([binary, "generate", model, *options, "--prompt", PROMPT, "--max-new-tokens", str(count)],
                                                     check=True, capture_output=True, text=True).stdout)
    (short, _), (long, text) = run(SHORT), run(LONG)
    tokens = len(tokenizer(text.rstrip("\n")).input_ids)
    if abs(tokens - LONG) > 2:
        sys.exit(f"the text has {tokens} tokens instead of {LONG}")
    return (LONG - SHORT) / (long - short)


def there(run):
    """run(count) makes so many tokens; the first call warms up."""
    run(SHORT)
    seconds = [timed(lambda: run(count))[0] for count in (LONG, SHORT)]
    return (LONG - SHORT) / (seconds[0] - seconds[1])


def by_transformers(peer):
    return there(lambda count: peer.generate(ids, max_new_tokens=count, min_new_tokens=count, do_sample=False))


def by_llama_cpp(server):
    options = {"prompt": PROMPT, "temperature": 0.0, "ignore_eos": True, "cache_prompt": False}
    return there(lambda count: server.handle_completions({**options, "max_tokens": count}))


def bandwidth():
    """Bytes a second of a sum over 1 GB, the best of ten."""
    numbers = torch.ones(2**28)
    return numbers.numel() * 4 / min(timed(numbers.sum)[0] for _ in range(10))


def row(name, size, ours, theirs):
    """ours() and theirs() in turn, beside reading `size` bytes a token."""
    pairs = [(ours(), theirs(), bandwidth()) for _ in range(rounds)]
    here, there, bytes_a_second = (statistics.median(column) for column in zip(*pairs))
    bound = bytes_a_second / size
    show(f"| {name} | {here:.1f} | {there:.1f} | {here / there:.2f}x | {bound:.1f} | {100 * here / bound:.0f}% |")


show(f"batch 1, tokens {SHORT} to {LONG}; medians of {rounds} rounds in turn; beside Transformers, and llama.cpp for blocks kept packed")
show("| | here | there | speed | reading the weights allows | of it |\n|---|---|---|---|---|---|")
for dtype in ("float32", "bfloat16"):
    peer = AutoModelForCausalLM.from_pretrained(model, dtype=getattr(torch, dtype))
    size = sum(p.numel() * p.element_size() for p in peer.parameters())
    row(dtype, size, lambda: here(model, "--dtype", dtype), lambda: by_transformers(peer))
server = llama_cpp_server(blocks)
row(pathlib.Path(blocks).stem, os.path.getsize(blocks), lambda: here(blocks, "--quantization", "keep"), lambda: by_llama_cpp(server))
