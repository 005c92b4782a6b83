#pragma once

#include "models/linear.h"

namespace tptt {

/// down(silu(gate(x)) * up(x)), the MLP of llama and its kin.
struct Mlp {
  Linear gate_proj, up_proj, down_proj;
  at::Tensor forward(const at::Tensor& x, const Dropout& dropout) const;  // [N, E] -> [N, E]
};

}  // namespace tptt
