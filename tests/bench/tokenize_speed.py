"""Encoding speed of tptt and of Hugging Face tokenizers, line by line on one core, in one run.

usage: tokenize_speed.py BENCH TEXT DIR...     BENCH: build/tests/tokenize_speed; DIR: with tokenizer.json and config.json
Both must give the same number of ids.
"""
import os
import subprocess
import sys
import time

os.environ.update(RAYON_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false")
from tokenizers import Tokenizer  # noqa: E402  (reads the environment)

bench, text, *directories = sys.argv[1:]
with open(text, newline="") as file:
    lines = file.read().split("\n")
lines = [line + "\n" for line in lines[: len(lines) - (lines[-1] == "")]]
size = sum(len(line.encode()) for line in lines)
print(f"{'tokenizer':<40} {'tptt MB/s':>10} {'HF MB/s':>10}")
for directory in directories:
    ours, count = subprocess.run([bench, directory, text], check=True, capture_output=True, text=True).stdout.split()
    tokenizer = Tokenizer.from_file(directory + "/tokenizer.json")
    start = time.perf_counter()
    ids = sum(len(tokenizer.encode(line, add_special_tokens=False).ids) for line in lines)
    theirs = size / (time.perf_counter() - start) / 1e6
    if ids != int(count):
        sys.exit(f"{directory}: {count} ids, Hugging Face's tokenizers give {ids}")
    print(f"{directory:<40} {float(ours):>10.1f} {theirs:>10.1f}")
