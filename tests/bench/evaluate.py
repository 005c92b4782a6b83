"""Questions a second of 5-shot MMLU, here and by lm-evaluation-harness at each batch size, in turn. Loading model and questions is in neither. Run alone
on the machine. Memory over the whole test set: flat_evaluation.py.

usage: evaluate.py TPTT_BINARY MODEL_DIR MMLU_DIR [ROUNDS [QUESTIONS]]      with the interpreter of .venv-peers
QUESTIONS: how many of each of the subjects are timed (20)
"""
import json
import logging
import os
import pathlib
import statistics
import subprocess
import sys
import time

from common import arguments, show, tmp

os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"
sys.path.append(str(pathlib.Path(__file__).parents[1] / "e2e"))
import lm_eval
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager, get_task_dict
from lm_eval_tasks import define, mmlu_rows

logging.disable(logging.WARNING)
binary, model, data, *rest = arguments(__doc__, 3)
data = pathlib.Path(data)
rounds = int(rest[0]) if rest else 3
questions = int(rest[1]) if len(rest) > 1 else 20
SUBJECTS = ["abstract_algebra", "high_school_european_history", "philosophy", "econometrics", "virology", "college_mathematics"]
BATCH_SIZES = (1, 2, 4)


def there(lm, manager, batch_size):
    lm.batch_size_per_gpu = batch_size
    tasks = get_task_dict([f"local_{subject}" for subject in SUBJECTS], manager)
    for task in tasks.values():
        task.set_config("num_fewshot", 5)
    start = time.perf_counter()
    lm_eval.evaluate(lm, tasks, limit=questions, bootstrap_iters=0)
    return len(SUBJECTS) * questions / (time.perf_counter() - start)


def here(dtype):
    result = tmp / "result.json"
    result.unlink(missing_ok=True)
    result.with_suffix(".samples.jsonl").unlink(missing_ok=True)
    run = subprocess.run([binary, "eval", model, "--dtype", dtype, "--num-fewshot", "5", "--data", str(data), "--output", str(result), "--task",
                          ",".join("mmlu_" + subject for subject in SUBJECTS), "--limit", str(questions)], capture_output=True, text=True)
    if run.returncode:
        sys.exit(run.stderr)
    return len(SUBJECTS) * questions / float(json.loads(result.read_text())["total_evaluation_time_seconds"])


for subject in SUBJECTS:
    define(tmp, subject, f"mmlu/default/mmlu_{subject}.yaml",
           {split: mmlu_rows(data / split / f"{subject}_{split}.csv") for split in ("test", "dev")})
manager = TaskManager(include_path=str(tmp))
show(f"5-shot MMLU, {questions} questions of each of {len(SUBJECTS)} subjects; questions a second, medians of {rounds} rounds in turn")
show("| | here | lm-evaluation-harness, batch size " + ", ".join(map(str, BATCH_SIZES)) + " | times its fastest |\n|---|---|---|---|")
for dtype in ("float32", "bfloat16"):
    lm = HFLM(pretrained=model, dtype=dtype, batch_size=1, device="cpu")
    columns = list(zip(*[(here(dtype), *(there(lm, manager, size) for size in BATCH_SIZES)) for _ in range(rounds)]))
    ours, *theirs = map(statistics.median, columns)
    show(f"| {dtype} | {ours:.1f} | {', '.join(f'{x:.2f}' for x in theirs)} | {ours / max(theirs):.1f}x |")
    del lm
