#pragma once

#include <string>
#include <vector>

#include "models/causal_lm.h"
#include "models/lora_config.h"

namespace tptt {

/// What a trainable tensor is: optimisers give some of them a learning rate of their own.
/// `gate`: all that a memory learns.
enum class TrainableKind { lora_a, lora_b, magnitude, embedding, module, gate };

/// A trainable float32 tensor by its name in adapter files.
struct Trainable {
  std::string name;
  at::Tensor tensor;  // shares storage with the model
  TrainableKind kind = TrainableKind::module;
};

/// Adds LoRA to the modules that `config` chooses (Linears, the output head, the embedding), and
/// makes those of modules_to_save learn whole. Initial values are PEFT's, drawn from `seed`; PiSSA
/// (arXiv 2404.02948) and DoRA need the weights to be loaded. Throws UsageError that names a target
/// no module matches or a setting that cannot be.
void add_lora(CausalLM& model, const LoraConfig& config, uint64_t seed);

/// LoRA tensors under PEFT's names ("base_model.model.<module>.lora_A.weight"), modules_to_save,
/// then the gates ("model.layers.N.self_attn.liza.gate").
std::vector<Trainable> trainables(CausalLM& model);

/// A module's name in PEFT's adapter files, before ".lora_A.weight" and the like.
std::string peft_name(const std::string& module);

/// Whether the output head or the embedding has something that learns, so that a tied pair is no
/// longer one.
bool adapts_ends(CausalLM& model);

}  // namespace tptt
