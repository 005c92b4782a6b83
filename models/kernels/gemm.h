#pragma once

#include <ATen/core/Tensor.h>

#include "models/formats/levels.h"

namespace tptt {

/// A product's factor b is [K, N], or with `transposed` [N, K]; with `add` it is added to what is
/// there.
struct GemmOptions {
  bool transposed = false, add = false;
};

/// Whether gemm() is the fastest way to a product. With bfloat16: where the CPU does not multiply
/// it faster as it is, by widening as it reads; on AMD's CPUs with AVX512-BF16, whose units are
/// full width, in pairs when both factors are bfloat16 (oneDNN is slower there and keeps code for
/// each number of rows); with AMX by the library, which gets a part for each thread. In float32: on
/// AMD's CPUs with AVX-512, of which MKL leaves half unused.
bool has_gemm(const at::Tensor& a, const at::Tensor& b);

/// c [M, N] = or += a [M, K] b, each float32 or bfloat16, rows contiguous; sums in float32.
void gemm(at::Tensor& c, const at::Tensor& a, const at::Tensor& b, GemmOptions options,
          Level level = levels().front());

}  // namespace tptt
