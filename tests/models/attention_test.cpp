#include "models/attention.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <c10/core/GradMode.h>

#include "models/causal_lm.h"
#include "models/liza/inject.h"
#include "models/lora.h"
#include "tests/catch.h"
#include "tests/models/tiny_model.h"

using namespace tptt;

namespace {

constexpr int64_t kHidden = 24, kHeadDim = 8, kVocab = 11;

LayerConfig layer_of(int64_t index, int64_t heads, int64_t kv_heads, bool bias) {
  LayerConfig layer;
  layer.name = "layers." + std::to_string(index);
  AttentionConfig& a = layer.attention;
  a.name = "attn";
  a.num_attention_heads = heads, a.num_key_value_heads = kv_heads, a.head_dim = kHeadDim;
  a.scaling = 0.35;
  a.qkv_bias = a.o_bias = bias;
  layer.mlp.intermediate_size = 16;
  return layer;
}

LayerConfig fused(LayerConfig layer) {
  layer.attention.qkv_proj = "qkv_proj";
  return layer;
}

LayerConfig normed(LayerConfig layer, bool all_heads) {
  layer.attention.q_norm = "q_norm", layer.attention.k_norm = "k_norm";
  layer.attention.norm_all_heads = all_heads;
  return layer;
}

// Random weights, the same for a parameter of the same name in every model.
CausalLM make_model(const std::vector<LayerConfig>& layers) {
  ModelConfig c;
  c.vocab_size = kVocab, c.hidden_size = kHidden;
  c.num_hidden_layers = int64_t(layers.size());
  c.max_position_embeddings = 64;
  c.layers = layers;
  c.ropes.resize(1);
  c.ropes[0].rotary_dim = kHeadDim;
  CausalLM model(c);
  for (const BaseParameter& p : model.base_parameters()) {
    auto generator = at::make_generator<at::CPUGeneratorImpl>(std::hash<std::string>()(p.name));
    *p.tensor = at::empty(p.shape).normal_(p.name.find("norm") != p.name.npos, 0.3, generator);
  }
  return model;
}

LizaConfig memory(const std::string& branch_scale = "match") {
  LizaConfig config;
  config.max_chunk_size = 16;
  config.branch_scale = branch_scale;
  config.mag.mode = "constant";
  config.mag.mag_weight = 0.4;
  return config;
}

CausalLM mixed_layouts() {
  return make_model({layer_of(0, 4, 2, true), fused(normed(layer_of(1, 2, 1, false), false)),
                     normed(layer_of(2, 3, 3, false), true), fused(layer_of(3, 2, 2, true))});
}

at::Tensor random_ids(int64_t count) {
  return at::randint(0, kVocab, {count}, at::TensorOptions().dtype(at::kLong));
}

}  // namespace

TEST_CASE("a fused projection is the three it is made of, with a memory too") {
  at::manual_seed(11);
  const bool bias = GENERATE(false, true), liza = GENERATE(false, true);
  CausalLM three = make_model({layer_of(0, 4, 2, bias)}),
           one = make_model({fused(layer_of(0, 4, 2, bias))});
  const auto& parts = *three.attentions()[0];
  Linear& whole = *one.attentions()[0]->qkv_proj;
  whole.weight.dense =
      at::cat({parts.q_proj->weight.dense, parts.k_proj->weight.dense, parts.v_proj->weight.dense});
  if (bias) whole.bias = at::cat({parts.q_proj->bias, parts.k_proj->bias, parts.v_proj->bias});
  if (liza)
    for (CausalLM* model : {&three, &one}) inject_liza(*model, memory());
  const std::vector<int64_t> lengths{30, 7, 25};
  const auto run = [&](const CausalLM& model) {
    at::manual_seed(12);
    const at::Tensor x = at::randn({62, kHidden}).requires_grad_(true);
    const at::Tensor y = model.layer(0, x, model.context(lengths));
    y.pow(2).sum().backward();
    return std::pair(y.detach(), x.grad());
  };
  const auto a = run(three), b = run(one);
  CHECK(relative(a.first, b.first) < 1e-6);
  CHECK(relative(a.second, b.second) < 1e-5);
}

