#pragma once

#include <optional>
#include <string>

#include "models/formats/json.h"
#include "models/liza/liza_config.h"
#include "models/lora_config.h"
#include "trainer/config.h"

namespace tptt {

/// What an adapter directory says of itself.
struct AdapterConfig {
  LoraConfig lora;
  std::optional<LizaConfig> liza;
  std::string base_model_name_or_path;
  std::string dequantised_from;  // GGUF file trained on, or empty; for the README alone
};

/// Reads a PEFT directory (adapter_config.json) with our liza_config.json beside it where there is
/// a memory, or a directory of Python tptt (tptt_adapter.h). PEFT features that change the function
/// and are not known here (bias, aLoRA, ...) are refused by name. Throws Error.
AdapterConfig read_adapter_config(const std::string& dir);

/// Throws UsageError that names the key when the configuration would train an adapter on under
/// another memory than the one it was trained with.
void check_continues(const AdapterConfig& adapter, const Config& config);

/// The LoRA settings of PEFT's JSON; `where` names the source.
LoraConfig lora_from_peft(const Json& json, const std::string& where);

/// And back, with what PEFT itself needs to build the same adapter.
Json lora_to_peft(const LoraConfig& lora, bool inference_mode);

}  // namespace tptt
