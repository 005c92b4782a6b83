"""Tokens a second of greedy decoding at batch 1, here and by Transformers, in turn, beside what reading the weights once a token
takes on this machine. Run alone on the machine.

usage: decode.py TPTT_BINARY MODEL_DIR [ROUNDS]      with the interpreter of .venv-peers
"""
import os
import statistics
import subprocess
import sys
import time

from common import arguments, show

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

binary, model, *rest = arguments(__doc__, 2)
rounds = int(rest[0]) if rest else 3
PROMPT, SHORT, LONG = "1, 2, 3, 4, 5, 6, 7,", 16, 144  # a text that goes on
tokenizer = AutoTokenizer.from_pretrained(model)
ids = tokenizer(PROMPT, return_tensors="pt").input_ids


def timed(work):
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def here(dtype):
    """From the difference of two lengths: loading and prefill are in both."""
    run = lambda count: timed(lambda: subprocess.run([binary, "generate", model, "--dtype", dtype, "--prompt", PROMPT, "--max-new-tokens", str(count)],
                                                     check=True, capture_output=True, text=True).stdout)
    (short, _), (long, text) = run(SHORT), run(LONG)
    tokens = len(tokenizer(text.rstrip("\n")).input_ids)
    if abs(tokens - LONG) > 2:
        sys.exit(f"the text has {tokens} tokens instead of {LONG}")
    return (LONG - SHORT) / (long - short)


def there(peer):
    run = lambda count: timed(lambda: peer.generate(ids, max_new_tokens=count, min_new_tokens=count, do_sample=False))[0]
    run(SHORT)
    return (LONG - SHORT) / (run(LONG) - run(SHORT))


def bandwidth():
    """Bytes a second of a sum over 1 GB, the best of ten."""
    numbers = torch.ones(2**28)
    return numbers.numel() * 4 / min(timed(numbers.sum)[0] for _ in range(10))


show(f"batch 1, tokens {SHORT} to {LONG}; medians of {rounds} rounds in turn")
show("| dtype | here | Transformers | speed | reading the weights allows | of it |\n|---|---|---|---|---|---|")
for dtype in ("float32", "bfloat16"):
    peer = AutoModelForCausalLM.from_pretrained(model, dtype=getattr(torch, dtype))
    size = sum(p.numel() * p.element_size() for p in peer.parameters())
    pairs = [(here(dtype), there(peer), bandwidth()) for _ in range(rounds)]
    ours, theirs, bytes_a_second = (statistics.median(column) for column in zip(*pairs))
    bound = bytes_a_second / size
    show(f"| {dtype} | {ours:.1f} | {theirs:.1f} | {ours / theirs:.2f}x | {bound:.1f} | {100 * ours / bound:.0f}% |")
