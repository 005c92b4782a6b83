"""The whole MMLU test set, 5 shots, bfloat16: a base model and adapters of it, then the adapters' branches on ten subjects, as the
tables of docs/results/mmlu.md, with 95% intervals. Results stay in OUTPUT_DIR, from where an interrupted run goes on. Run alone:
about a quarter of an hour a model.

usage: mmlu.py TPTT_BINARY MODEL MMLU_DIR OUTPUT_DIR ADAPTER_DIR...      with any Python 3
"""
import json
import math
import pathlib
import sys

from common import arguments, compare, evaluate, row, show

binary, model, data, output, *adapters = arguments(__doc__, 5)
output = pathlib.Path(output)
CATEGORIES = ["mmlu", "mmlu_stem", "mmlu_humanities", "mmlu_social_sciences", "mmlu_other"]
SUBJECTS = ["abstract_algebra", "anatomy", "astronomy", "business_ethics", "clinical_knowledge", "college_biology", "computer_security",
            "econometrics", "philosophy", "world_religions"]


def results_of(name, tasks, *options):
    path = evaluate(binary, model, output / f"{name}.json", "--dtype", "bfloat16", "--num-fewshot", 5, "--data", data, "--task", tasks, *options)
    return path, json.loads(path.read_text())


def accuracy(results, task):
    score = results["results"][task]
    return f"{100 * score['acc,none']:.1f} ± {100 * 1.96 * score['acc_stderr,none']:.1f}"


def change(d):
    return f"{100 * d['difference']:+.1f} ± {100 * 1.96 * d['standard_error']:.1f}", d["only_first"], d["only_second"], f"{d['mcnemar_p']:.2g}"


names = [pathlib.Path(adapter).parent.name for adapter in adapters]  # of RUN/adapter
if len(set(names)) < len(names):
    sys.exit(f"the runs need names of their own, got {names}")
whole = {"base": results_of("base", "mmlu")}
for name, adapter in zip(names, adapters):
    whole[name] = results_of(name, "mmlu", "--adapter", adapter)
row("", "questions", *CATEGORIES, "seconds")
row(*["---"] * (len(CATEGORIES) + 3))
for name, (_, results) in whole.items():
    count = sum(n["effective"] for n in results["n-samples"].values())
    row(name, f"{count:,}", *(accuracy(results, c) for c in CATEGORIES), round(float(results["total_evaluation_time_seconds"])))
show("\n| against the base | change in points | only base right | only adapter right | McNemar's p |\n|---|---|---|---|---|")
for name in names:
    row(name, *change(compare(binary, whole["base"][0], whole[name][0])))
show(f"\n| {len(SUBJECTS)} subjects | accuracy | change in points | only mixed right | only the branch right | McNemar's p |\n|---|---|---|---|---|---|")
tasks = ",".join("mmlu_" + subject for subject in SUBJECTS)
for name, adapter in zip(names, adapters):
    if not (pathlib.Path(adapter) / "liza_config.json").exists():
        continue
    results = {b: results_of(f"{name}.{b}", tasks, "--adapter", adapter, "--branch", b)[0] for b in ("mixed", "softmax", "linear")}
    for branch, path in results.items():
        d = compare(binary, results["mixed"], path)
        row(f"{name}, {branch}", f"{100 * d['second']:.1f} ± {196 * math.sqrt(d['second'] * (1 - d['second']) / d['questions']):.1f}",
            *(change(d) if branch != "mixed" else [""] * 4))
