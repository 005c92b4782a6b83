#pragma once

#include <string>
#include <vector>

#include "models/causal_lm.h"
#include "models/lora_config.h"

namespace tptt {

/// A trainable float32 tensor by its name in adapter files.
struct Trainable {
  std::string name;
  at::Tensor tensor;  // shares storage with the model
  bool is_gate = false;
};

/// True when a target_modules entry names the module: exactly, or by what follows a dot.
bool names_module(const std::string& target, const std::string& module);

/// Adds LoRA to the Linears that target_modules names (exact name, or suffix after a dot;
/// "all-linear": all but the head). A is Kaiming-uniform (a = sqrt(5)) from `seed`, B zero, as
/// PEFT. Throws UsageError that names a target no module matches.
void add_lora(CausalLM& model, const LoraConfig& config, uint64_t seed);

/// LoRA tensors under PEFT's names ("base_model.model.<module>.lora_A.weight"), then the gates
/// ("model.layers.N.self_attn.liza.gate").
std::vector<Trainable> trainables(CausalLM& model);

}  // namespace tptt
