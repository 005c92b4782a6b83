#include "trainer/evaluate/requests.h"

#include <c10/core/GradMode.h>

#include <algorithm>
#include <numeric>

#include "models/host_tensor.h"
#include "trainer/evaluate/targets.h"
#include "trainer/generate.h"
#include "trainer/prefix.h"

namespace tptt {
namespace {

constexpr int64_t kKeysPerToken = 32;  // keys that a forward may look at for each of max_tokens

// Sequences of one forward and the rows of it that are scored.
struct Forward {
  std::vector<int64_t> ids, lengths;
  std::vector<int64_t> rows;    // of the hidden states, rising
  std::vector<Target> targets;  // by index into `rows`
  std::vector<Likelihood*> of;  // whose each target is a token of

  void add(const int32_t* begin, int64_t length) {
    ids.insert(ids.end(), begin, begin + length);
    lengths.push_back(length);
  }
  void score_from(int64_t row) { rows.push_back(row); }
  void expect(int32_t token, Likelihood& continuation) {
    targets.push_back({int64_t(rows.size()) - 1, token});
    of.push_back(&continuation);
  }
};

// Adds each target's score to its continuation's.
void run(const CausalLM& model, const Forward& forward, Branch branch, DecodeCache* cache,
         const Past& past) {
  const AttentionContext context = model.context(forward.lengths, {.branch = branch}, cache, past);
  const at::Tensor hidden = model.hidden(host_tensor(forward.ids, model.device()), context);
  const auto tokens = score_targets(
      model, hidden.index_select(0, host_tensor(forward.rows, model.device())), forward.targets);
  for (size_t i = 0; i < tokens.size(); ++i) {
    forward.of[i]->log_likelihood += tokens[i].log_prob;
    forward.of[i]->greedy &= tokens[i].greedy;
  }
}

// The tokens from `first` on follow the rows from `row` on.
void expect_all(Forward& forward, int64_t row, const TokenIds& tokens, size_t first,
                Likelihood& continuation) {
  for (size_t t = first; t < tokens.size(); ++t) {
    forward.score_from(row++);
    forward.expect(tokens[t], continuation);
  }
}

int64_t longest_text(const std::vector<Request>& requests) {
  size_t longest = 0;
  for (const Request& r : requests)
    for (const TokenIds& c : r.continuations)
      longest = std::max(longest, r.context.size() + c.size());
  return int64_t(longest);
}

bool has_long_continuation(const Request& r) {
  return std::any_of(r.continuations.begin(), r.continuations.end(),
                     [](const TokenIds& c) { return c.size() > 1; });
}

class Scorer {
 public:
  Scorer(const CausalLM& model, const std::vector<Request>& requests, const ScoringOptions& options)
      : model_(model), requests_(requests), options_(options), scores_(requests.size()) {
    for (size_t i = 0; i < requests.size(); ++i)
      scores_[i].resize(requests[i].continuations.size());
    longest_ = longest_text(requests);
    reuses_ = options.reuse_prefixes && continues_caches(model, options.branch);
    if (!reuses_) return;
    std::vector<const TokenIds*> contexts;
    for (const Request& r : requests) contexts.push_back(&r.context);
    prefix_ = compute_prefix(model, contexts, longest_, options.branch);
  }

  // The next requests of `order` from `begin` on that fit one forward; returns their end.
  size_t batch_end(const std::vector<size_t>& order, size_t begin) const {
    int64_t tokens = 0, keys = 0, cached = 0;
    for (size_t i = begin; i < order.size(); ++i) {
      const Request& r = requests_[order[i]];
      const int64_t context = int64_t(r.context.size());
      const bool again = !reuses_ && has_long_continuation(r);  // the context for each
      tokens += again ? 0 : context - prefix_.length;
      keys += context;
      cached += has_long_continuation(r) ? context : 0;
      for (const TokenIds& c : r.continuations) {
        tokens += int64_t(c.size()) - 1 + (again ? context : 0);
        keys += c.size() > 1 ? int64_t(c.size()) + context : 0;
      }
      if (i > begin && (tokens > options_.max_tokens || cached > options_.max_cached_tokens ||
                        keys > options_.max_tokens * kKeysPerToken))
        return i;
    }
    return order.size();
  }

