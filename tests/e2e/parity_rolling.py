"""What lm-evaluation-harness' model class says of whole texts and writes itself, beside this program: the rolling log-likelihood of a
text in windows without and with overlap, GSM8K's solutions, and the answers of lighteval's protocol (5 tokens up to a line end).

usage: parity_rolling.py TPTT_BINARY MODEL_DIR DATA_DIR [LIMIT [SUBJECT]]
DATA_DIR: mmlu/{dev,test}/SUBJECT_{dev,test}.csv, and eval/gsm8k*.jsonl unless it is not there. LIMIT: questions written (10).
"""
import csv
import json
import logging
import math
import os
import pathlib
import subprocess
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"
import lm_eval
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window
from lm_eval_tasks import define

logging.disable(logging.WARNING)
binary, model, data = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
limit = int(sys.argv[4]) if len(sys.argv) > 4 else 10
subject = sys.argv[5] if len(sys.argv) > 5 else "virology"
LENGTH, STRIDES = 64, (64, 24)
MOST = 1e-4  # of a number
folder = tempfile.TemporaryDirectory()  # gone when the script ends
tmp = pathlib.Path(folder.name)
lm = HFLM(pretrained=model, dtype="float32", batch_size=8, device="cpu")
failures = []


def check(name, good, said):
    print(f"{'ok ' if good else 'BAD'} {name}: {said}", flush=True)
    if not good:
        failures.append(name)


def eval_here(*options):
    done = subprocess.run([binary, "eval", model, *map(str, options)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout


def responses_here(task, *options):
    eval_here("--task", task, "--limit", limit, "--output", tmp / f"{task}.json", *options)
    return [row for row in sorted(map(json.loads, open(tmp / f"{task}.samples.jsonl")), key=lambda row: row["doc_id"])]


def rolling(text, stride):
    ids = lm.tok_encode(text)
    windows = get_rolling_token_windows(token_list=ids, prefix_token=lm.prefix_token_id, max_seq_len=LENGTH, context_len=LENGTH - stride + 1)
    scored = lm._loglikelihood_tokens([(None, *make_disjoint_window(window)) for window in windows], disable_tqdm=True)
    return sum(value for value, _ in scored), len(ids)


rows = list(csv.reader(open(data / f"mmlu/test/{subject}_test.csv", newline="", encoding="utf-8")))
text = "\n\n".join(" ".join(row[:5]) for row in rows)[:6000]
(tmp / "text.txt").write_text(text)
for stride in STRIDES:
    there, count = rolling(text, stride)
    here = json.loads(eval_here("--task", "perplexity", "--data", tmp / "text.txt", "--max-length", LENGTH, "--stride", stride, "--json"))
    numbers = {"loss": -there / count, "word_perplexity": math.exp(-there / len(text.split())),
               "byte_perplexity": math.exp(-there / len(text.encode())), "bits_per_byte": -there / len(text.encode()) / math.log(2)}
    apart = max(abs(here[key] - value) / max(1, value) for key, value in numbers.items())
    check(f"perplexity, stride {stride}", here["target_tokens"] == count and apart < MOST,
          f"{count} tokens, loss {here['loss']:.5f} and {-there / count:.5f}, numbers at most {apart:.1e} apart")

prompts = [f"The following are multiple choice questions (with answers) about {subject.replace('_', ' ')}.\n\nQuestion: {row[0]}\n"
           + "".join(f"{letter}. {choice}\n" for letter, choice in zip("ABCD", row[1:5])) + "Answer:" for row in rows[:limit]]
there = lm.generate_until([Instance("generate_until", {}, (prompt, {"until": ["\n"], "max_gen_toks": 5, "do_sample": False}), i)
                           for i, prompt in enumerate(prompts)], disable_tqdm=True)
here = responses_here(f"mmlu_{subject}", "--protocol", "lighteval", "--data", data / "mmlu")
check("lighteval's answers", [row["response"] for row in here] == there, f"{len(there)} of five tokens, {len(set(there))} of them different")

for path in sorted((data / "eval").glob("gsm8k*.jsonl")):
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    files = define(tmp, "gsm8k", "gsm8k/gsm8k.yaml", {"test": rows[:limit], "train": rows[-5:]})
    there = lm_eval.simple_evaluate(model=lm, tasks=["local_gsm8k"], num_fewshot=2, log_samples=True, bootstrap_iters=0,
                                    task_manager=TaskManager(include_path=str(tmp)), verbosity="ERROR")
    texts = {sample["doc_id"]: sample["resps"][0][0] for sample in there["samples"]["local_gsm8k"]}
    here = responses_here("gsm8k", "--num-fewshot", 2, "--data", files["test"], "--shots", files["train"])
    scores = json.load(open(tmp / "gsm8k.json"))["results"]["gsm8k"]
    same = [row["response"] == texts[row["doc_id"]] for row in here]
    equal = all(abs(scores[key] - value) < 1e-9 for key, value in there["results"]["local_gsm8k"].items()
                if key.startswith("exact_match,"))
    check(f"GSM8K, {path.name}", all(same) and equal, f"{sum(same)} of {len(same)} solutions the same text, "
          f"{'the same scores' if equal else 'OTHER SCORES'}")
sys.exit(f"{len(failures)} failed: {failures}" if failures else 0)
