#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tptt {

/// LoRA settings; names and defaults are PEFT's, but for lora_alpha and lora_dropout (the paper's).
struct LoraConfig {
  int64_t r = 8;
  double lora_alpha = 16;
  double lora_dropout = 0.05;
  /// Exact module names or suffixes after a dot; the single entry "all-linear" is every Linear but
  /// the output head.
  std::vector<std::string> target_modules = {"q_proj", "k_proj", "v_proj", "o_proj"};
};

}  // namespace tptt
