"""Questions a second and resident memory over an evaluation of many questions (5-shot MMLU: 14,042): the slope of a straight line through what
is looked at about twice a second, from question 1,000 on. Run alone on the machine.

usage: flat_evaluation.py TPTT_BINARY MODEL_DIR MMLU_DIR [DTYPE]      with any Python 3
"""
import json
import statistics
import subprocess
import time

from common import arguments, show, tmp

binary, model, mmlu, *rest = arguments(__doc__, 3)
dtype, FIRST = rest[0] if rest else "bfloat16", 1000
result, samples, log = tmp / "result.json", tmp / "result.samples.jsonl", tmp / "log"


def resident_mib(pid):
    lines = open(f"/proc/{pid}/status").read().splitlines()
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), None)


with open(log, "w") as output:
    evaluation = subprocess.Popen([binary, "eval", model, "--dtype", dtype, "--task", "mmlu", "--num-fewshot", "5", "--data", mmlu,
                                   "--output", result], stdout=output, stderr=output)
looks, read, questions = [], 0, 0  # (questions, MiB), bytes and lines of the samples read
while evaluation.poll() is None:
    time.sleep(0.5)
    if samples.exists():
        with open(samples, "rb") as file:
            file.seek(read)
            new = file.read()
        read, questions = read + len(new), questions + new.count(b"\n")
    resident = resident_mib(evaluation.pid)
    if resident and questions >= FIRST:
        looks.append((questions, resident))
if evaluation.returncode != 0:
    raise SystemExit(log.read_text())
slope, _ = statistics.linear_regression(*zip(*looks))
seconds = float(json.loads(result.read_text())["total_evaluation_time_seconds"])
peak = max(looks, key=lambda look: look[1])
show(f"{questions} questions in {dtype}, {questions / seconds:.1f} a second, {len(looks)} looks: {looks[0][1]:.1f} MiB at question {looks[0][0]}, {looks[-1][1]:.1f} at "
     f"question {looks[-1][0]}, at most {peak[1]:.1f} at question {peak[0]}: slope {1000 * slope:.2f} MiB in 1,000 questions")
