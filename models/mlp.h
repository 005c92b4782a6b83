#pragma once

#include <optional>
#include <string>
#include <vector>

#include "models/linear.h"
#include "models/model_config.h"

namespace tptt {

/// down(act(gate(x)) * up(x)), or down(act(up(x))) without a gate; gate and up may be one
/// projection.
struct Mlp {
  std::string hidden_act = "silu";
  std::optional<Linear> gate_proj, up_proj, gate_up_proj;
  Linear down_proj;

  at::Tensor forward(const at::Tensor& x, const Dropout& dropout) const;  // [N, E] -> [N, E]
  std::vector<Linear*> linears();
};

/// An Mlp with the names and sizes of `config` below the module `name`.
Mlp make_mlp(const MlpConfig& config, const std::string& name, int64_t hidden_size);

/// A mixture of experts: the router's softmax weighs num_experts_per_tok of them for each token.
struct Experts {
  int64_t num_experts_per_tok = 0;
  bool norm_topk_prob = false;
  std::string router_name;
  at::Tensor router;  // [num_experts, E]
  std::vector<Mlp> experts;

  at::Tensor forward(const at::Tensor& x, const Dropout& dropout) const;  // [N, E] -> [N, E]
};

}  // namespace tptt
