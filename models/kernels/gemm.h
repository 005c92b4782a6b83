#pragma once

#include <ATen/core/Tensor.h>

#include "models/kernels/levels.h"

namespace tptt {

/// A product's factor b is [K, N], or with `transposed` [N, K]; with `add` it is added to what is
/// there.
struct GemmOptions {
  bool transposed = false, add = false;
};

/// Whether gemm() is the fastest way to a product. With bfloat16, which it widens as it reads:
/// where the CPU does not multiply bfloat16 faster as it is (with AMX, or AMD's AVX512-BF16, whose
/// units are full width; elsewhere they reach half of float32's rate). In float32: on AMD's CPUs
/// with AVX-512, of which MKL leaves half unused.
bool has_gemm(const at::Tensor& a, const at::Tensor& b);

/// c [M, N] = or += a [M, K] b, each float32 or bfloat16, rows contiguous; sums in float32.
void gemm(at::Tensor& c, const at::Tensor& a, const at::Tensor& b, GemmOptions options,
          Level level = levels().front());

}  // namespace tptt
