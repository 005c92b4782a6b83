"""Python tptt 0.12.1 against `implementation: tptt`: logits, loss, LoRA gradients; adapters there and back.

usage: parity_tptt.py TPTT_BINARY MODEL_DIR      MODEL_DIR: see make_smollm2_dir.py
Unpadded, without dropout, eager attention: the settings under which the package computes what it describes.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, logging
import tptt
from tptt.modeling_tptt import get_tptt_model, load_tptt_safetensors, save_tptt_safetensors

binary, smollm2 = sys.argv[1:3]
MODES = list(tptt.TpttConfig.RECURRENT_MODES)
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj"]
LORA = dict(r=4, lora_alpha=8, lora_dropout=0.0, bias="none", task_type="CAUSAL_LM", peft_type="LORA", target_modules=TARGETS)
TEXTS = ["It was in July 1805, and the speaker was the well-known Anna Pavlovna Scherer, maid of honor and favorite of the Empress. "
         "With these words she greeted Prince Vasili Kuragin, a man of high rank and importance.",
         "All her invitations without exception, written in French, and delivered by a scarlet-liveried footman that morning, ran as "
         "follows: If you have nothing better to do, Count, I shall be very charmed to see you tonight."]
CHUNK = 16  # several chunks in each text
failed = 0
folder = tempfile.TemporaryDirectory()  # gone when the script ends
tmp = pathlib.Path(folder.name)
AutoConfig.register("tptt", tptt.TpttConfig)
logging.disable_progress_bar()


def mag_weight(directory):
    """The memory's weight. At the package's default of 0.5 SmolLM2 is destroyed (loss 13); already at 0.3 the package's own float32
    gradients are 1e-4 to 3e-4 from its float64 ones. At 0.05 the unscaled memory is about as large as the softmax branch."""
    return 0.05 if directory == smollm2 else 0.5


def run(*arguments):
    return subprocess.run([binary, *map(str, arguments)], check=True, capture_output=True, text=True).stdout


def make_tiny():
    torch.manual_seed(0)
    path = tmp / "tiny"
    LlamaForCausalLM(LlamaConfig(vocab_size=1024, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
                                 num_key_value_heads=2, tie_word_embeddings=True, initializer_range=0.3, bos_token_id=None,
                                 eos_token_id=0)).save_pretrained(path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(pathlib.Path("tests/golden/tokenizers/gpt2", name), path / name)
    return str(path)


def base(directory):
    return AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager")


def package_model(directory, mode, **options):
    model = base(directory)
    model, _ = get_tptt_model(model, model.config, operator_mode=mode, recurrent_config=tptt.TpttConfig.RECURRENT_MODES[mode],
                              mag_weight=mag_weight(directory), max_chunk_size=CHUNK, **options)
    model = get_peft_model(model, LoraConfig(**LORA))
    torch.manual_seed(1)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    return model


def save(model, directory, mode, to, **options):
    config = tptt.TpttConfig(base_model_config=base(directory).config, base_model_name=directory, operator_mode=mode, mag_weight=mag_weight(directory),
                             max_chunk_size=CHUNK, lora_config=LORA, **options)
    config.save_pretrained(to)
    save_tptt_safetensors(model, str(to) + "/")


def token_ids(directory):
    eos = AutoConfig.from_pretrained(directory).eos_token_id
    printed = subprocess.run([binary, "tokenize", directory], input="\n".join(TEXTS), check=True, capture_output=True, text=True).stdout
    return [json.loads(line) + [eos] for line in printed.splitlines()]


def package_loss(model, rows):
    total = sum(torch.nn.functional.cross_entropy(model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, :-1],
                                                  torch.tensor(ids[1:]), reduction="sum") for ids in rows)
    return total / sum(len(ids) - 1 for ids in rows)


def relative(ours, theirs):
    return ((ours - theirs).norm() / theirs.norm()).item()


def write_run(directory, name, mode, extra, options, training):
    (tmp / "rows.jsonl").write_text("".join(json.dumps({"prompt": t[:1], "completion": t[1:]}) + "\n" for t in TEXTS))
    flags = "".join(f", {key}: {str(value).lower()}" for key, value in options.items())
    (tmp / f"{name}.yaml").write_text(f"""
