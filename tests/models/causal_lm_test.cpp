#include "models/causal_lm.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>

#include <numeric>

#include "models/lora.h"
#include "tests/catch.h"
#include "tests/models/tiny_model.h"

using namespace tptt;

namespace {

at::Tensor random_ids(int64_t count, int64_t vocab) {
  return at::randint(0, vocab, {count}, at::TensorOptions().dtype(at::kLong));
}

LizaConfig memory(const std::string& operator_mode, const std::string& mode,
                  const std::string& branch_scale = "match") {
  LizaConfig config;
  config.operator_mode = operator_mode;
  config.branch_scale = branch_scale;
  config.max_chunk_size = 16;
  config.mag.mode = mode;
  config.mag.mag_weight = 0.4;
  return config;
}

int64_t sum(const std::vector<int64_t>& lengths) {
  return std::accumulate(lengths.begin(), lengths.end(), int64_t(0));
}

// Rows of each sequence from `begin` (or its start) to `end` (or its end).
std::vector<int64_t> offsets_of(const std::vector<int64_t>& lengths) {
  std::vector<int64_t> starts{0};
  for (const int64_t length : lengths) starts.push_back(starts.back() + length);
  return starts;
}

}  // namespace

TEST_CASE("decoding token by token equals the full forward") {
  const c10::AutoGradMode no_grad(false);
  const auto mode = GENERATE(as<std::string>(), "", "delta_rule", "delta_rule_v", "delta_rule_kv",
                             "gated_delta_rule");
  const auto mag = GENERATE(as<std::string>(), "constant", "learned");
  at::manual_seed(1);
  const auto model = load_tiny("gqa_bias_bf16_sharded");
  if (!mode.empty()) inject_liza(*model, memory(mode, mag, mag == "learned" ? "match" : "none"));
  add_random_lora(*model);
  const std::vector<int64_t> full{21, 1 + 20, 2 + 20, 37 + 20}, prompt{1, 1, 2, 37};
  const at::Tensor ids = random_ids(sum(full), model->config.vocab_size);
  const at::Tensor expected = logits(*model, ids, full);

  const auto starts = offsets_of(full);
  std::vector<at::Tensor> prompt_ids, expected_last;
  for (size_t s = 0; s < full.size(); ++s) {
    prompt_ids.push_back(ids.narrow(0, starts[s], prompt[s]));
    expected_last.push_back(expected[starts[s] + prompt[s] - 1].unsqueeze(0));
  }
  DecodeCache cache = make_cache(*model, int64_t(full.size()), 64, Branch::mixed);
  at::Tensor out = logits(*model, at::cat(prompt_ids), prompt, &cache);
  const auto prompt_starts = offsets_of(prompt);
  for (size_t s = 0; s < full.size(); ++s)
    CHECK(relative(out[prompt_starts[s + 1] - 1].unsqueeze(0), expected_last[s]) < 1e-5);

  const std::vector<int64_t> ones(full.size(), 1);
  for (int64_t t = 0; t < 20; ++t) {
    std::vector<at::Tensor> next, want;
    for (size_t s = 0; s < full.size(); ++s) {
      next.push_back(ids.narrow(0, starts[s] + prompt[s] + t, 1));
      want.push_back(expected[starts[s] + prompt[s] + t]);
    }
    out = logits(*model, at::cat(next), ones, &cache);
    for (size_t s = 0; s < full.size(); ++s)
      CHECK((out[int64_t(s)] - want[s]).abs().max().item<double>() <
            1e-4 * expected.abs().max().item<double>());
  }
}

TEST_CASE("with mu = 0 the logits are the base model's bit for bit") {
  const c10::AutoGradMode no_grad(false);
  const auto model = load_tiny("llama3_rope");
  const std::vector<int64_t> lengths{5, 70, 1};
  const at::Tensor ids = random_ids(sum(lengths), model->config.vocab_size);
  const at::Tensor base = logits(*model, ids, lengths);
  inject_liza(*model, memory("delta_rule", "constant"));
  CHECK_FALSE(at::equal(logits(*model, ids, lengths), base));
  set_mag_weight(*model, 0);
  CHECK(at::equal(logits(*model, ids, lengths), base));
  AttentionContext context = model->context(lengths);
  context.branch = Branch::softmax;
  set_mag_weight(*model, 0.5);
  CHECK(at::equal(model->head().forward(model->hidden(ids, context), nullptr), base));
}

TEST_CASE("a sequence sees nothing of its neighbours in the pack") {
  const c10::AutoGradMode no_grad(false);
  const auto model = load_tiny("gqa_bias_bf16_sharded");
  inject_liza(*model, memory("gated_delta_rule", "constant"));
  const std::vector<int64_t> lengths{40, 33, 17};
  const at::Tensor ids = random_ids(sum(lengths), model->config.vocab_size);
  const at::Tensor before = logits(*model, ids, lengths);
  at::Tensor changed = ids.clone();
  changed.narrow(0, 0, 40).copy_(random_ids(40, model->config.vocab_size));
  changed.narrow(0, 73, 17).copy_(random_ids(17, model->config.vocab_size));
  const at::Tensor after = logits(*model, changed, lengths);
  CHECK_FALSE(at::equal(after.narrow(0, 0, 40), before.narrow(0, 0, 40)));
  CHECK(at::equal(after.narrow(0, 40, 33), before.narrow(0, 40, 33)));
}

TEST_CASE("a fresh adapter changes nothing and is initialised as PEFT does") {
  const c10::AutoGradMode no_grad(false);
  const auto model = load_tiny("tied");
  const at::Tensor ids = random_ids(9, model->config.vocab_size);
  const at::Tensor base = logits(*model, ids, {9});
  LoraConfig config;
  config.target_modules = {"all-linear"};
  add_lora(*model, config, 1);
  CHECK(at::equal(logits(*model, ids, {9}), base));
  const auto all = trainables(*model);
  CHECK(all.size() == 2 * 2 * 7);
  for (const Trainable& t : all) {
    INFO(t.name);
    CHECK(t.tensor.scalar_type() == at::kFloat);
    if (t.name.find("lora_B") != std::string::npos) {
      CHECK(t.tensor.abs().max().item<double>() == 0);
    } else {
      const double bound = 1 / std::sqrt(double(t.tensor.size(1)));
      CHECK(t.tensor.abs().max().item<double>() <= bound);
      CHECK(t.tensor.abs().max().item<double>() > 0.9 * bound);
    }
  }
}

TEST_CASE("a bfloat16 base keeps adapter and gates in float32") {
  const c10::AutoGradMode no_grad(false);
  const auto single = load_tiny("gqa_bias_bf16_sharded"),
             half = load_tiny("gqa_bias_bf16_sharded", at::kBFloat16);
  for (const auto& model : {single.get(), half.get()}) {
    inject_liza(*model, memory("delta_rule", "learned"));
    add_random_lora(*model);
  }
  for (const Trainable& t : trainables(*half)) CHECK(t.tensor.scalar_type() == at::kFloat);
  const at::Tensor ids = random_ids(50, single->config.vocab_size);
  const at::Tensor out = logits(*half, ids, {50});
  CHECK(out.scalar_type() == at::kBFloat16);
  CHECK(relative(out, logits(*single, ids, {50})) < 0.03);
}
