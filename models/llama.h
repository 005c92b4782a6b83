#pragma once

#include <memory>

#include "models/causal_lm.h"

namespace tptt {

/// Llama (Hugging Face model_type "llama"): RMSNorm, RoPE, grouped-query attention, SwiGLU.
std::unique_ptr<CausalLM> make_llama(const ModelConfig& config);

}  // namespace tptt
