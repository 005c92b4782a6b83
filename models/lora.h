#pragma once

#include <string>
#include <vector>

#include "models/causal_lm.h"
#include "models/liza/liza_config.h"
#include "models/lora_config.h"

namespace tptt {

/// A trainable float32 tensor by its name in adapter files.
struct Trainable {
  std::string name;
  at::Tensor tensor;  // shares storage with the model
  bool is_gate = false;
};

/// Adds LoRA to the Linears that target_modules names (exact name, or suffix after a dot;
/// "all-linear": all but the head). A is Kaiming-uniform (a = sqrt(5)) from `seed`, B zero, as
/// PEFT. Throws UsageError that names a target no module matches.
void add_lora(CausalLM& model, const LoraConfig& config, uint64_t seed);

/// Puts the memory beside the attentions that target_modules names (as LoRA's; "all": every one);
/// learned gates start at mag_weight, other weights at the effective one of a loaded adapter.
/// Throws UsageError that names a target no attention matches.
void inject_liza(CausalLM& model, const LizaConfig& config);

/// Sets the scheduled mu of every layer (no effect on learned gates).
void set_mag_weight(CausalLM& model, double weight);

/// Mean mu of each layer; empty without LiZA.
std::vector<double> mag_weights(CausalLM& model);

/// LoRA tensors under PEFT's names ("base_model.model.<module>.lora_A.weight"), then the gates
/// ("model.layers.N.self_attn.liza.gate").
std::vector<Trainable> trainables(CausalLM& model);

}  // namespace tptt