TEST_CASE("norms change queries and keys of the softmax branch, not what the memory sees") {
  const c10::AutoGradMode no_grad(false);
  at::manual_seed(13);
  const bool all_heads = GENERATE(false, true);
  CausalLM without = make_model({layer_of(0, 4, 2, false)}),
           with = make_model({normed(layer_of(0, 4, 2, false), all_heads)});
  for (CausalLM* model : {&without, &with}) inject_liza(*model, memory("none"));
  const at::Tensor x = at::randn({20, kHidden});
  const auto on = [&](const CausalLM& model, Branch branch) {
    return model.layer(0, x, model.context({20}, {.branch = branch}));
  };
  CHECK(at::equal(on(without, Branch::linear), on(with, Branch::linear)));
  CHECK(relative(on(without, Branch::softmax), on(with, Branch::softmax)) > 1e-3);
}

TEST_CASE("the shorter of the model's own window and LiZA's is in force") {
  const c10::AutoGradMode no_grad(false);
  at::manual_seed(15);
  const int64_t own = GENERATE(0, 5, 12), liza = GENERATE(3, 8);
  LayerConfig layer = layer_of(0, 4, 2, false);
  layer.attention.sliding_window = own;
  CausalLM model = make_model({layer});
  LizaConfig config = memory();
  config.max_self_attn_length = liza;
  config.num_sink_tokens = 0;
  inject_liza(model, config);
  layer.attention.sliding_window = own > 0 ? std::min(own, liza) : liza;
  const CausalLM shorter = make_model({layer});
  const at::Tensor x = at::randn({30, kHidden});
  const auto on = [&](const CausalLM& m, Branch branch) {
    return m.layer(0, x, m.context({30}, {.branch = branch}));
  };
  CHECK(relative(on(model, Branch::window), on(shorter, Branch::softmax)) < 1e-6);
  layer.attention.sliding_window = own;
  CHECK(at::equal(on(model, Branch::softmax), on(make_model({layer}), Branch::softmax)));
}

TEST_CASE("layouts and head counts that differ by layer decode as they prefill") {
  const c10::AutoGradMode no_grad(false);
  at::manual_seed(14);
  CausalLM model = mixed_layouts();
  LizaConfig config = memory();
  config.operator_mode = "gated_delta_product";
  if (GENERATE(false, true)) config.max_self_attn_length = 6, config.num_sink_tokens = 2;
  inject_liza(model, config);
  LoraConfig lora;
  lora.r = 2;
  lora.target_modules = {{"qkv_proj", "q_proj", "o_proj"}};
  add_lora(model, lora, 1);
  for (const Trainable& t : trainables(model)) at::Tensor(t.tensor).normal_(0, 0.2);
  CHECK(trainables(model).size() == 2 * (2 + 2 + 2 + 2));

  const at::Tensor ids = random_ids(30);
  const at::Tensor expected = logits(model, ids, {30});
  DecodeCache cache = make_cache(model, 1, 40, Branch::mixed);
  CHECK(cache.layers[0].k.size(1) == 2);
  CHECK(cache.layers[2].k.size(1) == 3);
  at::Tensor out = logits(model, ids.narrow(0, 0, 10), {10}, &cache);
  for (int64_t t = 10; t < 30; ++t) {
    out = logits(model, ids.narrow(0, t, 1), {1}, &cache);
    CHECK((out[0] - expected[t]).abs().max().item<double>() <
          1e-4 * expected.abs().max().item<double>());
  }
}

TEST_CASE("target_modules puts the memory where it says") {
  CausalLM model = mixed_layouts();
  LizaConfig config = memory();
  config.target_modules = {"layers.1.attn", "layers.3.attn"};
  inject_liza(model, config);
  for (int64_t i = 0; i < 4; ++i) CHECK(model.attention(i).liza.has_value() == (i % 2 == 1));
}
