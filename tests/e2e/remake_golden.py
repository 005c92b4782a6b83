"""Make the golden files again with the live packages: they must be what is committed, and the C++ tests must pass on fresh ones.

usage: remake_golden.py BUILD_DIR SMOLLM2_DIR      SMOLLM2_DIR: see make_smollm2_dir.py
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from safetensors.torch import load_file

build, smollm2 = sys.argv[1:3]
golden = pathlib.Path("tests/golden")
tmp = pathlib.Path(tempfile.mkdtemp())


def make(script, *arguments):
    subprocess.run([sys.executable, golden / script, *arguments], check=True, capture_output=True)


def same(ours, fresh):
    if ours.name == "logits.safetensors":
        a, b = load_file(ours)["logits"], load_file(fresh)["logits"]
        return (a - b).abs().max() <= 1e-5 * b.abs().max()
    if ours.name in ("golden.json", "chat.json"):
        return json.loads(ours.read_text()) == json.loads(fresh.read_text())
    if ours.parent.name == "gguf":
        return ours.read_bytes() == fresh.read_bytes()
    return True  # inputs; what follows from them was compared


make("make_llama_golden.py", tmp / "llama")
make("make_gguf_golden.py", tmp / "gguf")
make("make_tokenizer_golden.py", smollm2, tmp / "tokenizers")
wrong = [path for path in sorted(golden.rglob("*/*.*")) if not same(path, tmp / path.relative_to(golden))]
print(f"golden files that differ from fresh ones: {', '.join(map(str, wrong)) or 'none'}")
make("make_tokenizer_golden.py", smollm2, tmp / "tokenizers", "--train")
results = [subprocess.run([f"{build}/tests/{name}", "[golden]"], env={**os.environ, "TPTT_GOLDEN_DIR": str(tmp)}).returncode
           for name in ("formats_tests", "models_tests", "data_tests")]
sys.exit(bool(wrong) or any(results))
