#include "models/causal_lm.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "models/checkpointing.h"
#include "models/formats/error.h"
#include "models/host_tensor.h"
#include "models/rope.h"

namespace tptt {

namespace {

DecoderLayer make_layer(const ModelConfig& c, int64_t i) {
  const LayerConfig& l = c.layers[size_t(i)];
  const auto norm = [&](const std::string& name) {
    return Norm{name.empty() ? "" : l.name + "." + name, c.norm, {}, {}};
  };
  DecoderLayer layer;
  layer.attention_norm = norm(l.attention_norm);
  layer.attention_out_norm = norm(l.attention_out_norm);
  layer.mlp_norm = norm(l.mlp_norm);
  layer.mlp_out_norm = norm(l.mlp_out_norm);
  layer.attention =
      make_attention(l.attention, c.norm, l.name + "." + l.attention.name, i, c.hidden_size);
  const std::string mlp = l.name + "." + l.mlp.name;
  if (l.mlp.num_experts == 0) {
    layer.mlp = make_mlp(l.mlp, mlp, c.hidden_size);
    return layer;
  }
  layer.experts = Experts{l.mlp.num_experts_per_tok, l.mlp.norm_topk_prob, mlp + ".gate", {}, {}};
  const double share = double(l.mlp.num_experts_per_tok) / double(l.mlp.num_experts);
  for (int64_t e = 0; e < l.mlp.num_experts; ++e) {
    Mlp expert = make_mlp(l.mlp, mlp + ".experts." + std::to_string(e), c.hidden_size);
    for (Linear* linear : expert.linears()) linear->share = share;
    layer.experts->experts.push_back(std::move(expert));
  }
  return layer;
}

constexpr uint64_t kNoiseModule = 0xFFFFFFFF;  // no Linear's number

// NEFTune (arXiv 2310.05914): uniform noise of size alpha / sqrt(L E), L the sequence's length.
at::Tensor neftune_noise(const at::Tensor& x, const AttentionContext& context) {
  std::vector<float> sizes;
  for (const int64_t length : context.layout.lengths)
    sizes.insert(sizes.end(), size_t(length),
                 float(context.neftune_noise_alpha / std::sqrt(double(length * x.size(1)))));
  const at::Tensor noise = uniform_noise(x.sizes(), *context.dropout, kNoiseModule, x.device());
  const at::Tensor size = at::tensor(sizes, at::TensorOptions(at::kFloat).device(x.device()));
  return (noise * size.unsqueeze(1)).to(x.scalar_type());
}

at::Tensor scaled(const at::Tensor& x, double factor) {
  return factor == 1 ? x : x * factor;
}

}  // namespace

CausalLM::CausalLM(ModelConfig c)
    : config(std::move(c)),
      embedding_{config.embed_tokens, {}, {}},
      norm_{config.final_norm, config.norm, {}, {}},
      head_(make_linear(config.lm_head, config.hidden_size, config.vocab_size, false)) {
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) layers_.push_back(make_layer(config, i));
  set_device(device_, dtype_);
}

void CausalLM::set_device(at::Device device, at::ScalarType dtype) {
  device_ = device;
  dtype_ = dtype;
  ropes_.clear();
  for (const RopeConfig& rope : config.ropes) ropes_.push_back(make_rope(rope, device));
}

at::Tensor CausalLM::embed(const at::Tensor& ids, const AttentionContext& context) const {
  double factor = config.embedding_multiplier;
  if (config.rounds_multiplier) factor = at::full({}, factor, dtype_).item<double>();
  at::Tensor x = scaled(embedding_.forward(ids, dtype_), factor);
  if (context.dropout && context.neftune_noise_alpha > 0) x = x + neftune_noise(x, context);
  return positions_.defined() ? x + at::embedding(positions_, context.positions) : x;
}

at::Tensor CausalLM::layer(int64_t i, const at::Tensor& x, const AttentionContext& context) const {
  const DecoderLayer& l = layers_[size_t(i)];
  const double residual = config.residual_multiplier;
  const at::Tensor a = l.attention.forward(l.attention_norm.forward(x), context);
  const at::Tensor h = x + scaled(l.attention_out_norm.forward(a), residual);
  const at::Tensor y = l.mlp_norm.forward(h);
  const at::Tensor m =
      l.mlp ? l.mlp->forward(y, context.dropout) : l.experts->forward(y, context.dropout);
  return h + scaled(l.mlp_out_norm.forward(m), residual);
}

at::Tensor CausalLM::norm(const at::Tensor& x) const {
  return scaled(norm_.forward(x), 1 / config.logits_scaling);
}

at::Tensor CausalLM::logits(const at::Tensor& hidden) const {
  const at::Tensor raw = head_.forward(hidden, {});
  const double cap = config.final_logit_softcapping;
  return cap > 0 ? at::tanh(raw / cap) * cap : raw;
}

std::vector<Attention*> CausalLM::attentions() {
  std::vector<Attention*> all;
  for (DecoderLayer& l : layers_) all.push_back(&l.attention);
  return all;
}

std::vector<Linear*> CausalLM::linears() {
  std::vector<Linear*> all;
  const auto add = [&](const std::vector<Linear*>& more) {
    all.insert(all.end(), more.begin(), more.end());
  };
  for (DecoderLayer& l : layers_) {
    add(l.attention.linears());
    if (l.mlp) add(l.mlp->linears());
    if (l.experts)
      for (Mlp& expert : l.experts->experts) add(expert.linears());
  }
  all.push_back(&head_);
  return all;
}

