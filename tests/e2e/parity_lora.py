"""Ten steps of every LoRA variant here and in PEFT from the same start: losses, and adapters in both directions.

usage: parity_lora.py TPTT_BINARY MODEL_DIR [LAYERS [VARIANT..]]      MODEL_DIR: see make_smollm2_dir.py; its first LAYERS layers (4)
Each variant begins from an adapter that PEFT saved (PiSSA also from our own beginning). Then our adapter in stock PEFT and PEFT's
adapter here must give the trained model's logits.
"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import warnings

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.optimizers import create_loraplus_optimizer
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

binary, source = sys.argv[1:3]
layers = int(sys.argv[3]) if len(sys.argv) > 3 else 4
STEPS, BATCH, RATE, RATIO = 10, 2, 1e-3, 8
folder = tempfile.TemporaryDirectory()  # gone when the script ends
tmp = pathlib.Path(folder.name)
rows = [json.loads(line) for line in open("data/samples/train.jsonl")][: STEPS * BATCH]
(tmp / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
tokenizer = AutoTokenizer.from_pretrained(source)
short = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32)
short.model.layers = short.model.layers[:layers]
short.config.num_hidden_layers = layers
short.config.layer_types = short.config.layer_types[:layers] if getattr(short.config, "layer_types", None) else None
for name, untied in (("tied", False), ("untied", True)):
    if untied:
        short.config.tie_word_embeddings = False
        short.lm_head.weight = torch.nn.Parameter(short.lm_head.weight.detach().clone())
    short.save_pretrained(tmp / name)
    tokenizer.save_pretrained(tmp / name)
del short

QKVO = ["q_proj", "k_proj", "v_proj", "o_proj"]
# name: LoraConfig, base, what the YAML says besides the adapter, whether the YAML makes the adapter and PEFT's is not read
VARIANTS = {
    "lora": ({}, "tied", ""),
    "regex, excluded": ({"target_modules": r".*\.(self_attn|mlp)\.[a-z]+_proj", "exclude_modules": ["down_proj"]}, "tied", ""),
    "layers": ({"layers_to_transform": [0, 2]}, "tied", ""),
    "rslora, patterns": ({"use_rslora": True, "rank_pattern": {"k_proj": 2}, "alpha_pattern": {"v_proj": 3}}, "tied", ""),
    "dora": ({"use_dora": True}, "tied", ""),
    "dora, rslora": ({"use_dora": True, "use_rslora": True, "target_modules": "all-linear"}, "tied", ""),
    "lora+": ({}, "tied", f"lora: {{loraplus_lr_ratio: {RATIO}}}"),
    "dora, lora+": ({"use_dora": True}, "tied", f"lora: {{loraplus_lr_ratio: {RATIO}}}"),
    "pissa": ({"init_lora_weights": "pissa"}, "tied", ""),
    "orthogonal": ({"init_lora_weights": "orthogonal"}, "tied", ""),
    "embedding and head": ({"target_modules": ["q_proj", "embed_tokens", "lm_head"]}, "untied", ""),
    "whole modules": ({"modules_to_save": ["embed_tokens", "lm_head"]}, "untied", ""),
    "own pissa": ({"init_lora_weights": "pissa"}, "tied", "lora: {r: 4, lora_alpha: 8, lora_dropout: 0.0, init_lora_weights: pissa}", True),
}
asked = sys.argv[4:] or [*VARIANTS]
if unknown := set(asked) - {*VARIANTS}:
    sys.exit(f"no variant {sorted(unknown)}; known: {[*VARIANTS]}")
failed = 0


def base(name):
    """Without padding_idx: SmolLM2's pad token is its end token, whose embedding Transformers would never train."""
    model = AutoModelForCausalLM.from_pretrained(tmp / name, dtype=torch.float32)
    model.get_input_embeddings().padding_idx = None
    return model


def start(settings, name):
    torch.manual_seed(0)
    model = get_peft_model(base(name), LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0, task_type="CAUSAL_LM",
                                                  **{"target_modules": QKVO, **settings}))
    if "init_lora_weights" not in settings:
        for key, parameter in model.named_parameters():
            if "lora_B" in key or "lora_embedding_A" in key:
                torch.nn.init.normal_(parameter, std=0.02)
    return model


