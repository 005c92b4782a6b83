#pragma once

#include <functional>
#include <vector>

#include "data/tokenizer.h"
#include "models/causal_lm.h"

namespace tptt {

struct GenerateOptions {
  int64_t max_new_tokens = 256;
  double temperature = 0;  // 0: greedy
  double top_p = 1;
  uint64_t seed = 42;
  Branch branch = Branch::mixed;
  /// Whether an answer so far needs no more tokens; none: only an end token ends it.
  std::function<bool(const TokenIds&)> is_complete = {};
};

/// Throws Error for a token that the model's vocabulary has not.
void check_ids(const TokenIds& ids, int64_t vocab_size);

/// Continues every prompt (not empty) until an end token of the model or max_new_tokens, all
/// prompts together, with a KV cache and the LiZA state; what they begin with is read once.
/// `on_token`, when given, hears of each new token (prompt index, id) but the end token. Returns
/// the new ids without the end token.
std::vector<TokenIds> generate(const CausalLM& model, const std::vector<TokenIds>& prompts,
                               const GenerateOptions& options,
                               const std::function<void(size_t, int32_t)>& on_token = {});

}  // namespace tptt
