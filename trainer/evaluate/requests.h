#pragma once

#include <functional>
#include <vector>

#include "data/tokenizer.h"
#include "models/causal_lm.h"

namespace tptt {

/// A text and what may follow it.
struct Request {
  TokenIds context;                     // not empty
  std::vector<TokenIds> continuations;  // not empty, none of them
};

/// What the model says of one continuation.
struct Likelihood {
  double log_likelihood = 0;  // sum over its tokens
  bool greedy = true;         // greedy decoding would have written it
};

/// Of one request, by continuation.
using Likelihoods = std::vector<Likelihood>;

struct ScoringOptions {
  Branch branch = Branch::mixed;
  int64_t max_tokens = 2048;          // of one forward, about
  int64_t max_cached_tokens = 16384;  // whose keys and values are kept at a time, about
  bool reuse_prefixes = true;         // off: every text on its own
};

/// Scores requests that begin alike (the shots of one subject): what all of them begin with is
/// computed once, and what the continuations of one context begin with once for that context; keys,
/// values and memories go on from there. `on_scored` hears of each request's index and scores as
/// soon as they are known, in any order.
void score_requests(const CausalLM& model, const std::vector<Request>& requests,
                    const ScoringOptions& options,
                    const std::function<void(size_t, const Likelihoods&)>& on_scored);

}  // namespace tptt
