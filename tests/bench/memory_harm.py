"""What the runs of memory.py did to the model: benchmarks of the base and of their adapters, paired with the base, as a table of
docs/results/memory.md. Results stay in OUTPUT_DIR/harm. Run alone: about ten minutes an adapter on two cores.

usage: memory_harm.py TPTT_BINARY MODEL SHARED_DATA OUTPUT_DIR RUN..      with any Python 3; OUTPUT_DIR is memory.py's, RUN a folder there
"""
import pathlib

from common import arguments, compare, evaluate, row

binary, model, data, output, *runs = arguments(__doc__, 5)
data, output = pathlib.Path(data), pathlib.Path(output)
LIMIT = 500  # questions of a task
MMLU = ",".join(f"mmlu_{s}" for s in ("college_biology", "high_school_psychology", "marketing", "sociology", "world_religions"))
SETS = {  # options; MMLU's prompts are longer than a window, the others mostly not
    "short": ["--task", "piqa,openbookqa,lambada_openai", "--data", f"piqa={data}/eval/piqa_val.jsonl", f"openbookqa={data}/eval/openbookqa_test.jsonl",
              f"lambada_openai={data}/eval/lambada_test.jsonl"],
    "mmlu": ["--task", MMLU, "--num-fewshot", 5, "--data", data / "mmlu"],
}
COLUMNS = [("short", "piqa", "acc_norm,none"), ("short", "openbookqa", "acc_norm,none"), ("short", "lambada_openai", "acc,none"),
           ("mmlu", "all", "acc,none")]


def results(name, *options):
    return {key: evaluate(binary, model, output / "harm" / f"{name}.{key}.json", "--dtype", "bfloat16", "--limit", LIMIT, *asked, *options)
            for key, asked in SETS.items()}


base = results("base")
row("points against the base", "PIQA", "OpenBookQA", "LAMBADA", "5 subjects of MMLU, 5 shots")
row(*["---"] * 5)
row("base", *(f"{100 * compare(binary, base[key], base[key], task, score)['first']:.1f}" for key, task, score in COLUMNS))
for run in runs:
    adapter = output / run / "adapter"
    for branch in ("mixed", "window") if "LiZA" in run else ("mixed",):
        own = results(f"{run}.{branch}", "--adapter", adapter, "--branch", branch)
        change = [compare(binary, base[key], own[key], task, score) for key, task, score in COLUMNS]
        row(f"{run}, {branch}", *(f"{100 * d['difference']:+.1f} ± {100 * d['standard_error']:.1f}" for d in change))
