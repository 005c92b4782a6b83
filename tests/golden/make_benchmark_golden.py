"""What the original harnesses make of benchmarks/: scores of written answers and prompts of MMLU.

usage: make_benchmark_golden.py OUT_DIR [EVALUATE_PY]      EVALUATE_PY: of the original MMLU's repository (hendrycks/test)
OUT_DIR/matches.json: [answer, written, [em, qem, pem, pqem]] by lighteval 0.8's own functions; OUT_DIR/lighteval.json: its prompts with
0, 1 and 5 shots, by its prompt and shot functions; OUT_DIR/hendrycks.json, with EVALUATE_PY: the original script's with 0 and 5 shots.
Of lighteval only the three files named below are run, without what they import and do not call here.
"""
import csv
import dataclasses
import importlib.abc
import importlib.machinery
import importlib.util
import itertools
import json
import pathlib
import sys
import types

out = pathlib.Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
data = pathlib.Path(__file__).parent / "benchmarks" / "mmlu"
package = pathlib.Path(importlib.util.find_spec("lighteval").submodule_search_locations[0])


class Name(type):
    """Makes classes whose every attribute is another one."""

    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Name(name, (), {})


class Unused(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Modules that are imported for names alone."""

    def find_spec(self, name, path, target=None):
        if name.split(".")[0] in ("lighteval", "openai", "crop", "pycountry", "aenum", "langcodes"):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec):
        module = types.ModuleType(spec.name)
        module.__getattr__ = lambda name: getattr(Name("", (), {}), name)
        return module

    def exec_module(self, module):
        pass


sys.meta_path.insert(0, Unused())


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


normal = load(package / "metrics/normalizations.py").helm_normalizer
ExactMatches = load(package / "metrics/metrics_sample.py").ExactMatches
METRICS = [ExactMatches(strip_strings=True), ExactMatches(strip_strings=True, normalize_gold=normal, normalize_pred=normal),
           ExactMatches(strip_strings=True, type_exact_match="prefix"),
           ExactMatches(normalize_gold=normal, normalize_pred=normal, type_exact_match="prefix")]
WRITTEN = ["", " ", "\n", " A", "A", " B", "B", "b", " b.", "B.", " B. Rome", "B) Rome", "(B)", "[B]", "Because", "Both", "the", "The answer is B", "an", "a",
           "An A", " the B", "B the", "B a", "A B", "A-B", "B-A", "B - A", "-B", "B-", "--", "...", "!?", "B!", "\"B\"", "'B'", "`B`", "_B_", "B_", "1", "1.0", "01",
           "1e3", "1,000", "inf", "nan", "Infinity", "NaN B", "B 1", "B1", "2-B", " C", "C", "c", "D", " D\t", "\tD", "D\u00a0", "\u00a0B", "\u3000B", "\u00c9",
           "\u00e0 B", "a\u00e9", "\u00e9a", "\u201cB\u201d", "B\u2019s", "\u00dcber B", "answer: B", "Answer B", "B  C", "b c", "None of the above", "all", "cat",
           "dog", "a dog", "A  the  B", "the-B", "a-B", "an-the", "B;", "B:C", "B/C", "B&C", "$5", "5%", "5 %", "5.50", "5.5", "1e400", "12345678901234567890",
           "x" * 40, "a a a", "the Rome", "Rome, Italy", "rome italy", "the 5.5"]
ANSWERS = [" A", " B", "the 5.5", "Rome, Italy"]
matches = [[answer, written, [metric.compute_one_item(gold=answer, pred=written) for metric in METRICS]] for answer in ANSWERS for written in WRITTEN]


def write(name, value):
    (out / name).write_text(json.dumps(value, indent=0) + "\n")


def rows_of(split, subject):
    with open(data / split / f"{subject}_{split}.csv", newline="", encoding="utf-8") as file:
        return [{"subject": subject, "question": r[0], "choices": r[1:5], "answer": "ABCD".index(r[5])} for r in csv.reader(file)]


SUBJECTS = ["abstract_algebra", "virology"]
manager, prompts = load(package / "tasks/prompt_manager.py"), load(package / "tasks/default_prompts.py")
manager.as_list = lambda value: value if isinstance(value, list) else [value]
prompts.Doc = dataclasses.make_dataclass("Doc", ["task_name", "query", "choices", "gold_index", "fewshot_sorting_class", "instruction"])
prompts.Doc.get_golds = lambda doc: [doc.choices[doc.gold_index]]
lighteval = {}
for subject, shots in itertools.product(SUBJECTS, (0, 1, 5)):
    docs, dev = ([prompts.mmlu_helm(row) for row in rows_of(split, subject)] for split in ("test", "dev"))
    task = types.SimpleNamespace(fewshot_selection=None, fewshot_split="dev", fewshot_docs=lambda dev=dev: dev)
    one = manager.PromptManager(task, types.SimpleNamespace(tokenizer=None, tok_encode=list, max_length=None))
    lighteval[f"{subject} {shots}"] = [one._single_turn_context(doc, shots, 0)[0] for doc in docs]
write("matches.json", matches)
write("lighteval.json", lighteval)
if len(sys.argv) > 2:
    import pandas

    original = load(pathlib.Path(sys.argv[2]))
    hendrycks = {}
    for subject, shots in itertools.product(SUBJECTS, (0, 5)):
        dev, test = (pandas.read_csv(data / split / f"{subject}_{split}.csv", header=None) for split in ("dev", "test"))
        before = original.gen_prompt(dev, subject, shots)
        hendrycks[f"{subject} {shots}"] = [before + original.format_example(test, i, include_answer=False) for i in range(len(test))]
    write("hendrycks.json", hendrycks)
