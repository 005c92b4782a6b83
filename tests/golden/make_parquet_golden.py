"""Writes the Parquet files of tests/golden/parquet with pyarrow, and the same rows as JSONL and CSV.

usage: .venv/bin/python tests/golden/make_parquet_golden.py tests/golden/parquet
"""
import csv
import datetime
import json
import pathlib
import sys

import pyarrow as pa
import pyarrow.parquet as pq

out = pathlib.Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)


def write(name, table, **options):
    pq.write_table(table, out / name, compression=options.pop("compression", "snappy"), **options)


rows = [{"instruction": f'Say "{i}", please.\nOne line, two lines.' + "é" * (i % 3), "input": "" if i % 2 else f"a,{i}", "output": f" {i}\r\ndone 🙂"}
        for i in range(7)]
with open(out / "rows.jsonl", "w") as file:
    file.writelines(json.dumps(row) + "\n" for row in rows)
with open(out / "rows.csv", "w", newline="") as file:
    writer = csv.DictWriter(file, ["instruction", "input", "output"])
    writer.writeheader()
    writer.writerows(rows)
write("rows.parquet", pa.Table.from_pylist(rows), row_group_size=3)
write("rows_zstd.parquet", pa.table({
    "instruction": pa.array([r["instruction"] for r in rows], pa.large_string()),
    "input": pa.array([r["input"] or None for r in rows]).dictionary_encode(),
    "output": pa.array([r["output"] for r in rows]).dictionary_encode(),
    "made": pa.array([datetime.datetime(2026, 1, 1)] * len(rows)),
}), compression="zstd")

turns = [[("system", "s"), ("user", "u"), ("assistant", "a")], [("user", "v"), ("assistant", "b")]]
write("messages.parquet", pa.table({"id": [1, 2], "messages": pa.array(
    [[{"role": r, "content": c, "weight": 1 if r == "assistant" else None} for r, c in chat] for chat in turns])}))
names = {"system": "system", "user": "human", "assistant": "gpt"}
write("sharegpt.parquet", pa.table({"conversations": pa.array(
    [[{"from": names[r], "value": c} for r, c in chat] for chat in turns],
    pa.large_list(pa.struct([("from", pa.string()), ("value", pa.large_string())])))}))
write("numbers.parquet", pa.table({
    "i": pa.array([-3, 4], pa.int16()), "u": pa.array([3, 2**64 - 1], pa.uint64()), "f": [0.5, 1.0], "b": [True, False],
    "output": ["x", None]}))
write("bad.parquet", pa.table({"prompt": ["p", "q", "r"], "completion": ["c", None, "d"]}))
latin = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\x00\x00\x00\x00\x02\x00\x00\x00"), pa.py_buffer(b"a\xff")])
write("latin.parquet", pa.table({"text": latin}))
write("dates.parquet", pa.table({"day": pa.array([datetime.date(2026, 1, 1)])}))
