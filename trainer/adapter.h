#pragma once

#include <optional>
#include <string>

#include "models/causal_lm.h"
#include "models/liza/liza_config.h"
#include "models/lora_config.h"

namespace tptt {

/// An adapter directory's configuration: PEFT's adapter_config.json and, with a memory, our
/// liza_config.json beside it.
struct AdapterConfig {
  LoraConfig lora;
  std::optional<LizaConfig> liza;
  std::string base_model_name_or_path;
};

/// Reads adapter_config.json (+ liza_config.json). PEFT features that change the function (DoRA,
/// rsLoRA, patterns, bias, modules_to_save) are refused by name. Throws Error.
AdapterConfig read_adapter_config(const std::string& dir);

/// Fills the model's LoRA tensors and gates from the directory; every tensor must be used and every
/// parameter filled. Throws Error that names file and tensor.
void load_adapter_weights(CausalLM& model, const std::string& dir);

/// Adds LoRA and LiZA as the directory says and fills them.
AdapterConfig apply_adapter(CausalLM& model, const std::string& dir);

/// Fills the named tensors from a safetensors file that must hold exactly them, float32, with their
/// shapes. Throws Error.
void read_tensors(const std::string& path,
                  const std::vector<std::pair<std::string, at::Tensor>>& tensors);

/// Writes the named float32 tensors as a safetensors file.
void write_tensors(const std::string& path,
                   const std::vector<std::pair<std::string, at::Tensor>>& tensors);

/// Writes adapter_model.safetensors, adapter_config.json, README.md and, with a memory,
/// liza_config.json and liza.safetensors into an existing directory (format: peft
/// save_and_load.py).
void write_adapter(CausalLM& model, const AdapterConfig& config, const std::string& dir);

}  // namespace tptt