  void score(const std::vector<size_t>& batch) {
    const bool more = std::any_of(batch.begin(), batch.end(),
                                  [&](size_t i) { return has_long_continuation(requests_[i]); });
    if (more && (!reuses_ || cache_expires(model_, 1, longest_))) return score_whole(batch);
    DecodeCache cache;
    score_first_tokens(batch, more ? &cache : nullptr);
    if (more) score_later_tokens(batch, cache);
  }

  const Likelihoods& scores_of(size_t i) const { return scores_[i]; }

 private:
  // All continuations' first tokens follow the same row. A cache takes the contexts.
  void score_first_tokens(const std::vector<size_t>& batch, DecodeCache* cache) {
    Forward forward;
    int64_t longest = 0;
    for (const size_t i : batch) {
      const auto& [context, continuations] = requests_[i];
      forward.add(context.data() + prefix_.length, int64_t(context.size()) - prefix_.length);
      longest = std::max(longest, int64_t(context.size()));
      forward.score_from(int64_t(forward.ids.size()) - 1);
      for (size_t c = 0; c < continuations.size(); ++c)
        forward.expect(continuations[c][0], scores_[i][c]);
    }
    if (cache) *cache = make_cache(model_, int64_t(batch.size()), longest, options_.branch);
    run(model_, forward, options_.branch, cache, prefix_.past(batch.size()));
  }

  // What follows them, each continuation behind its context in the cache.
  void score_later_tokens(const std::vector<size_t>& batch, const DecodeCache& contexts) {
    Forward forward;
    Past past{&contexts, {}};
    for (size_t s = 0; s < batch.size(); ++s) {
      const auto& continuations = requests_[batch[s]].continuations;
      for (size_t c = 0; c < continuations.size(); ++c) {
        const TokenIds& tokens = continuations[c];
        if (tokens.size() == 1) continue;
        const int64_t start = int64_t(forward.ids.size());
        forward.add(tokens.data(), int64_t(tokens.size()) - 1);
        past.sequences.push_back(int64_t(s));
        expect_all(forward, start, tokens, 1, scores_[batch[s]][c]);
      }
    }
    run(model_, forward, options_.branch, nullptr, past);
  }

  // Each context with each continuation a text of its own.
  void score_whole(const std::vector<size_t>& batch) {
    Forward forward;
    for (const size_t i : batch) {
      const auto& [context, continuations] = requests_[i];
      for (size_t c = 0; c < continuations.size(); ++c) {
        const TokenIds& tokens = continuations[c];
        const int64_t last = int64_t(forward.ids.size() + context.size()) - 1;
        TokenIds text = context;
        text.insert(text.end(), tokens.begin(), tokens.end() - 1);
        forward.add(text.data(), int64_t(text.size()));
        expect_all(forward, last, tokens, 0, scores_[i][c]);
      }
    }
    run(model_, forward, options_.branch, nullptr, {});
  }

  const CausalLM& model_;
  const std::vector<Request>& requests_;
  const ScoringOptions& options_;
  std::vector<Likelihoods> scores_;
  bool reuses_ = false;
  int64_t longest_ = 0;
  Prefix prefix_;
};

}  // namespace

void score_requests(const CausalLM& model, const std::vector<Request>& requests,
                    const ScoringOptions& options,
                    const std::function<void(size_t, const Likelihoods&)>& on_scored) {
  if (requests.empty()) return;
  c10::AutoGradMode no_grad(false);
  for (const Request& r : requests) {
    check_ids(r.context, model.config.vocab_size);
    for (const TokenIds& c : r.continuations) check_ids(c, model.config.vocab_size);
  }
  Scorer scorer(model, requests, options);
  std::vector<size_t> order(requests.size());  // longest first, so that memory peaks at once
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return requests[a].context.size() > requests[b].context.size();
  });
  for (size_t begin = 0; begin < order.size();) {
    const size_t end = scorer.batch_end(order, begin);
    scorer.score({order.begin() + long(begin), order.begin() + long(end)});
    for (; begin < end; ++begin) on_scored(order[begin], scorer.scores_of(order[begin]));
  }
}

}  // namespace tptt
