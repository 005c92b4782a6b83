#pragma once

#include <ATen/core/Tensor.h>

#include "models/model_config.h"

namespace tptt {

/// Inverse frequencies [D/2] float32 with the config's scaling (default, linear, llama3), computed
/// as Hugging Face's modeling_rope_utils does.
at::Tensor rope_inv_freq(const ModelConfig& config);

/// Rotary tables of one forward.
struct RopeTable {
  at::Tensor cos, sin;  // [N, 1, D/2] float32
};
RopeTable rope_table(const at::Tensor& inv_freq, const at::Tensor& positions);

/// Half-split rotation of x [N, H, D] (Hugging Face's rotate_half convention).
at::Tensor apply_rope(const at::Tensor& x, const RopeTable& table);

}  // namespace tptt
