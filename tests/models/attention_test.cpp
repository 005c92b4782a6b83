#include "models/attention.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <c10/core/GradMode.h>

#include "models/causal_lm.h"
#include "models/liza/inject.h"
#include "models/lora.h"
#include "models/rms_norm.h"
#include "tests/catch.h"
#include "tests/models/tiny_model.h"

using namespace tptt;

namespace {

constexpr int64_t kHidden = 24, kHeadDim = 8, kVocab = 11;

Linear random_linear(const std::string& name, int64_t in, int64_t out, bool bias) {
  Linear linear;
  linear.name = name;
  linear.in = in;
  linear.out = out;
  linear.weight = at::randn({out, in}) * 0.3;
  if (bias) linear.bias = at::randn({out}) * 0.3;
  return linear;
}

Attention separate(int64_t layer, int64_t heads, int64_t kv_heads, bool bias) {
  Attention a;
  a.name = "layers." + std::to_string(layer) + ".attn";
  a.layer = layer, a.num_heads = heads, a.num_kv_heads = kv_heads, a.head_dim = kHeadDim;
  a.q_proj = random_linear(a.name + ".q_proj", kHidden, heads * kHeadDim, bias);
  a.k_proj = random_linear(a.name + ".k_proj", kHidden, kv_heads * kHeadDim, bias);
  a.v_proj = random_linear(a.name + ".v_proj", kHidden, kv_heads * kHeadDim, bias);
  a.o_proj = random_linear(a.name + ".o_proj", heads * kHeadDim, kHidden, bias);
  return a;
}

// The same function with one projection.
Attention fused(Attention a) {
  const int64_t out = (a.num_heads + 2 * a.num_kv_heads) * kHeadDim;
  a.qkv_proj = random_linear(a.name + ".qkv_proj", kHidden, out, false);
  a.qkv_proj->weight = at::cat({a.q_proj.weight, a.k_proj.weight, a.v_proj.weight});
  if (a.q_proj.bias.defined())
    a.qkv_proj->bias = at::cat({a.q_proj.bias, a.k_proj.bias, a.v_proj.bias});
  a.q_proj = a.k_proj = a.v_proj = Linear();
  return a;
}

LizaConfig memory(const std::string& branch_scale = "match") {
  LizaConfig config;
  config.max_chunk_size = 16;
  config.branch_scale = branch_scale;
  config.mag.mode = "constant";
  config.mag.mag_weight = 0.4;
  return config;
}

// Attentions of other layouts and head counts in each layer, and nothing else.
class Layouts final : public CausalLM {
 public:
  explicit Layouts(std::vector<Attention> attentions)
      : CausalLM(make_config(int64_t(attentions.size()))), layers_(std::move(attentions)) {
    head_ = random_linear("head", kHidden, kVocab, false);
    embedding_ = at::randn({kVocab, kHidden});
  }

  at::Tensor embed(const at::Tensor& ids) const override { return at::embedding(embedding_, ids); }
  at::Tensor layer(int64_t i, const at::Tensor& x, const AttentionContext& context) const override {
    return x + layers_[size_t(i)].forward(x, context);
  }
  at::Tensor norm(const at::Tensor& x) const override { return x; }
  const Linear& head() const override { return head_; }
  std::vector<BaseParameter> base_parameters() override { return {}; }
  std::vector<Attention*> attentions() override {
    std::vector<Attention*> all;
    for (Attention& a : layers_) all.push_back(&a);
    return all;
  }
  const Attention& attention(int64_t i) const override { return layers_[size_t(i)]; }
  std::vector<Linear*> linears() override {
    std::vector<Linear*> all;
    for (Attention& a : layers_) {
      if (a.qkv_proj) {
        all.push_back(&*a.qkv_proj);
      } else {
        all.insert(all.end(), {&a.q_proj, &a.k_proj, &a.v_proj});
      }
      all.push_back(&a.o_proj);
    }
    all.push_back(&head_);
    return all;
  }

