"""The default model's GGUF file as float32, for comparisons with llama.cpp."""
import os
import pathlib

import gguf

CACHE = os.environ.get("TPTT_MODELS_DIR") or pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache", "tptt")


def write_float_base(path):
    """The base as float32: with quantised weights llama.cpp rounds its activations too."""
    reader = gguf.GGUFReader(pathlib.Path(CACHE, "SmolLM2-135M-Instruct.Q4_1.gguf"))
    writer = gguf.GGUFWriter(path, "llama")
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name in ("general.architecture", "general.file_type"):
            continue
        writer.add_key_value(field.name, field.contents(), field.types[0], sub_type=field.types[-1] if len(field.types) > 1 else None)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, gguf.dequantize(tensor.data, tensor.tensor_type))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
