"""How even the machine is: one product of 1024 x 1024 float32 matrices, over and over.

usage: noise.py [SECONDS]      with the interpreter of .venv-peers
"""
import statistics
import sys
import time

import torch

a = torch.randn(1024, 1024)
seconds, end = [], time.perf_counter() + float(sys.argv[1] if len(sys.argv) > 1 else 10)
while time.perf_counter() < end:
    start = time.perf_counter()
    a @ a
    seconds.append(time.perf_counter() - start)
middle = statistics.median(seconds)
tenths = statistics.quantiles(seconds, n=10)
print(f"a product of 1024 x 1024 matrices: {2e-9 * 1024**3 / middle:.0f} GFLOP/s; a tenth of {len(seconds)} took {tenths[8] / middle - 1:.0%} "
      f"longer than the median or more, a tenth {1 - tenths[0] / middle:.0%} less")
