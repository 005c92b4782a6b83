#pragma once

#include "models/formats/levels.h"
#include "models/liza/operator.h"

namespace tptt {

/// Whether chunk_delta_forward takes the input: float32 on the CPU, a state without activation.
bool has_chunk_kernel(const DeltaRuleInput& in);

/// chunk_delta_rule without a graph, a chunk's matrices in the first two caches. `state` undefined:
/// zeros.
DeltaRuleOutput chunk_delta_forward(const DeltaRuleInput& in, const at::Tensor& state,
                                    int64_t chunk_size, bool need_final_state,
                                    Level level = levels().front());

/// Its gradients, everything else recomputed. `grad_state` undefined: the final state was not used.
DeltaRuleGrad chunk_delta_backward(const DeltaRuleInput& in, const at::Tensor& state,
                                   int64_t chunk_size, const at::Tensor& grad_o,
                                   const at::Tensor& grad_state, Level level = levels().front());

}  // namespace tptt
