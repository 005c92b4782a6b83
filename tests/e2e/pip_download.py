"""Packages whose files the checks read, by pip."""
import pathlib
import subprocess
import sys
import time

TRIES, PAUSE_SECONDS = 4, 10


def pip_download(folder, package, *options):
    """The file of `package` in `folder`; tries again where the network fails, at last with what pip said."""
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", *options, "-d", str(folder), package]
    for left in reversed(range(TRIES)):
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if done.returncode == 0:
            return next(pathlib.Path(folder).iterdir())
        if left:
            time.sleep(PAUSE_SECONDS)
    sys.exit(f"{package} could not be fetched:\n{done.stderr}")