model: {{name_or_path: {directory}, dtype: float32{extra}}}
liza: {{implementation: tptt, operator_mode: {mode}, max_chunk_size: {CHUNK}{flags}, mag: {{mode: constant, mag_weight: {mag_weight(directory)}}}}}
lora: {{r: 4, lora_alpha: 8, lora_dropout: 0, target_modules: [{", ".join(TARGETS)}]}}
data: {{train: [{{path: {tmp}/rows.jsonl}}], packing: false, shuffle: false, completion_only_loss: false}}
training: {{output_dir: {tmp}/{name}, per_device_train_batch_size: 2, max_grad_norm: 0, {training}}}
""")
    run("train", tmp / f"{name}.yaml")
    return tmp / name


def peft_name(name):
    return name.replace("base_attn.", "").replace(".default", "")


def compare(label, directory, rows, mode, **options):
    """One step from an adapter that the package wrote: with beta1 = 0 the first moment is the gradient."""
    global failed
    model = package_model(directory, mode, **options)
    start = tmp / "start"
    shutil.rmtree(start, ignore_errors=True)
    save(model, directory, mode, start, **options)
    loss = package_loss(model, rows)
    loss.backward()
    theirs = {peft_name(name): p.grad for name, p in model.named_parameters() if p.grad is not None}
    out = write_run(directory, "step", mode, f", adapter_name_or_path: {start}", options, "max_steps: 1, adam_beta1: 0, learning_rate: 0")
    moments = load_file(out / "checkpoints/step-000001/optimizer.safetensors")
    ours = {name: moments[name + ".exp_avg"] for name in theirs}
    gradient = max(relative(ours[name], theirs[name]) for name in theirs)
    loss_difference = abs(json.loads(open(out / "metrics.jsonl").readline())["loss"] - loss.item())
    (tmp / "ids.json").write_text(json.dumps({"input_ids": [rows[0]]}))
    run("logits", directory, "--adapter", start, "--input-ids", tmp / "ids.json", "--output", tmp / "logits.safetensors")
    with torch.no_grad():
        logits = relative(load_file(tmp / "logits.safetensors")["logits"], model(input_ids=torch.tensor([rows[0]]), use_cache=False).logits)
    shutil.rmtree(out)
    good = logits < 1e-4 and gradient < 1e-4 and loss_difference < 1e-4 * loss.item()
    failed += not good
    print(f"{label} {mode} {options or ''}: logits {logits:.1e}, loss {loss_difference:.1e}, gradients {gradient:.1e}{'' if good else '  FAILED'}",
          flush=True)


def our_loss(directory, adapter):
    return json.loads(run("eval", directory, "--adapter", adapter, "--task", "perplexity", "--data", tmp / "rows.jsonl", "--json"))["loss"]


def report(what, ours, theirs):
    global failed
    good = abs(ours - theirs) < 1e-4 * theirs
    failed += not good
    print(f"{what}: loss here {ours:.6f}, there {theirs:.6f}{'' if good else '  FAILED'}", flush=True)


def round_trips(directory, rows, mode):
    out = write_run(directory, "trained", mode, "", {}, "max_steps: 4, learning_rate: 1e-2")
    exported = tmp / "exported"
    shutil.rmtree(exported, ignore_errors=True)
    run("export", out, "--format", "tptt", "--output", exported)
    here = our_loss(directory, out / "adapter")
    report(f"{mode} trained here, TpttModel", here,
           package_loss(tptt.TpttModel(AutoConfig.from_pretrained(exported), attn_implementation="eager"), rows).item())
    report(f"{mode} trained here, load_tptt_safetensors", here,
           package_loss(load_tptt_safetensors(str(exported), package_model(directory, mode)), rows).item())
    report(f"{mode} trained here, from_pretrained", here,
           package_loss(tptt.TpttModel.from_pretrained(exported, attn_implementation="eager"), rows).item())
    report(f"{mode} trained here, exported directory read here", our_loss(directory, exported), here)
    shutil.rmtree(out)
    model = package_model(directory, mode)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    for _ in range(4):
        package_loss(model, rows).backward()
        optimizer.step()
        optimizer.zero_grad()
    shutil.rmtree(tmp / "theirs", ignore_errors=True)
    save(model, directory, mode, tmp / "theirs")
    with torch.no_grad():
        report(f"{mode} trained there", our_loss(directory, tmp / "theirs"), package_loss(model, rows).item())


tiny = make_tiny()
tiny_rows = token_ids(tiny)
print("tokens:", ", ".join(str(len(ids)) for ids in tiny_rows + token_ids(smollm2)))
for mode in MODES:
    for options in ({}, {"cross_gate": True}, {"base_scale_attn": True}, {"cross_gate": True, "base_scale_attn": True}):
        compare("tiny", tiny, tiny_rows, mode, **options)
rows = token_ids(smollm2)
for mode in MODES:
    compare("SmolLM2-135M", smollm2, rows, mode)
for options in ({"cross_gate": True}, {"base_scale_attn": True}):
    compare("SmolLM2-135M", smollm2, rows, "gated_delta_product", **options)
for mode in ("delta_rule", "delta_product_c"):
    round_trips(smollm2, rows, mode)
sys.exit(failed > 0)
