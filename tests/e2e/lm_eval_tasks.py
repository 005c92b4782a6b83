"""lm-evaluation-harness' own tasks with rows that lie here."""
import csv
import json
import pathlib

import lm_eval

DEFINITIONS = pathlib.Path(lm_eval.__file__).parent / "tasks"


def mmlu_rows(path):
    rows = list(csv.reader(open(path, newline="", encoding="utf-8")))
    return [{"question": r[0], "choices": r[1:5], "answer": "ABCD".index(r[5])} for r in rows]


def define(folder, name, include, splits):
    """A task local_NAME in a folder for TaskManager(include_path), like the harness' own whose splits are these rows; their files."""
    files = {}
    for split, rows in splits.items():
        files[split] = str(folder / f"{name}_{split}.json")
        pathlib.Path(files[split]).write_text("".join(json.dumps(row) + "\n" for row in rows))
    lines = {"include": str(DEFINITIONS / include), "task": "local_" + name, "dataset_path": "json", "dataset_name": None, "tag": None,
             "dataset_kwargs": {"data_files": files}}
    (folder / f"{name}.yaml").write_text("".join(f"{key}: {json.dumps(value)}\n" for key, value in lines.items()))
    return files
