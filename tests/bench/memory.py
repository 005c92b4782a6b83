"""Does the memory help? Trains each line of docs/results/memory.md from docs/results/memory.yaml on the first four fifths of a text, scores it
on the rest by position and on associative recall, and prints the tables. What is there already in OUTPUT_DIR is not made again. Run alone:
about a quarter of an hour a line on two cores.

usage: memory.py TPTT_BINARY MODEL TEXT_FILE OUTPUT_DIR [LINE..]      with any Python 3; without LINE: all
"""
import json
import pathlib
import statistics
import subprocess
import sys

from common import arguments, row, show

binary, model, text, output, *asked = arguments(__doc__, 4)
output = pathlib.Path(output)
CONFIG, TOKENS, ROWS, STEPS = "docs/results/memory.yaml", 1024, 330, 60
LORA_ALONE = ["liza.operator_mode=delta_rule", "liza.branch_scale=match", "liza.mag={mode: constant, mag_weight: 0}"]
PLAIN = ["liza.operator_mode=delta_rule", "liza.branch_scale=match", "liza.mag={mode: learned, mag_weight: 0.1}"]
WIDE = ["liza.max_self_attn_length=128"]


def steps(lora, transfer=0):
    return [f"liza.transfer_steps={transfer}", f"training.max_steps={lora + transfer}"]


# name: what differs from the configuration
LINES = {
    "full softmax, LoRA": [*LORA_ALONE, "liza.max_self_attn_length=none", *steps(STEPS)],
    "window 64, LoRA": [*LORA_ALONE, *steps(STEPS)],
    "window 64, LoRA twice as long": [*LORA_ALONE, *steps(2 * STEPS)],
    "window 64, LoRA + LiZA delta_rule": [*PLAIN, *steps(STEPS)],
    "window 64, LoRA + learned LiZA, no transfer": steps(STEPS),
    "window 64, LoRA + learned LiZA": steps(STEPS, STEPS),
    "window 64, LoRA + learned LiZA, seed 1": [*steps(STEPS, STEPS), "training.seed=1"],
    "window 64, LoRA, seed 1": [*LORA_ALONE, *steps(STEPS), "training.seed=1"],
    "window 128, LoRA": [*LORA_ALONE, *WIDE, *steps(STEPS)],
    "window 128, LoRA + learned LiZA": [*WIDE, *steps(STEPS, STEPS)],
}
if unknown := set(asked) - {*LINES}:
    sys.exit(f"no line {sorted(unknown)}; known: {[*LINES]}")


def prepare():
    """Rows of the text's first four fifths, each longer than max_length, and the rest."""
    output.mkdir(parents=True, exist_ok=True)
    words = pathlib.Path(text).read_text()
    cut = len(words) * 4 // 5
    (output / "unseen.txt").write_text(words[cut:])
    apart = cut // ROWS
    (output / "rows.jsonl").write_text("".join(
        json.dumps({"prompt": " ", "completion": words[i * apart:min(cut, i * apart + 5500)]}) + "\n" for i in range(ROWS)))


def run(*command):
    print("+", *command, file=sys.stderr, flush=True)
    subprocess.run([str(c) for c in command], check=True, stdout=subprocess.DEVNULL)


def folder(name):
    return output / name.replace(",", "").replace(" ", "_")


def recall(where, window, *adapter):
    """Loss by position, needles and pairs of every branch."""
    if not (where / "recall.json").exists():
        run(binary, "recall", model, *adapter, "--dtype", "float32", "--text", output / "unseen.txt", "--output", where, "--lengths", TOKENS, "--depths",
            "0.5", "--num-keys", 32, "--samples", 8, *(["--max-self-attn-length", window] if window else []))
    return json.loads((where / "recall.json").read_text())


def train(name):
    where = folder(name)
    if not (where / "results.json").exists():
        run(binary, "train", CONFIG, f"model.name_or_path={model}", f"data.train=[{{path: {output}/rows.jsonl}}]", f"training.output_dir={where}",
            *LINES[name])
    return where


def losses(results, branch, begin):
    """Of each text, over positions from `begin` on."""
    buckets = [r for r in results["perplexity"] if r["branch"] == branch and r["begin"] >= begin]
    tokens = sum(r["tokens"] for r in buckets)
    return [sum(r["losses"][i] * r["tokens"] for r in buckets) / tokens for i in range(len(buckets[0]["losses"]))]


def mean(values):
    return f"{statistics.mean(values):.3f}"


def difference(first, second):
    """Paired over texts, with its standard error."""
    apart = [a - b for a, b in zip(first, second, strict=True)]
    return f"{statistics.mean(apart):+.3f} ± {statistics.stdev(apart) / len(apart) ** 0.5:.3f}"


def accuracy(results, branch, task):
    return next(f"{r['accuracy']:.0%}" for r in results[task] if r["branch"] == branch)


def ledger(where):
    """Means over layers of the last step's mu and of the branches' RMS."""
    row = [json.loads(line) for line in open(where / "metrics.jsonl") if '"liza"' in line][-1]["liza"]
    return [mean([x for x in row[key] if x is not None]) if any(x is not None for x in row[key]) else "-"
            for key in ("mag_weight", "softmax_rms", "linear_rms")]


prepare()
names = asked or [*LINES]
windows = [window for window in (64, 128) if f"window {window}, LoRA" in names]
base = {window: recall(output / f"base_{window}", window) for window in windows}
scored = {}
for name in names:
    where = train(name)
    window = next((w for w in (64, 128) if f"window {w}," in name), None)
    scored[name] = recall(where / "recall", None if window else 64, "--adapter", where / "adapter"), window, where
for window in windows:
    full = scored.get("full softmax, LoRA")
    reference = losses(scored[f"window {window}, LoRA"][0], "window", window)
    show(f"\nWindow of {window} and 4 sinks; loss beyond the window, {len(reference)} unseen texts of {TOKENS} tokens\n")
    row("line", "branch", "loss", "against the window's LoRA", "of the gap closed", "32 pairs", "mu", "RMS of softmax", "of the memory")
    row(*["---"] * 9)
    for branch in ("softmax", "window"):
        own = losses(base[window], branch, window)
        row("untrained", branch, mean(own), difference(own, reference), "", accuracy(base[window], branch, "associative"), "", "", "")
    gap = statistics.mean(reference) - statistics.mean(losses(full[0], "softmax", window)) if full else float("nan")
    for name, (results, own_window, where) in scored.items():
        if own_window not in (None, window):
            continue
        branches = ["softmax"] if own_window is None else ["window"] if "LiZA" not in name else ["mixed", "window"]
        for branch in branches:
            own = losses(results, branch, window)
            closed = (statistics.mean(reference) - statistics.mean(own)) / gap
            row(name, branch, mean(own), difference(own, reference), f"{closed:.0%}", accuracy(results, branch, "associative"),
                *(ledger(where) if branch == "mixed" else ["", "", ""]))
