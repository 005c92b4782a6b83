#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tptt {

/// Memory as Gate: how much of each layer's output is the memory's (docs/liza.md).
struct MagConfig {
  std::string mode = "learned";     // learned, gradual, constant, cyclic, switch
  double mag_weight = 0.1;          // constant, switch: the weight; learned: where gates start
  double initial_weight = 0.01;     // gradual
  double final_weight = 0.5;        // gradual
  int64_t transition_step = 100;    // gradual
  std::vector<double> weight_list;  // cyclic
  double gate_lr_multiplier = 100;  // learned
  /// The mean weight in force when the adapter was saved; negative while training.
  double effective_weight = -1;
};

/// The linear-attention memory beside softmax attention; names as in Python tptt.
struct LizaConfig {
  std::string operator_mode = "delta_rule";  // gates.h: operator_modes()
  std::string implementation = "exact";
  int64_t max_chunk_size = 64;
  std::string linear_precision = "float32";
  std::string branch_scale = "match";  // match, none
  MagConfig mag;
};

}  // namespace tptt
