#!/usr/bin/env bash
# Compiles and links tptt against a CUDA LibTorch in build-cuda, on any machine: without a GPU what it shows is that the
# code for CUDA compiles, links and starts. After setup.sh; not a part of test.sh (5 GB of packages).
# usage: cuda_build.sh        TORCH_VERSION=2.14.1 is the CUDA LibTorch that is taken
set -euo pipefail
cd "$(dirname "$0")/.."
version=${TORCH_VERSION:-2.14.1}
venv=.venv-cuda

. scripts/common.sh
folder_of() { "$venv/bin/python" -c "import importlib.util as u; print(u.find_spec('$1').submodule_search_locations[0])"; }

if [ ! -f "$venv/torch-$version" ]; then
  say "installing LibTorch $version for CUDA"
  python3 -m venv "$venv"
  "$venv/bin/pip" install -q "torch==$version" >&2
  touch "$venv/torch-$version"
fi
torch=$(folder_of torch)
[ -f "$torch/lib/libtorch_cuda.so" ] || die "torch $version from this package index is a CPU build; set TORCH_VERSION or the index to a CUDA one"

if ! command -v nvcc >/dev/null; then  # the compiler is only asked for its version: there is no CUDA source here
  say "installing NVIDIA's headers and compiler"
  major=$(basename "$(echo "$(folder_of nvidia)"/cu*)")
  "$venv/bin/pip" install -q "nvidia-cuda-nvcc==${major#cu}.*" "nvidia-cuda-runtime==${major#cu}.*" "nvidia-cuda-cccl==${major#cu}.*"
  PATH="$(folder_of nvidia)/$major/bin:$PATH"
fi
for toolkit in "${CUDA_HOME:-}" "$(dirname "$(dirname "$(readlink -f "$(command -v nvcc)")")")" /usr/local/cuda; do
  [ ! -f "$toolkit/include/cuda_runtime.h" ] || break
done
[ -f "$toolkit/include/cuda_runtime.h" ] || die "no cuda_runtime.h beside nvcc or in /usr/local/cuda: set CUDA_HOME to NVIDIA's toolkit"
say "nvcc: $(nvcc --version | sed -n 's/.*release \([0-9.]*\).*/\1/p')"

nvrtc=$(find "$(folder_of nvidia)" -name 'libnvrtc.so.*' | head -1)
libraries=$(find "$(folder_of nvidia)" -name lib -type d -printf '%p:' )
# A toolkit that was installed in part lacks headers that NCCL's part of LibTorch includes; LibTorch's own packages have them.
CPLUS_INCLUDE_PATH=$(find "$(folder_of nvidia)" -name include -type d -printf '%p:')
export CPLUS_INCLUDE_PATH=${CPLUS_INCLUDE_PATH%:}
mkdir -p build-cuda
cmake -G Ninja -B build-cuda -DCMAKE_BUILD_TYPE=Release -DTPTT_TESTS=OFF -DCMAKE_PREFIX_PATH="$torch" -DCUDA_TOOLKIT_ROOT_DIR="$toolkit" -DCUDA_nvrtc_LIBRARY="$nvrtc" \
  -DCUDA_NVRTC_LIB="$nvrtc" \
  -DCMAKE_EXE_LINKER_FLAGS="-Wl,-rpath-link,$libraries" >build-cuda/build.log 2>&1 || { tail -30 build-cuda/build.log >&2; die "configuring failed (build-cuda/build.log)"; }
say "building"
cmake --build build-cuda >>build-cuda/build.log 2>&1 || { tail -40 build-cuda/build.log >&2; die "the build failed (build-cuda/build.log)"; }
build-cuda/tptt --version
ldd build-cuda/tptt | grep -q libtorch_cuda.so || die "build-cuda/tptt is not linked with libtorch_cuda.so"
say "built build-cuda/tptt with LibTorch $version for CUDA"
if command -v nvidia-smi >/dev/null && nvidia-smi >/dev/null 2>&1; then
  say "this machine has a GPU: scripts/quickstart.sh and the tests take it with model.device=cuda"
else
  say "not run on a GPU: this machine has none"
fi
