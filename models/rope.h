#pragma once

#include <ATen/core/Tensor.h>

#include "models/model_config.h"

namespace tptt {

/// Rotary frequencies of a model: one set for short and, with longrope, one for long sequences.
struct Rope {
  RopeConfig config;
  at::Tensor inv_freq;       // [rotary_dim / 2] float32
  at::Tensor long_inv_freq;  // the same, undefined but for longrope
};

/// Computed as Hugging Face's modeling_rope_utils does.
Rope make_rope(const RopeConfig& config, const at::Device& device);

/// Rotary tables of one forward.
struct RopeTable {
  at::Tensor cos, sin;  // [N, 1, rotary_dim / 2] float32
};

/// For these positions [N] of sequences of at most `length` tokens; dynamic and longrope depend on
/// it.
RopeTable rope_table(const Rope& rope, const at::Tensor& positions, int64_t length);

/// True when keys rotated for sequences of `before` tokens must be made again for `after`.
bool rope_changes(const RopeConfig& config, int64_t before, int64_t after);

/// Half-split rotation of the leading part of x [N, H, D] (Hugging Face's rotate_half convention).
at::Tensor apply_rope(const at::Tensor& x, const RopeTable& table);

}  // namespace tptt
