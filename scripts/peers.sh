#!/usr/bin/env bash
# The Python packages that this program is compared with, in .venv-peers, and the default model as a directory that they
# read, in .cache/smollm2. Idempotent; after setup.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
ready=.venv-peers/ready-8

install_peers() {  # the network may fail once
  local try
  for try in 1 2 3; do
    .venv-peers/bin/pip install -q --disable-pip-version-check --retries 10 "$@" && return
    sleep 10
  done
  echo "could not install $*" >&2
  exit 1
}

if [ ! -f $ready ]; then
  echo "installing the Python peers in .venv-peers"
  [ -x .venv-peers/bin/python ] || python3 -m venv .venv-peers
  install_peers torch==2.13.0 transformers==5.23.0 peft==0.21.2 accelerate==1.15.0 gguf==0.19.0 numpy==2.4.6 jinja2==3.1.6 einops==0.8.2 \
    lm_eval==0.4.13 datasets==5.2.0 sentencepiece==0.2.3 protobuf==7.36.2 xllamacpp==2026.10.11549 "mlx[cpu]==0.32.4" tensorboard==2.21.0 matplotlib==3.11.2
  install_peers --no-deps tptt==0.12.1 mlx-lm==0.32.2 lighteval==0.8.1  # their other needs are not ours
  touch $ready
fi
[ -f .cache/smollm2/config.json ] || .venv-peers/bin/python tests/e2e/make_smollm2_dir.py .cache/smollm2
