#pragma once

#include <functional>
#include <string>
#include <vector>

#include "models/causal_lm.h"
#include "trainer/adapter_config.h"

namespace tptt {

/// Whether the memory's weights are gates that learn, and lie in files.
bool has_gates(const std::optional<LizaConfig>& liza);

/// Fills the model's LoRA tensors and, with `gates`, its gates from the directory (PEFT's or Python
/// tptt's names); every tensor must be used and every parameter filled. Throws Error that names
/// file and tensor.
void load_adapter_weights(CausalLM& model, const std::string& dir, bool gates);

/// Adds LoRA and LiZA as the directory says and fills them.
AdapterConfig apply_adapter(CausalLM& model, const std::string& dir);

/// Fills the named tensors from a safetensors file that must hold exactly them, float32, with their
/// shapes; `rename` turns the file's names into theirs. Throws Error.
void read_tensors(const std::string& path,
                  const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                  const std::function<std::string(const std::string&)>& rename = {});

/// Writes the named float32 tensors as a safetensors file.
void write_tensors(const std::string& path,
                   const std::vector<std::pair<std::string, at::Tensor>>& tensors);

/// Writes adapter_model.safetensors, adapter_config.json, README.md and, with a memory,
/// liza_config.json and liza.safetensors into an existing directory (format: peft
/// save_and_load.py).
void write_adapter(CausalLM& model, const AdapterConfig& config, const std::string& dir);

}  // namespace tptt
