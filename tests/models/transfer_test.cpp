#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/randint.h>
#include <c10/core/GradMode.h>

#include <string>
#include <vector>

#include "models/liza/inject.h"
#include "models/lora.h"
#include "tests/catch.h"
#include "tests/models/tiny_model.h"

using namespace tptt;

namespace {

const std::vector<int64_t> kLengths{40, 31};

LizaConfig bounded_memory() {
  LizaConfig config;
  config.operator_mode = "learned_delta_rule";
  config.branch_scale = "learned";
  config.max_chunk_size = 16;
  config.max_self_attn_length = 8, config.num_sink_tokens = 2;
  config.mag.mode = "token";
  config.mag.mag_weight = 0.3;
  return config;
}

std::unique_ptr<CausalLM> model_with_memory() {
  at::manual_seed(4);
  auto model = load_tiny("gqa_bias_bf16_sharded");
  inject_liza(*model, bounded_memory());
  add_random_lora(*model);
  return model;
}

at::Tensor random_ids(const CausalLM& model) {
  return at::randint(0, model.config.vocab_size, {71}, at::TensorOptions().dtype(at::kLong));
}

// The error left, summed over layers; the memories take its gradients.
double transfer(CausalLM& model, const at::Tensor& ids) {
  const c10::AutoGradMode no_grad(false);
  Transfer transfer;
  ForwardOptions options;
  options.transfer = &transfer;
  model.hidden(ids, model.context(kLengths, options));
  return transfer.share.item<double>();
}

void clear_gradients(CausalLM& model) {
  for (const Trainable& t : trainables(model)) at::Tensor(t.tensor).mutable_grad() = at::Tensor();
}

}  // namespace

TEST_CASE("a closed memory leaves all of the window's error, in every layer") {
  const auto model = model_with_memory();
  for (Attention* attention : model->attentions()) attention->liza->gate.detach().fill_(-80);
  CHECK(transfer(*model, random_ids(*model)) ==
        Approx(double(model->config.num_hidden_layers)).epsilon(1e-5));
}

TEST_CASE("where the window hides nothing there is nothing to learn") {
  const auto model = model_with_memory();
  set_attention_window(*model, {64, 2});
  CHECK(transfer(*model, random_ids(*model)) == 0);
  for (const Trainable& t : trainables(*model))
    if (t.tensor.grad().defined()) CHECK(t.tensor.grad().abs().max().item<double>() == 0);
}

TEST_CASE("attention transfer gives every layer what full softmax gives") {
  const auto model = model_with_memory();
  const at::Tensor ids = random_ids(*model);
  const c10::AutoGradMode no_grad(false);
  Transfer transfer;
  ForwardOptions options;
  options.transfer = &transfer;
  const at::Tensor got = model->hidden(ids, model->context(kLengths, options));
  CHECK(got.equal(model->hidden(ids, model->context(kLengths, {.branch = Branch::softmax}))));
}

TEST_CASE("attention transfer teaches the memories alone, by the slope of the error") {
  const auto model = model_with_memory();
  const at::Tensor ids = random_ids(*model);
  transfer(*model, ids);
  int memories = 0;
  for (const Trainable& t : trainables(*model)) {
    INFO(t.name);
    if (t.kind != TrainableKind::gate) {
      CHECK_FALSE(t.tensor.grad().defined());
      continue;
    }
    ++memories;
    const at::Tensor gradient = t.tensor.grad().clone();
    const double size = gradient.norm().item<double>();
    REQUIRE(size > 0);
    const at::Tensor along = gradient / size, x = t.tensor.detach();
    const double h = 2e-2;
    const double above = (x.add_(along, h), transfer(*model, ids));
    const double below = (x.sub_(along, 2 * h), transfer(*model, ids));
    x.add_(along, h);
    CHECK((above - below) / (2 * h) == Approx(size).epsilon(0.02));
    clear_gradients(*model);
    transfer(*model, ids);
  }
  CHECK(memories == 7 * model->config.num_hidden_layers);
}
