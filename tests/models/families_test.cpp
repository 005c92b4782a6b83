#include <ATen/TensorOperators.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>

#include <filesystem>

#include "models/families/family.h"
#include "models/formats/error.h"
#include "models/formats/json.h"
#include "models/liza/inject.h"
#include "models/lora.h"
#include "tests/catch.h"
#include "tests/models/tiny_model.h"

using namespace tptt;

namespace {

double worst(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>() / b.abs().max().item<double>();
}

// Cross-entropy of each next token, mean over all of them.
at::Tensor next_token_loss(const CausalLM& model, const Golden& golden) {
  const at::Tensor all = logits(model, golden.ids, golden.lengths)
                             .view({int64_t(golden.lengths.size()), golden.lengths[0], -1});
  const int64_t length = golden.lengths[0] - 1;
  const at::Tensor targets = golden.ids.view({all.size(0), -1}).narrow(1, 1, length);
  return at::cross_entropy_loss(all.narrow(1, 0, length).flatten(0, 1), targets.flatten());
}

void add_golden_lora(CausalLM& model, const std::string& dir) {
  LoraConfig config;
  config.r = 2;
  config.lora_alpha = 4;
  config.lora_dropout = 0;
  config.target_modules = {{}, kAllLinear};
  add_lora(model, config, 0);
  const c10::AutoGradMode no_grad(false);
  for (const Trainable& t : trainables(model))
    at::Tensor(t.tensor).copy_(read_golden(dir + "/golden.safetensors", t.name));
}

}  // namespace

TEST_CASE("every family has tiny models to be held against") {
  std::string missing;
  for (const std::string& name : family_names()) {
    size_t count = 0;
    for (const std::string& dir : golden_models()) count += dir.find("/" + name + "/") != dir.npos;
    if (count < 3) missing += " " + name;
  }
  CHECK(missing.empty());
}

TEST_CASE("logits of every family are Transformers'", "[golden]") {
  const c10::AutoGradMode no_grad(false);
  for (const std::string& dir : golden_models()) {
    INFO(dir);
    const Golden golden = read_golden_file(dir);
    const at::Tensor expected = read_golden(dir + "/golden.safetensors", "logits").flatten(0, 1);
    const at::Tensor ours = logits(*load_dir(dir), golden.ids, golden.lengths);
    REQUIRE(ours.sizes() == expected.sizes());
    CHECK(worst(ours, expected) <= 1e-4);
    CHECK(expected.abs().max().item<double>() > 0.1);
  }
}

TEST_CASE("LoRA gradients of every family are PEFT's", "[golden]") {
  for (const std::string& dir : golden_models()) {
    INFO(dir);
    const Golden golden = read_golden_file(dir);
    const auto model = load_dir(dir);
    add_golden_lora(*model, dir);
    next_token_loss(*model, golden).backward();
    for (const Trainable& t : trainables(*model)) {
      INFO(t.name);
      const at::Tensor expected = read_golden(dir + "/golden.safetensors", "grad." + t.name);
      const at::Tensor ours =
          t.tensor.grad().defined() ? t.tensor.grad() : at::zeros_like(t.tensor);
      CHECK((ours - expected).norm().item<double>() <=
            1e-3 * expected.norm().item<double>() + 1e-9);
    }
  }
}

TEST_CASE("every family decodes, checkpoints and remembers as it computes at once", "[golden]") {
  for (const std::string& dir : golden_models()) {
    INFO(dir);
    const Golden golden = read_golden_file(dir);
    const auto model = load_dir(dir);
    LizaConfig liza;
    liza.max_chunk_size = 8;
    inject_liza(*model, liza);
    add_random_lora(*model);
    const int64_t length = golden.lengths[0];
    // Frequencies that follow the length so far: no decoding is the forward of the whole.
    const auto& ropes = model->config.ropes;
    const bool fixed =
        ropes.empty() || (ropes[0].rope_type != "dynamic" && !cache_expires(*model, 1, length));
    const at::Tensor ids = golden.ids.narrow(0, 0, length);
    if (fixed) {
      const c10::AutoGradMode no_grad(false);
      const at::Tensor at_once = logits(*model, ids, {length});
      DecodeCache cache = make_cache(*model, 1, length, Branch::mixed);
      at::Tensor out = logits(*model, ids.narrow(0, 0, 5), {5}, &cache);
      for (int64_t t = 5; t < length; ++t) {
        out = logits(*model, ids.narrow(0, t, 1), {1}, &cache);
        CHECK(worst(out[0], at_once[t]) < 1e-4);
      }
    }
    const auto gradients = [&](bool checkpointing) {
      for (const Trainable& t : trainables(*model))
        at::Tensor(t.tensor).mutable_grad() = at::Tensor();
      const auto context =
          model->context(golden.lengths, {.gradient_checkpointing = checkpointing});
      model->logits(model->hidden(golden.ids, context)).square().mean().backward();
      std::vector<at::Tensor> all;
      for (const Trainable& t : trainables(*model))
        if (t.tensor.grad().defined()) all.push_back(t.tensor.grad().clone());
      return all;
    };
    const auto plain = gradients(false), again = gradients(true);
    REQUIRE(plain.size() == again.size());
    for (size_t i = 0; i < plain.size(); ++i) CHECK(relative(again[i], plain[i]) < 1e-5);
  }
}

TEST_CASE("a type that is not known is refused with those that are") {
  const std::string message = [] {
    try {
      find_family("mamba", "config.json");
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  }();
  CHECK_THAT(message, Catch::Matchers::Contains("config.json: model_type 'mamba'"));
  for (const std::string& name : family_names())
    CHECK_THAT(message, Catch::Matchers::Contains(name));
}
