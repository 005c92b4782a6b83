#include "trainer/loss.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/randn_like.h>
#include <ATen/ops/tanh.h>
#include <c10/core/GradMode.h>

#include "models/liza/inject.h"
#include "models/lora.h"
#include "tests/catch.h"
#include "tests/models/tiny_model.h"

using namespace tptt;

namespace {

std::vector<Example> random_examples(const std::vector<int64_t>& lengths, int64_t vocab) {
  std::vector<Example> examples;
  for (const int64_t length : lengths) {
    const at::Tensor ids = at::randint(0, vocab, {length}, at::TensorOptions().dtype(at::kLong));
    Example example;
    for (int64_t t = 0; t < length; ++t) {
      example.ids.push_back(int32_t(ids[t].item<int64_t>()));
      example.train.push_back(t * 3 >= length);
    }
    examples.push_back(std::move(example));
  }
  return examples;
}

std::vector<int64_t> all_of(const std::vector<Example>& examples) {
  std::vector<int64_t> indices(examples.size());
  for (size_t i = 0; i < indices.size(); ++i) indices[i] = int64_t(i);
  return indices;
}

std::vector<at::Tensor> take_gradients(CausalLM& model) {
  std::vector<at::Tensor> grads;
  for (Trainable& t : trainables(model)) {
    grads.push_back(t.tensor.grad().clone());
    t.tensor.mutable_grad() = at::Tensor();
  }
  return grads;
}

std::unique_ptr<CausalLM> trainable_model(const std::string& operator_mode, double dropout = 0) {
  auto model = load_tiny("gqa_bias_bf16_sharded");
  if (!operator_mode.empty()) {
    LizaConfig liza;
    liza.operator_mode = operator_mode;
    inject_liza(*model, liza);
  }
  add_random_lora(*model, dropout);
  return model;
}

}  // namespace

// LongVA #19, transformers #38452, unsloth #1186: the logits of a whole batch take the memory.
TEST_CASE("the chunked loss and its gradient are cross_entropy's") {
  at::manual_seed(2);
  const double cap = GENERATE(0.0, 3.0);
  ModelConfig config;
  config.vocab_size = 97;
  config.hidden_size = 24;
  config.final_logit_softcapping = cap;
  CausalLM model(config);
  const at::Tensor weight = at::randn({97, 24});
  for (const BaseParameter& p : model.base_parameters())
    if (p.name == "lm_head.weight") *p.tensor = weight;
  for (const int64_t count : {1, 255, 256, 257, 700}) {
    at::Tensor rows = at::randn({count, 24}).requires_grad_(true);
    const at::Tensor targets = at::randint(0, 97, {count}, at::TensorOptions().dtype(at::kLong));
    const at::Tensor raw = rows.mm(weight.t());
    const at::Tensor expected = at::cross_entropy_loss(cap > 0 ? at::tanh(raw / cap) * cap : raw,
                                                       targets, {}, at::Reduction::Sum);
    expected.backward();
    const at::Tensor grad = rows.grad().clone();
    rows.mutable_grad() = at::Tensor();
    const at::Tensor ours = sum_cross_entropy(model, rows, targets);
    (ours * 0.5).backward();
    CHECK(relative(ours, expected) < 1e-6);
    CHECK(relative(rows.grad() * 2, grad) < 1e-6);
  }
}

TEST_CASE("packed examples give the losses and gradients of the same examples one by one") {
  const auto mode = GENERATE(as<std::string>(), "", "delta_rule", "delta_rule_v", "delta_rule_kv",
                             "gated_delta_rule");
  INFO("operator_mode '" << mode << "'");
  at::manual_seed(4);
  const auto model = trainable_model(mode);
  const int64_t vocab = model->config.vocab_size;
  const auto examples = random_examples({2, 63, 64, 65, 100, 3, 17, 100}, vocab);
  double loss = 0;
  for (const int64_t i : all_of(examples)) {
    const at::Tensor one = batch_loss(*model, collate(examples, {i}, vocab, at::kCPU));
    one.backward();
    loss += one.item<double>();
  }
  const auto expected = take_gradients(*model);
  const at::Tensor packed =
      batch_loss(*model, collate(examples, all_of(examples), vocab, at::kCPU));
  packed.backward();
  const auto grads = take_gradients(*model);
  CHECK(packed.item<double>() == Approx(loss).epsilon(1e-6));
  REQUIRE(grads.size() == expected.size());
  for (size_t i = 0; i < grads.size(); ++i) {
    INFO(trainables(*model)[i].name);
    CHECK(expected[i].norm().item<double>() > 0);
    CHECK(relative(grads[i], expected[i]) < 1e-5);
  }
}

// transformers PR #35438, unsloth.ai/blog/gradient: what a step learns must not depend on how its
// rows are cut into micro-batches, ordered, packed or padded.
TEST_CASE("loss and gradients are the same for every way to put a step's rows together") {
  const auto mode = GENERATE(as<std::string>(), "", "delta_rule", "delta_product");
  INFO("operator_mode '" << mode << "'");
  at::manual_seed(8);
  const auto model = trainable_model(mode);
  const int64_t vocab = model->config.vocab_size;
  const auto examples = random_examples({5, 63, 2, 64, 100, 7, 31, 90}, vocab);
  const auto step = [&](const std::vector<std::vector<int64_t>>& micro_batches) {
    double loss = 0;
    for (const auto& indices : micro_batches) {
      const at::Tensor part = batch_loss(*model, collate(examples, indices, vocab, at::kCPU));
      part.backward();
      loss += part.item<double>();
    }
    return std::pair(loss, take_gradients(*model));
  };
  const auto [loss, expected] = step({{0, 1, 2, 3, 4, 5, 6, 7}});
  const auto check = [&](const std::vector<std::vector<int64_t>>& micro_batches) {
    const auto [other, grads] = step(micro_batches);
    CHECK(other == Approx(loss).epsilon(1e-5));
    for (size_t i = 0; i < grads.size(); ++i) CHECK(relative(grads[i], expected[i]) < 1e-5);
  };
  check({{7, 6, 5, 4, 3, 2, 1, 0}});
  check({{4, 0, 6}, {2, 7}, {1, 3, 5}});
  check({{0}, {1}, {2}, {3}, {4}, {5}, {6}, {7}});
  check({{1, 3}, {4, 7}, {0, 2}, {5, 6}});  // like lengths: little padding inside
  model->forbid_padding();
  check({{0, 1, 2, 3, 4, 5, 6, 7}});
}

