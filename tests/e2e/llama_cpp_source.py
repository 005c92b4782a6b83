"""llama.cpp's own converter, from the source package that llama-cpp-python publishes; kept in .cache/llama.cpp."""
import pathlib
import tarfile
import tempfile

from pip_download import pip_download

PACKAGE = "llama-cpp-python==0.3.36"
WANTED = ("conversion/", "gguf-py/", "convert_hf_to_gguf.py", "convert_lora_to_gguf.py", "models/templates/", "tests/test-chat-template.cpp")


def llama_cpp_source():
    """The folder that holds it; downloads it (77 MB) when it is not there."""
    folder = pathlib.Path(__file__).resolve().parents[2] / ".cache/llama.cpp"
    if folder.exists():
        return folder
    folder.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as tmp, tempfile.TemporaryDirectory(dir=folder.parent) as whole:
        with tarfile.open(pip_download(tmp, PACKAGE, "--no-binary", "llama-cpp-python")) as tar:
            for member in tar:
                name = member.name.partition("/vendor/llama.cpp/")[2]
                if member.isfile() and name.startswith(WANTED):
                    target = pathlib.Path(whole, "llama.cpp", name)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(tar.extractfile(member).read())
        pathlib.Path(whole, "llama.cpp").rename(folder)
    return folder
