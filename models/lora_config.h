#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace tptt {

inline constexpr const char* kAllLinear = "all-linear";

/// Modules by name, as PEFT takes them: a list of names (whole, or what follows a dot), or one
/// text: a regular expression that a whole name must fit, or kAllLinear.
struct ModuleNames {
  std::vector<std::string> names = {};
  std::string text = {};

  bool empty() const { return names.empty() && text.empty(); }
  bool operator==(const ModuleNames&) const = default;
};

/// LoRA settings; names and defaults are PEFT's, but for lora_alpha and lora_dropout (the paper's).
struct LoraConfig {
  int64_t r = 8;
  double lora_alpha = 16;
  double lora_dropout = 0.05;
  ModuleNames target_modules = {{"q_proj", "k_proj", "v_proj", "o_proj"}};
  ModuleNames exclude_modules = {};
  std::vector<int64_t> layers_to_transform = {};  // empty: every layer
  bool use_rslora = false;                        // scale by alpha / sqrt(r), not alpha / r
  bool use_dora = false;
  std::string init_lora_weights = "true";  // true, gaussian, orthogonal, pissa, pissa_niter_N
  double loraplus_lr_ratio = 1;            // learning rate of B over that of A
  /// Modules of a rank or alpha of their own: regular expressions for a whole name or what follows
  /// a dot in it; two that fit the same module must agree.
  std::vector<std::pair<std::string, int64_t>> rank_pattern = {};
  std::vector<std::pair<std::string, double>> alpha_pattern = {};
  std::vector<std::string> modules_to_save = {};  // trained whole
};

}  // namespace tptt
