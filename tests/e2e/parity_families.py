"""Every family from directory to adapter: a tiny model trained here for three steps, its adapter loaded in stock PEFT.

usage: parity_families.py TPTT_BINARY
Random models with a real tokenizer; LoRA on all linears. Logits of base + adapter must be PEFT's, and a second run with a
memory must train too. OpenELM is not in Transformers: see make_family_golden.py.
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import warnings

import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "golden"))
from make_family_golden import FAMILIES, randomise  # noqa: E402

binary = sys.argv[1]
folder = tempfile.TemporaryDirectory()  # gone when the script ends
tmp = pathlib.Path(folder.name)
tokenizer = pathlib.Path("tests/golden/tokenizers/gpt2")
rows = [{"prompt": f"{i} plus {i + 1} is", "completion": f" {2 * i + 1}"} for i in range(12)]
(tmp / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
failed = 0


def train(base, out, *more):
    (tmp / "config.yaml").write_text(f"""
model: {{name_or_path: {base}, dtype: float32}}
lora: {{r: 4, target_modules: all-linear, lora_dropout: 0.0}}
data: {{train: [{{path: {tmp}/rows.jsonl}}], max_length: 64}}
training: {{output_dir: {out}, max_steps: 3, per_device_train_batch_size: 2, learning_rate: 0.02}}
""")
    return subprocess.run([binary, "train", tmp / "config.yaml", *more], capture_output=True, text=True)


for family, (common, shapes) in FAMILIES.items():
    if family == "openelm":
        continue
    base = tmp / family
    settings = {**common, **next(iter(shapes.values())), "vocab_size": 1000, "eos_token_id": 0}
    settings = {key: value for key, value in settings.items() if key not in ("dtype", "shard")}
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(family, **settings)).float()
    randomise(model.named_parameters(), family.startswith("gemma"))
    model.save_pretrained(base)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (base / name).write_bytes((tokenizer / name).read_bytes())
    done = train(base, tmp / "run" / family)
    with_memory = train(base, tmp / "liza" / family, "liza.operator_mode=delta_rule")
    if done.returncode or with_memory.returncode:
        failed += 1
        print(f"FAILED {family}: {done.stderr[-300:]}{with_memory.stderr[-300:]}")
        continue
    adapter = tmp / "run" / family / "adapter"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        peft = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), adapter).eval()
    complaints = [str(w.message)[:200] for w in caught if any(word in str(w.message).lower() for word in ("missing", "unexpected", "fan_in"))]
    ids = torch.arange(0, 900, 31)[None]
    (tmp / "ids.json").write_text(json.dumps({"input_ids": ids.tolist()}))
    subprocess.run([binary, "logits", base, "--adapter", adapter, "--input-ids", tmp / "ids.json", "--output", tmp / "logits.safetensors"], check=True)
    ours = load_file(tmp / "logits.safetensors")["logits"]
    with torch.no_grad():
        theirs = peft(input_ids=ids).logits
        with peft.disable_adapter():
            moved = ((peft(input_ids=ids).logits - theirs).abs().max() / theirs.abs().max()).item()
    difference = ((ours - theirs).abs().max() / theirs.abs().max()).item()
    ok = difference < 1e-4 and not complaints and moved > 1e-2
    failed += not ok
    print(f"{'ok    ' if ok else 'FAILED'} {family}: logits within {difference:.1e} of the largest of stock PEFT's, moved by {moved:.2f} {complaints}")
sys.exit(failed > 0)
