"""llama.cpp's own converter, from the source package that llama-cpp-python publishes; kept in .cache/llama.cpp."""
import pathlib
import subprocess
import sys
import tarfile
import tempfile

PACKAGE = "llama-cpp-python==0.3.36"
WANTED = ("conversion/", "gguf-py/", "convert_hf_to_gguf.py", "convert_lora_to_gguf.py", "models/templates/", "tests/test-chat-template.cpp")


def llama_cpp_source():
    """The folder that holds it; downloads it (77 MB) when it is not there."""
    folder = pathlib.Path(__file__).resolve().parents[2] / ".cache/llama.cpp"
    if (folder / "convert_hf_to_gguf.py").exists():
        return folder
    with tempfile.TemporaryDirectory() as tmp:
        subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", "llama-cpp-python", "-d", tmp, PACKAGE],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        archive = next(pathlib.Path(tmp).glob("llama_cpp_python-*.tar.gz"))
        with tarfile.open(archive) as tar:
            for member in tar:
                name = member.name.partition("/vendor/llama.cpp/")[2]
                if member.isfile() and name.startswith(WANTED):
                    target = folder / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(tar.extractfile(member).read())
    return folder
