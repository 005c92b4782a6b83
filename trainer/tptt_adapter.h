#pragma once

#include <string>
#include <vector>

#include "models/formats/model_files.h"
#include "trainer/adapter_config.h"

namespace tptt {

// Adapter directories of the Python package tptt (PyPI, 0.5.1 to 0.12.1): config.json with
// model_type tptt, and adapter_model.safetensors under names of its own. docs/liza.md, "Adapters of
// Python tptt".

/// True when `dir` holds a config.json with model_type tptt and no adapter_config.json.
bool is_tptt_adapter(const std::string& dir);

/// Reads config.json as LoRA with a memory of `implementation: tptt`; warns of a directory older
/// than 0.12, which was trained under another operator. What the package does and we do not
/// (bidirectional, training without LoRA, modes of old versions) is refused by name. Throws Error.
AdapterConfig read_tptt_config(const std::string& dir);

/// A tensor's name in any version's file as PEFT writes it
/// ("base_model.model.<module>.lora_A.weight"); other names stay as they are.
std::string peft_name_of_tptt(const std::string& name);

/// PEFT's name as 0.12.1 writes it; `attentions` are the modules that got a memory.
std::string tptt_name_of_peft(const std::string& name, const std::vector<std::string>& attentions);

/// The config.json that the package builds the same function from. `attentions`: the modules that
/// get a memory. Throws UsageError that names the setting when the package has no such function.
std::string tptt_config_json(const AdapterConfig& config, const ModelFiles& base,
                             const std::vector<std::string>& attentions);

/// How to load the directory in Python.
std::string tptt_readme();

}  // namespace tptt
