#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace tptt {

/// A product's factor b is [K, N], or with `transposed` [N, K]; with `add` it is added to what is
/// there.
struct GemmOptions {
  bool transposed = false, add = false;
};

/// Whether gemm() is the fastest way to a product: with bfloat16 in it, which it widens as it
/// reads, on a CPU with AVX2 or AVX-512 that does not multiply bfloat16 faster as it is (with AMX,
/// or AMD's AVX512-BF16, whose units are full width; elsewhere they reach half of float32's rate).
bool has_gemm(const at::Tensor& a, const at::Tensor& b);

/// c [M, N] = or += a [M, K] b, each float32 or bfloat16, rows contiguous; sums in float32.
void gemm(at::Tensor& c, const at::Tensor& a, const at::Tensor& b, GemmOptions options);

/// The same by one of the versions that this machine can run, the fastest first.
int gemm_versions();
void gemm_version(int version, at::Tensor& c, const at::Tensor& a, const at::Tensor& b,
                  GemmOptions options);

}  // namespace tptt
