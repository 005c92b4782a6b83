#pragma once

#include <ATen/core/Tensor.h>

namespace tptt {

/// What a gate of the query mixes: soft, raw and q are [N, H, D].
struct GatedMix {
  at::Tensor soft;         // softmax's heads, float32 or bfloat16
  at::Tensor raw;          // the memory's, float32
  at::Tensor q;            // raw queries, soft's type
  at::Tensor gate;         // [H] float32
  at::Tensor gate_weight;  // [H, D] float32
  at::Tensor size;         // [H] float32
};

/// (1 - mu) soft + mu size raw with mu = sigmoid(gate + q . gate_weight), in one pass; all on the
/// CPU; gives soft's type.
at::Tensor gated_mix(const GatedMix& in);

/// The gradients of all six, g [N, H, D] the one of its result.
GatedMix gated_mix_backward(const at::Tensor& g, const GatedMix& in);

}  // namespace tptt
