#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tptt {

/// Memory as Gate: how much of each layer's output is the memory's (docs/liza.md).
struct MagConfig {
  std::string mode = "learned";   // learned, token, gradual, constant, cyclic, switch
  double mag_weight = 0.1;        // constant, switch: the weight; learned, token: where gates start
  double initial_weight = 0.01;   // gradual
  double final_weight = 0.5;      // gradual
  int64_t transition_step = 100;  // gradual
  std::vector<double> weight_list;  // cyclic
  double gate_lr_multiplier = 100;  // learned
  /// The mean weight in force when the adapter was saved; negative while training.
  double effective_weight = -1;
};

/// Whether mu is learned: one number a head, or that and what the query adds.
inline bool has_learned_gate(const MagConfig& mag) {
  return mag.mode == "learned" || mag.mode == "token";
}

/// The linear-attention memory beside softmax attention; names as in Python tptt.
struct LizaConfig {
  std::string operator_mode = "delta_rule";  // gates.h: operator_modes()
  std::string implementation = "exact";      // exact, tptt
  int64_t max_chunk_size = 64;
  std::string linear_precision = "float32";  // float32, float64
  bool cross_gate = false;
  bool base_scale_attn = false;
  std::string branch_scale = "match";           // match, none, learned
  std::optional<int64_t> max_self_attn_length;  // none: the softmax branch sees everything
  int64_t num_sink_tokens = 4;                  // with max_self_attn_length
  double transfer_steps = 0;  // first steps, in which the memory alone learns; below 1: a share
  double transfer_learning_rate = 0.01;
  double memory_lr_multiplier = 4;  // maps and weights of the memory, as gate_lr_multiplier
  std::vector<std::string> target_modules = {"all"};  // attentions, by name or last parts of it
  MagConfig mag;
};

/// What a `liza:` section starts from: the package's own recipe for its own operator.
inline LizaConfig default_liza(const std::string& implementation) {
  LizaConfig liza;
  liza.implementation = implementation;
  if (implementation != "tptt") return liza;
  liza.branch_scale = "none";
  liza.mag.mode = "gradual";
  liza.mag.mag_weight = 0.5;
  return liza;
}

}  // namespace tptt
