#pragma once

#include "models/linear.h"

namespace tptt {

/// The token embedding, frozen but for what an adapter adds to it.
struct Embedding {
  std::string name;          // Hugging Face module path
  FrozenWeight weight;       // [V, E]
  std::optional<Lora> lora;  // a [r, V], b [E, r] as PEFT has them; no dropout
  bool trained = false;      // weight.dense is float32 and learns (modules_to_save)

  at::Tensor forward(const at::Tensor& ids, at::ScalarType type) const;  // [N] -> [N, E]
};

}  // namespace tptt
