"""Cost of long sequences with a bounded softmax branch: training time per token, memory, generation. Run alone on the machine.

usage: long_context.py TPTT_BINARY MODEL_DIR TEXT_FILE [train|generate|generate=ADAPTER_DIR|fits]..      without a word: train and generate
"""
import json
import pathlib
import shutil
import subprocess

from common import arguments, show, tmp, train, write_rows

binary, model, text, *rest = arguments(__doc__, 3)
LIZA = "liza={max_self_attn_length: 256, mag: {mode: constant, mag_weight: 0.1}}"
rows = write_rows(text, 60000, 16)


def training():
    show("| tokens | ms a token | of 1,024's | peak GB | with checkpointing: ms | GB |\n|---|---|---|---|---|---|")
    first = None
    for tokens in (1024, 2048, 4096, 8192):
        kept = train(binary, model, rows, "run", tokens, 1, 2, LIZA)
        again = train(binary, model, rows, "run", tokens, 1, 2, LIZA, "training.gradient_checkpointing=true")
        first = first or kept["seconds"] / tokens
        show(f"| {tokens} | {1e3 * kept['seconds'] / tokens:.2f} | {kept['seconds'] / tokens / first:.3f} | {kept['gb']:.2f} | "
             f"{1e3 * again['seconds'] / tokens:.2f} | {again['gb']:.2f} |")


def fits():
    show("| 1 x 8,192 tokens, float32, recomputation | s a step | peak GB |\n|---|---|---|")
    for name, overrides in {"full softmax": [], "window of 256 and LiZA": [LIZA]}.items():
        one = train(binary, model, rows, "run", 8192, 1, 2, *overrides, "training.gradient_checkpointing=true")
        show(f"| {name} | {one['seconds']:.1f} | {one['gb']:.2f} |")


def endless(directory):
    """The model without an end token, so that generation goes on."""
    path = tmp / "endless"
    path.mkdir()
    for file in pathlib.Path(directory).resolve().iterdir():
        if file.name not in ("config.json", "generation_config.json"):
            (path / file.name).symlink_to(file)
    config = json.loads(pathlib.Path(directory, "config.json").read_text())
    config["eos_token_id"] = None
    (path / "config.json").write_text(json.dumps(config))
    return path


def generation(adapter=None):
    """Of an adapter, or of one that is made here."""
    if not adapter:
        train(binary, model, rows, "adapter", 256, 1, 1, LIZA)
        adapter = tmp / "adapter/adapter"
    path = endless(model)
    show("| new tokens | seconds | peak GB |\n|---|---|---|")
    peaks = []
    for tokens in (1024, 16384):
        command = [binary, "generate", path, "--adapter", adapter, "--prompt", "It was", "--max-new-tokens", str(tokens),
                   "--dtype", "float32"]
        run = subprocess.run(["/usr/bin/env", "python3", "-c", WATCH, *map(str, command)], check=True, capture_output=True, text=True)
        result = json.loads(run.stdout)
        peaks.append(result["gb"])
        show(f"| {tokens} | {result['seconds']:.0f} | {result['gb']:.3f} |")
    show(f"memory at 16,384 tokens is {peaks[1] / peaks[0]:.3f} of that at 1,024")


# A process of its own for each, so that its children's peak is that run's.
WATCH = """
import json, resource, subprocess, sys, time
start = time.time()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(json.dumps(dict(seconds=time.time() - start, gb=resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e9)))
"""

PARTS = {"train": training, "generate": generation, "fits": fits}
for part in rest or ("train", "generate"):
    name, *options = part.split("=", 1)
    PARTS[name](*options)
shutil.rmtree(tmp)
