#pragma once

#include "models/kernels/gemm.h"

namespace tptt {

/// `gemm` by ATen, each thread a part of c: over all of c oneDNN may give one thread most of it.
void library_gemm(at::Tensor& c, const at::Tensor& a, const at::Tensor& b, GemmOptions options);

}  // namespace tptt
