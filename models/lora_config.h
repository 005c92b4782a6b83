#pragma once

#include <cstdint>
#include <string>
#include <utility>
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
  bool use_rslora = false;  // scale by alpha / sqrt(r), not alpha / r
  /// Modules of a rank or alpha of their own: regular expressions for a whole name or what follows
  /// a dot in it; two that fit the same module must agree.
  std::vector<std::pair<std::string, int64_t>> rank_pattern;
  std::vector<std::pair<std::string, double>> alpha_pattern;
};

}  // namespace tptt
