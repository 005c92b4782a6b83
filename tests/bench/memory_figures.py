"""The two figures of docs/results/memory.md from the runs of memory.py: loss by position, and loss against what a layer keeps.

usage: memory_figures.py OUTPUT_DIR FIGURES_DIR      with the interpreter of .venv-peers; OUTPUT_DIR is memory.py's
"""
import json
import pathlib

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

from common import arguments

output, figures = map(pathlib.Path, arguments(__doc__, 2))
GREY, RED, BLUE, LIGHT = "#555555", "#c0392b", "#1f6fb2", "#8ab8dc"
# what, folder, branch, colour, line style
LINES = [("full softmax, LoRA", "full_softmax_LoRA", "softmax", GREY, "-"), ("window of 64, LoRA", "window_64_LoRA", "window", RED, "-"),
         ("window of 64, LoRA + learned LiZA", "window_64_LoRA_+_learned_LiZA", "mixed", BLUE, "-"),
         ("the same, memory closed at test time", "window_64_LoRA_+_learned_LiZA", "window", LIGHT, "--")]
BEYOND = 128  # positions from here on, for every window
TOKENS, HEADS, HEAD_DIM = 1024, 3, 64  # SmolLM2-135M's key and value heads
STATE = HEADS * HEAD_DIM * HEAD_DIM * 4 / 1e3  # kB a layer in float32
TOKEN = 2 * HEADS * HEAD_DIM * 4 / 1e3


def buckets(folder, branch):
    rows = [r for r in json.loads((output / folder / "recall/recall.json").read_text())["perplexity"] if r["branch"] == branch]
    return sorted(rows, key=lambda r: r["begin"])


def mean(row):
    return sum(row["losses"]) / len(row["losses"])


def beyond(folder, branch):
    rows = [r for r in buckets(folder, branch) if r["begin"] >= BEYOND]
    return sum(mean(r) * r["tokens"] for r in rows) / sum(r["tokens"] for r in rows)


def save(figure, axes, name):
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(figures / name, dpi=110)


figures.mkdir(parents=True, exist_ok=True)
figure, axes = pyplot.subplots(figsize=(7.2, 4))
for name, folder, branch, colour, style in LINES:
    rows = buckets(folder, branch)
    axes.plot(range(len(rows)), [mean(r) for r in rows], style, color=colour, label=name, marker="o", markersize=4)
axes.set_xticks(range(len(rows)), [f"{r['begin']}–{r['end']}" for r in rows])
axes.set_xlabel("position in the text")
axes.set_ylabel("loss on unseen text")
save(figure, axes, "memory_by_position.png")

figure, axes = pyplot.subplots(figsize=(7.2, 4))
SIZES = [w for w in (64, 128) if (output / f"window_{w}_LoRA_+_learned_LiZA/recall/recall.json").exists()]
for name, suffix, branch, colour, extra in [("window, LoRA", "LoRA", "window", RED, 0),
                                            ("window, LoRA + learned LiZA", "LoRA_+_learned_LiZA", "mixed", BLUE, STATE)]:
    axes.plot([(w + 4) * TOKEN + extra for w in SIZES], [beyond(f"window_{w}_{suffix}", branch) for w in SIZES], "-o", color=colour, label=name)
    for w in SIZES:
        axes.annotate(f"W = {w}", ((w + 4) * TOKEN + extra, beyond(f"window_{w}_{suffix}", branch)), textcoords="offset points", xytext=(6, 6))
axes.plot([TOKENS * TOKEN], [beyond("full_softmax_LoRA", "softmax")], "s", color=GREY, label=f"full softmax, LoRA, at {TOKENS:,} tokens (grows with the text)")
axes.set_xscale("log")
axes.set_xlabel("kept a layer, kB (float32)")
axes.set_ylabel(f"loss on unseen text, positions from {BEYOND} on")
save(figure, axes, "memory_by_size.png")
