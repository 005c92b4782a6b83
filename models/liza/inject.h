#pragma once

#include <vector>

#include "models/causal_lm.h"
#include "models/liza/liza_config.h"

namespace tptt {

/// Puts the memory beside the attentions that target_modules names (as LoRA's; "all": every one);
/// learned gates start at mag_weight, other weights at the effective one of a loaded adapter.
/// Throws UsageError that names a target no attention matches.
void inject_liza(CausalLM& model, const LizaConfig& config);

/// Sets the scheduled mu of every layer (no effect on learned gates).
void set_mag_weight(CausalLM& model, double weight);

/// Mean mu of each layer that has a memory.
std::vector<double> mag_weights(CausalLM& model);

/// The softmax window of every layer on all branches but `softmax`, instead of the configured one.
void set_attention_window(CausalLM& model, const AttentionWindow& window);

}  // namespace tptt
