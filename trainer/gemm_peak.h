#pragma once

#include "models/causal_lm.h"

namespace tptt {

/// The rate in GFLOP/s that the model's matrix products, forward and backward, would have if each
/// ran as fast as it does alone and nothing else took time; measured now. `tokens` rows in the
/// layers, `targets` in the head.
double gemm_peak_gflops(CausalLM& model, int64_t tokens, int64_t targets);

}  // namespace tptt