std::vector<BaseParameter> CausalLM::base_parameters() {
  const int64_t hidden = config.hidden_size;
  std::vector<BaseParameter> all;
  all.push_back({config.embed_tokens + ".weight",
                 &embedding_.weight.dense,
                 {config.vocab_size, hidden},
                 false,
                 &embedding_.weight});
  if (!config.embed_positions.empty())
    all.push_back({config.embed_positions + ".weight",
                   &positions_,
                   {config.max_position_embeddings, hidden}});
  const auto add_norm = [&](Norm& norm, int64_t size) {
    if (norm.name.empty()) return;
    if (norm.config.weight) all.push_back({norm.name + ".weight", &norm.weight, {size}});
    if (norm.config.bias) all.push_back({norm.name + ".bias", &norm.bias, {size}});
  };
  for (DecoderLayer& l : layers_) {
    for (Norm* norm : {&l.attention_norm, &l.attention_out_norm, &l.mlp_norm, &l.mlp_out_norm})
      add_norm(*norm, hidden);
    const AttentionConfig& a = l.attention.config;
    add_norm(l.attention.q_norm, a.head_dim * (a.norm_all_heads ? a.num_attention_heads : 1));
    add_norm(l.attention.k_norm, a.head_dim * (a.norm_all_heads ? a.num_key_value_heads : 1));
    if (l.experts)
      all.push_back({l.experts->router_name + ".weight",
                     &l.experts->router,
                     {int64_t(l.experts->experts.size()), hidden}});
  }
  add_norm(norm_, hidden);
  for (Linear* linear : linears()) {
    const bool transposed = config.conv1d && linear != &head_;
    all.push_back({linear->name + ".weight",
                   &linear->weight.dense,
                   {linear->out, linear->in},
                   transposed,
                   &linear->weight});
    if (linear->has_bias) all.push_back({linear->name + ".bias", &linear->bias, {linear->out}});
  }
  return all;
}

AttentionContext CausalLM::context(const std::vector<int64_t>& lengths,
                                   const ForwardOptions& options, DecodeCache* cache,
                                   const Past& past) const {
  AttentionContext context;
  static_cast<ForwardOptions&>(context) = options;
  context.layout = make_layout(lengths, device(), padding_);
  context.cache = cache;
  context.past = past;
  if (cache && cache->lengths[0] > 0) {
    context.past = {cache, std::vector<int64_t>(lengths.size())};
    std::iota(context.past.sequences.begin(), context.past.sequences.end(), 0);
  }
  std::vector<int64_t> positions, before;
  for (size_t s = 0; s < lengths.size(); ++s) {
    before.push_back(context.past_length(int64_t(s)));
    for (int64_t t = 0; t < lengths[s]; ++t) positions.push_back(before[s] + t);
  }
  if (context.past.cache) context.before = host_tensor(before, device());
  context.positions = host_tensor(positions, device());
  const int64_t longest = 1 + *std::max_element(positions.begin(), positions.end());
  if (!config.embed_positions.empty() && longest > config.max_position_embeddings)
    throw Error("a text of " + std::to_string(longest) + " tokens is longer than the " +
                std::to_string(config.max_position_embeddings) + " positions this " +
                config.model_type + " model has learned; shorten it");
  for (const Rope& rope : ropes_)
    context.ropes.push_back(rope_table(rope, context.positions, longest));
  return context;
}

at::Tensor CausalLM::hidden(const at::Tensor& ids, const AttentionContext& context) const {
  if (context.ledger) context.ledger->assign(config.num_hidden_layers, {});
  at::Tensor x = embed(ids, context);
  const bool checkpointing = context.gradient_checkpointing && c10::GradMode::is_enabled();
  if (checkpointing) {
    x = checkpointed_layers(*this, x, context);
  } else {
    for (int64_t i = 0; i < config.num_hidden_layers; ++i) x = layer(i, x, context);
  }
  if (context.cache) {
    for (size_t s = 0; s < context.layout.lengths.size(); ++s)
      context.cache->lengths[s] = context.past_length(int64_t(s)) + context.layout.lengths[s];
  }
  return norm(x);
}

DecodeCache make_cache(const CausalLM& model, int64_t num_sequences, int64_t capacity,
                       Branch branch) {
  const auto options = at::TensorOptions(model.dtype()).device(model.device());
  DecodeCache cache;
  cache.lengths.assign(num_sequences, 0);
  for (int64_t i = 0; i < model.config.num_hidden_layers; ++i) {
    const Attention& attention = model.attention(i);
    LayerCache layer;
    layer.window = attention.window(branch);
    const int64_t kept = layer.window.length + layer.window.sinks;
    const int64_t slots = layer.window.length > 0 ? std::min(capacity, kept) : capacity;
    if (slots < kept) layer.window = {};  // everything fits
    layer.k = at::zeros(
        {num_sequences, attention.config.num_key_value_heads, slots, attention.config.head_dim},
        options);
    layer.v = layer.k.clone();
    cache.layers.push_back(std::move(layer));
  }
  return cache;
}

bool cache_expires(const CausalLM& model, int64_t before, int64_t after) {
  return std::any_of(model.config.ropes.begin(), model.config.ropes.end(),
                     [&](const RopeConfig& rope) { return rope_changes(rope, before, after); });
}

}  // namespace tptt
