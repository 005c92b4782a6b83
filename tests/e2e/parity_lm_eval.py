"""Benchmarks scored here and by lm-evaluation-harness from the same files: log-likelihoods, answers, means and standard errors; and that its table of
results files reads ours.

usage: parity_lm_eval.py TPTT_BINARY MODEL_DIR DATA_DIR [LIMIT [SUBJECT..]]
DATA_DIR: mmlu/{dev,test}/SUBJECT_{dev,test}.csv and eval/{arc_easy,openbookqa,piqa,winogrande,hellaswag,lambada,..}*.jsonl, in the data sets'
own columns or as {question, choices, answer}; what is not there is left out. LIMIT: first questions of each task (50). The harness
reads its own task definitions; of them only where the rows lie is changed.
"""
import json
import logging
import os
import pathlib
import subprocess
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"
import lm_eval
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from lm_eval.utils import make_table
from lm_eval_tasks import define, mmlu_rows

logging.disable(logging.WARNING)
binary, model, data = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
limit = int(sys.argv[4]) if len(sys.argv) > 4 else 50
subjects = sys.argv[5:] or ["abstract_algebra", "high_school_european_history", "philosophy", "econometrics", "virology", "college_mathematics"]
MOST = 1e-3  # of a log-likelihood
folder = tempfile.TemporaryDirectory()  # gone when the script ends
tmp = pathlib.Path(folder.name)
(tmp / "tasks").mkdir()
failures = []


def letters(count):
    return [chr(ord("A") + i) for i in range(count)]


def hub_rows(task, rows):
    """Rows {question, choices, answer} in the columns of the Hub's data set; others as they are."""
    if "choices" not in rows[0] or isinstance(rows[0]["choices"], dict):
        return rows
    if task == "piqa":
        return [{"goal": r["question"], "sol1": r["choices"][0], "sol2": r["choices"][1], "label": r["answer"]} for r in rows]
    name = "question_stem" if task == "openbookqa" else "question"
    return [{name: r["question"], "choices": {"text": r["choices"], "label": letters(len(r["choices"]))},
             "answerKey": letters(len(r["choices"]))[r["answer"]]} for r in rows]


def ours(name, path, shots, *more):
    samples, result = tmp / f"{name}_{shots}.samples.jsonl", tmp / f"{name}_{shots}.json"
    command = [binary, "eval", model, "--task", name, "--data", str(path), "--num-fewshot", str(shots), "--limit", str(limit), "--output",
               str(result), *more]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    rows = [json.loads(line) for line in samples.read_text().splitlines()]
    return {row["doc_id"]: row for row in rows}, json.loads(result.read_text())


def compare(name, shots, harness, path, *more):
    mine, results = ours(name, path, shots, *more)
    result = results["results"][name]
    theirs = harness["samples"]["local_" + name]
    furthest, same = 0.0, True
    if len(mine) != len(theirs):
        failures.append(f"{name}: {len(mine)} questions here, {len(theirs)} there")
        return
    for sample in theirs:
        row = mine[sample["doc_id"]]
        values = [float(response[0][0]) for response in sample["resps"]]
        furthest = max([furthest] + [abs(a - b) for a, b in zip(values, row["loglikelihoods"], strict=True)])
        same &= all(abs(row["scores"][key + ",none"] - sample[key]) <= (MOST if key == "perplexity" or name.endswith("mc2") else 1e-6)
                    for key in sample["metrics"] if key + ",none" in row["scores"])
    numbers = {key: value for key, value in harness["results"]["local_" + name].items() if "," in key}
    apart = {key: (result[key], value) for key, value in numbers.items()
             if isinstance(value, float) and "perplexity_stderr" not in key
             and abs(result[key] - value) > (MOST if "perplexity" in key or name.endswith("mc2") else 1e-6) * max(1, abs(value))}
    version = harness["versions"]["local_" + name]
    if results["versions"][name] != version or f"|{name}" not in make_table(results).replace(" ", ""):
        apart["the harness' own table"] = (results["versions"][name], version)
    good = furthest < MOST and same and not apart
    print(f"{'ok ' if good else 'BAD'} {name:32} {shots} shots, {len(theirs)} questions: log-likelihoods at most {furthest:.1e} apart, "
          f"{'the same scores' if same else 'OTHER SCORES'}" + (f", apart: {apart}" if apart else ""), flush=True)
    if not good:
        failures.append(name)


tasks, shots = {}, {}  # by name: the file or directory that this program reads, and its file of shots
for subject in subjects:
    files = {split: data / "mmlu" / split / f"{subject}_{split}.csv" for split in ("test", "dev")}
    if files["test"].exists():
        define(tmp / "tasks", f"mmlu_{subject}", f"mmlu/default/mmlu_{subject}.yaml", {split: mmlu_rows(path) for split, path in files.items()})
        tasks[f"mmlu_{subject}"] = data / "mmlu"
OTHERS = {"arc_easy": ("arc/arc_easy.yaml", "test"), "arc_challenge": ("arc/arc_challenge.yaml", "test"),
          "openbookqa": ("openbookqa/openbookqa.yaml", "test"), "piqa": ("piqa/piqa.yaml", "validation"),
          "winogrande": ("winogrande/default.yaml", "validation"), "hellaswag": ("hellaswag/hellaswag.yaml", "validation"),
          "truthfulqa_mc1": ("truthfulqa/truthfulqa_mc1.yaml", "validation"),
          "truthfulqa_mc2": ("truthfulqa/truthfulqa_mc2.yaml", "validation"), "lambada_openai": ("lambada/lambada_openai.yaml", "test")}
SHOTS = ["arc_easy", "arc_challenge", "openbookqa", "winogrande", "piqa", "hellaswag"]
for name, (include, split) in OTHERS.items():
    for path in sorted((data / "eval").glob(name.split("_openai")[0].split("_mc")[0] + "*.jsonl"))[:1]:
        rows = hub_rows(name, [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()])
        splits = {split: rows}
        if name in SHOTS:  # the last rows, so that no question is its own shot
            splits = {split: rows[:-3], "train": rows[-3:]}
            path = tmp / f"{name}_rows.jsonl"
            path.write_text("".join(json.dumps(row) + "\n" for row in rows[:-3]))
        shots[name] = define(tmp / "tasks", name, include, splits).get("train")
        tasks[name] = path
lm = HFLM(pretrained=model, dtype="float32", batch_size=8, device="cpu")
manager = TaskManager(include_path=str(tmp / "tasks"))


def harness_of(names, shots):
    return lm_eval.simple_evaluate(model=lm, tasks=["local_" + name for name in names], num_fewshot=shots, limit=limit, bootstrap_iters=100,
                                   log_samples=True, task_manager=manager, verbosity="ERROR")


plain = harness_of([*tasks], 0)
for name, path in tasks.items():
    compare(name, 0, plain, path)
drawn = [name for name in SHOTS if name in tasks]
with_drawn = harness_of(drawn, 2)
for name in drawn:
    compare(name, 2, with_drawn, tasks[name], "--shots", shots[name])
mmlu = [name for name in tasks if name.startswith("mmlu_")]
with_shots = harness_of(mmlu, 5)
for name in mmlu:
    compare(name, 5, with_shots, tasks[name])
sys.exit(f"{len(failures)} failed: {failures}" if failures else 0)
