"""A LoRA step of SmolLM2-135M here and in the Python peers, in turn; with and without a memory. Run alone on the machine.

usage: train_step.py TPTT_BINARY MODEL_DIR TEXT_FILE [ROUNDS]      with the interpreter of .venv-peers
"""
import json
import pathlib
import subprocess
import sys

from common import arguments, best, show, train, write_rows

binary, model, text, *rest = arguments(__doc__, 3)
rounds = int(rest[0]) if rest else 2
rows = write_rows(text, 4000, 64)
MAG = "mag: {mode: constant, mag_weight: 0.5}"
CHECKPOINTING = "training.gradient_checkpointing=true"
OURS = {
    "LoRA": [],
    "LoRA, checkpointing": [CHECKPOINTING],
    "LiZA delta_rule": [f"liza={{{MAG}}}"],
    "LiZA delta_rule, checkpointing": [f"liza={{{MAG}}}", CHECKPOINTING],
    "LiZA delta_product": [f"liza={{operator_mode: delta_product, {MAG}}}"],
    "implementation tptt": [f"liza={{implementation: tptt, {MAG}}}"],
    "implementation tptt, checkpointing": [f"liza={{implementation: tptt, {MAG}}}", CHECKPOINTING],
}
PEERS = {"PEFT": "peft", "Python tptt delta_rule": "tptt:delta_rule"}


def peer(kind, tokens, steps):
    script = pathlib.Path(__file__).with_name("peer_step.py")
    out = subprocess.run([sys.executable, script, model, kind, "2", str(tokens), str(steps)], check=True, capture_output=True, text=True)
    return json.loads(out.stdout.splitlines()[-1])


def table(tokens, results, against):
    show(f"\nfloat32, batch 2 x {tokens} tokens, best of {rounds} rounds, medians of their steps")
    show(f"| | s a step | tokens/s | peak GB | of {against}'s time | of its memory |\n|---|---|---|---|---|---|")
    base = best(results[against])
    for name, all_rounds in results.items():
        r = best(all_rounds)
        show(f"| {name} | {r['seconds']:.2f} | {2 * tokens / r['seconds']:.0f} | {r['gb']:.2f} | {r['seconds'] / base['seconds']:.3f} | "
             f"{r['gb'] / base['gb']:.3f} |")


peers, memory = {}, {}
for _ in range(rounds):
    for name, overrides in OURS.items():
        peers.setdefault(name, []).append(train(binary, model, rows, "run", 384, 2, 3, *overrides))
    for name, kind in PEERS.items():
        peers.setdefault(name, []).append(peer(kind, 384, 2 if kind.startswith("tptt") else 3))
table(384, peers, "Python tptt delta_rule")
for _ in range(rounds + 1):
    for name, overrides in OURS.items():
        if "checkpointing" in name:
            continue
        memory.setdefault(name, []).append(train(binary, model, rows, "run", 512, 2, 5, *overrides))
table(512, memory, "LoRA")