 private:
  static ModelConfig make_config(int64_t layers) {
    ModelConfig c;
    c.num_hidden_layers = layers;
    c.head_dim = kHeadDim;
    return c;
  }
  std::vector<Attention> layers_;
  Linear head_;
  at::Tensor embedding_;
};

Layouts mixed_layouts() {
  Attention normed = fused(separate(1, 2, 1, false));
  normed.q_norm = at::rand({kHeadDim}) + 0.5, normed.k_norm = at::rand({kHeadDim}) + 0.5;
  Attention wide = separate(2, 3, 3, false);
  wide.q_norm = at::rand({3 * kHeadDim}) + 0.5;
  return Layouts({separate(0, 4, 2, true), normed, wide, fused(separate(3, 2, 2, true))});
}

at::Tensor random_ids(int64_t count) {
  return at::randint(0, kVocab, {count}, at::TensorOptions().dtype(at::kLong));
}

}  // namespace

TEST_CASE("a fused projection is the three it is made of, with a memory too") {
  at::manual_seed(11);
  const bool bias = GENERATE(false, true), liza = GENERATE(false, true);
  const Attention parts = separate(0, 4, 2, bias);
  Layouts three({parts}), one({fused(parts)});
  if (liza)
    for (Layouts* model : {&three, &one}) inject_liza(*model, memory());
  const std::vector<int64_t> lengths{30, 7, 25};
  const auto run = [&](const Layouts& model) {
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
  const bool whole = GENERATE(false, true);
  Attention plain = separate(0, 4, 2, false), normed = plain;
  normed.q_norm = at::rand({(whole ? 4 : 1) * kHeadDim}) + 0.5;
  normed.k_norm = at::rand({(whole ? 2 : 1) * kHeadDim}) + 0.5;
  Layouts without({plain}), with({normed});
  for (Layouts* model : {&without, &with}) inject_liza(*model, memory("none"));
  const at::Tensor x = at::randn({20, kHidden});
  const auto on = [&](const Layouts& model, Branch branch) {
    return model.layer(0, x, model.context({20}, {.branch = branch}));
  };
  CHECK(at::equal(on(without, Branch::linear), on(with, Branch::linear)));

  const auto context = with.context({20});
  const auto rows = [&](const Linear& proj, const at::Tensor& norm) {  // [1, heads, L, D]
    at::Tensor y = at::mm(x, proj.weight.t());
    y = whole ? rms_norm(y, norm, 1e-6) : rms_norm(y.view({20, -1, kHeadDim}), norm, 1e-6);
    return apply_rope(y.view({20, -1, kHeadDim}), context.rope).transpose(0, 1).unsqueeze(0);
  };
  const at::Tensor v = at::mm(x, normed.v_proj.weight.t()).view({20, 2, kHeadDim});
  const at::Tensor soft = at::scaled_dot_product_attention(
      rows(normed.q_proj, normed.q_norm), rows(normed.k_proj, normed.k_norm),
      v.transpose(0, 1).unsqueeze(0), {}, 0.0, true, {}, true);
  const at::Tensor expected =
      x + at::mm(soft.squeeze(0).transpose(0, 1).reshape({20, -1}), normed.o_proj.weight.t());
  CHECK(relative(on(with, Branch::softmax), expected) < 1e-5);
}

TEST_CASE("layouts and head counts that differ by layer decode as they prefill") {
  const c10::AutoGradMode no_grad(false);
  at::manual_seed(14);
  Layouts model = mixed_layouts();
  LizaConfig config = memory();
  config.operator_mode = "gated_delta_product";
  config.linear_precision = "float64";  // random layers without norms double a rounding each
  if (GENERATE(false, true)) config.max_self_attn_length = 6, config.num_sink_tokens = 2;
  inject_liza(model, config);
  LoraConfig lora;
  lora.r = 2;
  lora.target_modules = {"qkv_proj", "q_proj", "o_proj"};
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
  Layouts model = mixed_layouts();
  LizaConfig config = memory();
  config.target_modules = {"layers.1.attn", "layers.3.attn"};
  inject_liza(model, config);
  for (int64_t i = 0; i < 4; ++i) CHECK(model.attention(i).liza.has_value() == (i % 2 == 1));
}
