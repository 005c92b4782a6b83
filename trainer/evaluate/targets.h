#pragma once

#include <vector>

#include "models/causal_lm.h"

namespace tptt {

/// What the model says of one token that should come next.
struct TokenScore {
  double log_prob = 0;
  bool greedy = false;  // greedy decoding would have chosen it
};

/// A token that may come next after a row of hidden states.
struct Target {
  int64_t row;
  int64_t token;
};

/// Scores of the targets, ordered by row, after the normed hidden states [M, E]; logits exist for
/// one chunk of rows at a time.
std::vector<TokenScore> score_targets(const CausalLM& model, const at::Tensor& hidden,
                                      const std::vector<Target>& targets);

/// Scores of targets [M], one a row.
std::vector<TokenScore> score_rows(const CausalLM& model, const at::Tensor& hidden,
                                   const at::Tensor& targets);

/// Scores of ids[t] for every t in `positions` (each above 0) of one sequence.
std::vector<TokenScore> score_tokens(const CausalLM& model, const std::vector<int32_t>& ids,
                                     const std::vector<int64_t>& positions, Branch branch);

}  // namespace tptt
