"""Make the golden files again with the live packages: they must be what is committed, and the C++ tests must pass on fresh ones.

usage: remake_golden.py BUILD_DIR SMOLLM2_DIR      SMOLLM2_DIR: see make_smollm2_dir.py
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from safetensors.torch import load_file

build, smollm2 = sys.argv[1:3]
golden = pathlib.Path("tests/golden")
folder = tempfile.TemporaryDirectory()  # gone when the script ends
tmp = pathlib.Path(folder.name)


def make(script, *arguments):
    subprocess.run([sys.executable, golden / script, *arguments], check=True, capture_output=True)


def same(ours, fresh):
    if ours.name == "golden.safetensors":
        a, b = load_file(ours), load_file(fresh)
        return a.keys() == b.keys() and all((a[k] - b[k]).norm() <= 1e-4 * b[k].norm() for k in b)
    if ours.name in ("golden.json", "texts.json") or ours.parent.name in ("chat", "expected"):
        return json.loads(ours.read_text()) == json.loads(fresh.read_text())
    if ours.parent.name == "gguf":
        return ours.read_bytes() == fresh.read_bytes()
    return True  # inputs; what follows from them was compared


make("make_family_golden.py", tmp)
make("make_gguf_models.py", tmp, tmp / "gguf_models")
make("make_gguf_golden.py", tmp / "gguf")
make("make_tokenizer_golden.py", smollm2, tmp / "tokenizers")
make("make_benchmark_golden.py", tmp / "benchmarks" / "expected")
shutil.copy(golden / "benchmarks/expected/hendrycks.json", tmp / "benchmarks/expected")  # from a script that is in no package
make("make_chat_golden.py", smollm2, tmp / "chat", "--texts", tmp / "texts")
wrong = [path for path in sorted(golden.rglob("*/*.*")) if not same(path, tmp / path.relative_to(golden))]
print(f"golden files that differ from fresh ones: {', '.join(map(str, wrong)) or 'none'}")
corpus = pathlib.Path("../shared/data/text/war_and_peace.txt")
if not corpus.is_file():
    print(f"skipped: token ids of a long text ({corpus} is missing)")
make("make_tokenizer_golden.py", smollm2, tmp / "tokenizers", "--train", *(["--corpus", corpus] if corpus.is_file() else []))
environment = {**os.environ, "TPTT_GOLDEN_DIR": str(tmp), "TPTT_TEMPLATE_DIR": str(tmp / "texts")}
results = [subprocess.run([f"{build}/tests/{name}", "[golden]"], env=environment).returncode
           for name in ("formats_tests", "models_tests", "trainer_tests", "data_tests")]
sys.exit(bool(wrong) or any(results))