def example(row):
    user, assistant = (m["content"] for m in row["messages"])
    prompt = tokenizer(f"<|im_start|>user\n{user}<|im_end|>\n<|im_start|>assistant\n").input_ids
    answer = tokenizer(f"{assistant}<|im_end|>").input_ids
    tail = tokenizer("\n").input_ids
    return torch.tensor([prompt + answer + tail]), torch.tensor([[-100] * len(prompt) + answer + [-100] * len(tail)])


def train_there(model, plus):
    make = (lambda: create_loraplus_optimizer(model, torch.optim.AdamW, lr=RATE, loraplus_lr_ratio=RATIO)) if plus else (
        lambda: torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=RATE, weight_decay=0.0))
    optimizer = make()
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / STEPS)
    losses = []
    for step in range(STEPS):
        examples = [example(row) for row in rows[step * BATCH:(step + 1) * BATCH]]
        targets = sum((labels[:, 1:] != -100).sum() for _, labels in examples)
        loss = sum(torch.nn.functional.cross_entropy(model(input_ids=ids).logits[0, :-1], labels[0, 1:], reduction="sum")
                   for ids, labels in examples) / targets
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


def run(*command):
    done = subprocess.run([binary, *map(str, command)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)


def train_here(model, adapter, more, out):
    (tmp / "config.yaml").write_text(f"""
model: {{name_or_path: {model}, {f'adapter_name_or_path: {adapter}, ' if adapter else ''}dtype: float32}}
{more}
data: {{train: [{{path: {tmp}/rows.jsonl}}], chat_template: chatml, packing: false, shuffle: false}}
training: {{output_dir: {out}, max_steps: {STEPS}, per_device_train_batch_size: {BATCH}, learning_rate: {RATE},
  lr_scheduler_type: linear, max_grad_norm: 1.0}}
""")
    run("train", tmp / "config.yaml")
    return [json.loads(line)["loss"] for line in open(out / "metrics.jsonl")]


def logits_here(model, adapter, ids):
    (tmp / "ids.json").write_text(json.dumps({"input_ids": ids.tolist()}))
    run("logits", model, "--adapter", adapter, "--dtype", "float32", "--input-ids", tmp / "ids.json", "--output", tmp / "l.safetensors")
    return load_file(tmp / "l.safetensors")["logits"]


def in_peft(name, adapter, ids):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = PeftModel.from_pretrained(base(name), adapter).eval()
    complaints = [str(w.message) for w in caught if "missing" in str(w.message) or "unexpected" in str(w.message)]
    with torch.no_grad():
        return model(input_ids=ids).logits, complaints


def compare(label, settings, name, more, own_start=False):
    global failed
    out = tmp / label.replace(" ", "_").replace(",", "")
    model = start(settings, name)
    model.save_pretrained(out / "start", save_embedding_layers=False)
    losses = train_here(tmp / name, None if own_start else out / "start", more, out / "run")
    losses_there = train_there(model, "loraplus" in more)
    model.eval()
    ids = example(rows[0])[0]
    with torch.no_grad():
        trained = model(input_ids=ids).logits
        untouched = base(name)(input_ids=ids).logits
    model.save_pretrained(out / "theirs", save_embedding_layers=False)
    loaded, complaints = in_peft(name, out / "run/adapter", ids)
    loss = max(abs(a - b) for a, b in zip(losses, losses_there, strict=True))
    ours_here, theirs_here = (logits_here(tmp / name, out / adapter, ids) for adapter in ("run/adapter", "theirs"))
    shutil.rmtree(out)
    largest = trained.abs().max().item()
    apart = lambda a, b: (a - b).abs().max().item() / largest
    drift, ours, theirs, moved = apart(loaded, trained), apart(ours_here, loaded), apart(theirs_here, trained), apart(trained, untouched)
    # Transformers' float32 logits of the plain model are 2e-6 of the largest off its float64 ones: one adapter's logits here and
    # in PEFT are held to five times that. Ten steps amplify what rounding began: the two trained models are held to 1e-2 of the way.
    good = loss < 1e-4 and ours < 1e-5 and theirs < 1e-5 and drift < 1e-2 * moved and not complaints
    failed += not good
    if not good:
        print("losses here ", losses, "\nand in PEFT", losses_there)
    print(f"{'ok    ' if good else 'FAILED'} {label}: losses within {loss:.1e}; logits, by the largest: our adapter here and in PEFT within "
          f"{ours:.1e}, PEFT's {theirs:.1e}; the two trained models {drift:.1e}, moved by {moved:.2f} {complaints[:1]}", flush=True)


for label in asked:
    compare(label, *VARIANTS[label])
sys.exit(failed > 0)
