#include "trainer/evaluate/requests.h"

#include <ATen/Context.h>
#include <c10/core/GradMode.h>

#include "models/host_tensor.h"
#include "models/liza/inject.h"
#include "tests/catch.h"
#include "tests/models/tiny_model.h"
#include "trainer/evaluate/targets.h"

using namespace tptt;

namespace {

TokenIds random_ids(int64_t count, int64_t vocab, uint32_t& state) {
  TokenIds ids;
  for (int64_t i = 0; i < count; ++i) {
    state = state * 1664525U + 1013904223U;
    ids.push_back(int32_t((state >> 8) % uint32_t(vocab)));
  }
  return ids;
}

// Contexts that begin alike, with continuations of one token and of several.
std::vector<Request> some_requests(int64_t vocab, int64_t shared, bool long_ones) {
  uint32_t state = 7;
  const TokenIds header = random_ids(shared, vocab, state);
  std::vector<Request> requests;
  for (const int64_t own : {3, 40, 1, 11, 25}) {
    Request request{header, {}};
    const TokenIds rest = random_ids(own, vocab, state);
    request.context.insert(request.context.end(), rest.begin(), rest.end());
    for (const int64_t length : {1, 1, 4, 9})
      request.continuations.push_back(random_ids(long_ones ? length : 1, vocab, state));
    requests.push_back(std::move(request));
  }
  return requests;
}

std::vector<Likelihoods> scores(const CausalLM& model, const std::vector<Request>& requests,
                                const ScoringOptions& options) {
  std::vector<Likelihoods> all(requests.size());
  score_requests(model, requests, options,
                 [&](size_t i, const Likelihoods& scored) { all[i] = scored; });
  return all;
}

}  // namespace

TEST_CASE("choices have the likelihoods of the whole texts, however much is shared") {
  const c10::AutoGradMode no_grad(false);
  const std::string implementation = GENERATE("", "exact", "tptt");
  const bool long_ones = GENERATE(false, true), windowed = GENERATE(false, true);
  const int64_t max_tokens = GENERATE(1, 60, 2048);
  INFO(implementation << " long " << long_ones << " windowed " << windowed << " by " << max_tokens);
  const auto model = load_tiny("gqa_bias_bf16_sharded");
  if (!implementation.empty()) {
    LizaConfig config;
    config.implementation = implementation;
    config.mag.mode = "constant";
    config.mag.mag_weight = 0.4;
    if (windowed) config.max_self_attn_length = 20, config.num_sink_tokens = 2;
    inject_liza(*model, config);
    if (implementation == "tptt") model->forbid_padding();
  }
  const auto requests = some_requests(model->config.vocab_size, 50, long_ones);
  const auto got = scores(*model, requests, {.max_tokens = max_tokens});
  const auto alone = scores(*model, requests, {.max_tokens = 1, .reuse_prefixes = false});
  for (size_t i = 0; i < requests.size(); ++i) {
    for (size_t c = 0; c < requests[i].continuations.size(); ++c) {
      const TokenIds& continuation = requests[i].continuations[c];
      std::vector<int64_t> text(requests[i].context.begin(), requests[i].context.end());
      std::vector<Target> targets;
      for (const int32_t id : continuation) {
        targets.push_back({int64_t(text.size()) - 1, id});
        text.push_back(id);
      }
      text.pop_back();  // predicted, not read
      const at::Tensor hidden =
          model->hidden(host_tensor(text, at::kCPU), model->context({int64_t(text.size())}));
      double expected = 0;
      bool greedy = true;
      for (const TokenScore& token : score_targets(*model, hidden, targets))
        expected += token.log_prob, greedy &= token.greedy;
      CHECK(got[i][c].log_likelihood == Approx(expected).margin(1e-4));
      CHECK(alone[i][c].log_likelihood == Approx(expected).margin(1e-4));
      CHECK(got[i][c].greedy == greedy);
    }
  }
}

TEST_CASE("every request is heard of once") {
  const auto model = load_tiny("tied");
  const auto requests = some_requests(model->config.vocab_size, 20, true);
  std::vector<int> heard(requests.size(), 0);
  score_requests(*model, requests, {.max_tokens = 30},
                 [&](size_t i, const Likelihoods&) { ++heard[i]; });
  CHECK(heard == std::vector<int>(requests.size(), 1));
}