// Along the gradient itself, where the difference is largest against float32's rounding.
void check_finite_differences(CausalLM& model, const Batch& batch) {
  batch_loss(model, batch).backward();
  const auto grads = take_gradients(model);
  const auto all = trainables(model);
  for (size_t i = 0; i < all.size(); ++i) {
    const at::Tensor direction = grads[i] / grads[i].norm();
    const double step = all[i].kind == TrainableKind::gate ? 0.05 : 0.01;
    const auto shifted = [&](double by) {
      c10::AutoGradMode no_grad(false);
      at::Tensor(all[i].tensor).add_(direction, by);
      const double loss = batch_loss(model, batch).item<double>();
      at::Tensor(all[i].tensor).sub_(direction, by);
      return loss;
    };
    INFO(all[i].name);
    const double slope = (shifted(step) - shifted(-step)) / (2 * step);
    CHECK(slope == Approx(grads[i].norm().item<double>()).epsilon(0.03).margin(2e-2));
  }
}

TEST_CASE("gradients are the losses' finite differences") {
  at::manual_seed(4);
  const auto model = trainable_model("gated_delta_rule");
  const int64_t vocab = model->config.vocab_size;
  const auto examples = random_examples({30, 9}, vocab);
  check_finite_differences(*model, collate(examples, {0, 1}, vocab, at::kCPU));
}

TEST_CASE("an embedding and a head that learn have the losses' finite differences") {
  LoraConfig config;
  config.lora_dropout = 0;
  SECTION("LoRA") {
    config.target_modules = {{"q_proj", "embed_tokens", "lm_head"}};
  }
  SECTION("whole") {
    config.target_modules = {{"q_proj"}};
    config.modules_to_save = {"embed_tokens", "lm_head", "o_proj"};
  }
  at::manual_seed(7);
  const auto model = load_tiny("gqa_bias_bf16_sharded");
  add_lora(*model, config, 1);
  {
    c10::AutoGradMode no_grad(false);
    for (const Trainable& t : trainables(*model))
      at::Tensor(t.tensor).add_(at::randn_like(t.tensor), 0.1);
  }
  const int64_t vocab = model->config.vocab_size;
  const auto examples = random_examples({150, 9}, vocab);  // more targets than a chunk
  check_finite_differences(*model, collate(examples, {0, 1}, vocab, at::kCPU));
}

TEST_CASE("dropout follows from seed, step and micro-batch alone") {
  at::manual_seed(5);
  const auto model = trainable_model("", 0.3);
  const int64_t vocab = model->config.vocab_size;
  const auto examples = random_examples({40}, vocab);
  const Batch batch = collate(examples, {0}, vocab, at::kCPU);
  const auto loss = [&](DropoutKey key) {
    return batch_loss(*model, batch, {.dropout = key}).item<double>();
  };
  const double first = loss({1, 2, 3});
  CHECK(loss({1, 2, 3}) == first);
  CHECK(loss({2, 2, 3}) != first);
  CHECK(loss({1, 3, 3}) != first);
  CHECK(loss({1, 2, 4}) != first);
  double mean = 0;
  for (uint64_t step = 0; step < 64; ++step) mean += loss({1, step, 0}) / 64;
  CHECK(mean == Approx(batch_loss(*model, batch).item<double>()).epsilon(0.05));
}

// peft #137, transformers #26221: under checkpointing a frozen input stops every gradient.
TEST_CASE("gradient checkpointing gives the same loss and gradients, dropout included") {
  const auto mode = GENERATE(as<std::string>(), "", "delta_rule", "gated_delta_product");
  INFO("operator_mode '" << mode << "'");
  at::manual_seed(6);
  const auto model = trainable_model(mode, 0.3);
  const int64_t vocab = model->config.vocab_size;
  const auto examples = random_examples({40, 70, 9}, vocab);
  const Batch batch = collate(examples, all_of(examples), vocab, at::kCPU);
  const auto run = [&](bool checkpointing) {
    std::vector<LayerLedger> ledger;
    ForwardOptions options{.dropout = DropoutKey{1, 2, 3}, .gradient_checkpointing = checkpointing};
    if (!mode.empty()) options.ledger = &ledger;
    const at::Tensor loss = batch_loss(*model, batch, options);
    loss.backward();
    auto results = take_gradients(*model);
    results.push_back(loss.detach());
    for (const LayerLedger& layer : ledger)
      for (const at::Tensor& x : {layer.softmax_rms, layer.linear_rms, layer.state_norm})
        results.push_back(x);
    return results;
  };
  const auto kept = run(false), again = run(true);
  REQUIRE(kept.size() == again.size());
  for (size_t i = 0; i < kept.size(); ++i) CHECK(at::equal(kept[i], again[i]));
}
