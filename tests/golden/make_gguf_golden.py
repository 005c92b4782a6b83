"""Write GGUF blocks of every type that is read and the float32 values that the gguf package decodes them to.

usage: make_gguf_golden.py OUT_DIR      The same bytes on every run with the same package versions.
OUT_DIR/blocks.gguf holds a tensor for each type under the type's name, blocks.safetensors the values under the same names.
"""
import pathlib
import sys

import gguf
import numpy
from gguf import GGMLQuantizationType as Q
from safetensors.numpy import save_file

PLAIN = [Q.F32, Q.F16, Q.BF16]
# type: byte offsets of the float16 numbers in its block
BLOCKS = {Q.Q8_0: [0], Q.Q4_0: [0], Q.Q4_1: [0, 2], Q.Q5_0: [0], Q.Q5_1: [0, 2],
          Q.Q2_K: [80, 82], Q.Q3_K: [108], Q.Q4_K: [0, 2], Q.Q5_K: [0, 2], Q.Q6_K: [208]}
# zeros, subnormals, the least normal number, ordinary ones, large ones
SCALES = numpy.array([0.0, -0.0, 6e-8, -5.9e-5, 6.104e-5, 0.01, -0.37, 1.0, 333.0, -2048.0], dtype=numpy.float16)


def random_blocks(rng, kind, offsets):
    """Blocks of random bits, each scale in turn: every nibble, sign and high bit occurs."""
    data = rng.integers(0, 256, (len(SCALES), gguf.GGML_QUANT_SIZES[kind][1]), dtype=numpy.uint8)
    for i, offset in enumerate(offsets):
        data[:, offset:offset + 2] = numpy.roll(SCALES, 3 * i).reshape(-1, 1).view(numpy.uint8)
    return data


def write_blocks(folder):
    rng = numpy.random.default_rng(1)
    writer = gguf.GGUFWriter(folder / "blocks.gguf", "llama")
    values = {}
    for kind in PLAIN:
        data = gguf.quantize(rng.normal(size=(2, 32)).astype(numpy.float32), kind)
        if kind == Q.F16:
            data = numpy.arange(65536, dtype=numpy.uint16).view(numpy.float16).reshape(2, -1)[:, ::13]
            data = numpy.where(numpy.isnan(data), numpy.float16(1), data)
        writer.add_tensor(kind.name, data, raw_dtype=kind)
        values[kind.name] = gguf.dequantize(data, kind)
    for kind, offsets in BLOCKS.items():
        data = random_blocks(rng, kind, offsets)
        writer.add_tensor(kind.name, data, raw_dtype=kind)
        values[kind.name] = gguf.dequantize(data, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    save_file({name: numpy.ascontiguousarray(x) for name, x in values.items()}, folder / "blocks.safetensors")


if __name__ == "__main__":
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    write_blocks(out)
