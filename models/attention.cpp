#include "models/attention.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/where.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>

#include "models/host_tensor.h"
#include "models/kernels/decode_attention.h"
#include "models/kernels/dispatch.h"

namespace tptt {
namespace {

// A window's error of that share of the output's power or less is rounding.
constexpr double kNothingHidden = 1e-6;

// Attention in blocks of sequences of like length, behind their past where they have one.
at::Tensor prefill(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                   const AttentionContext& context, const AttentionWindow& window,
                   const ScoreConfig& score, const LayerCache* past, LayerCache* cache) {
  std::vector<at::Tensor> blocks;
  for (const auto& group : context.layout.groups) {
    const auto heads_first = [&](const at::Tensor& x) {
      return to_padded(x, context.layout, group).transpose(1, 2);  // [S, heads, L, D]
    };
    WithPast kp{heads_first(k), {}}, vp{heads_first(v), {}};
    if (past) {
      kp = with_past(past->k, kp.x, past->window, context.past, group);
      vp = with_past(past->v, vp.x, past->window, context.past, group);
    }
    // Padding is on the right, where no real query sees it.
    blocks.push_back(
        causal_attention(heads_first(q), kp.x, vp.x, window, score, kp.before).transpose(1, 2));
    for (size_t i = 0; cache && i < group.sequences.size(); ++i) {
      const int64_t s = group.sequences[i], added = context.layout.lengths[size_t(s)];
      const int64_t rows = added + (past ? kp.before[i] : 0);
      const int64_t length = added + context.past_length(s);
      store_sequence(cache->k[s], kp.x[int64_t(i)], rows, length, cache->window);
      store_sequence(cache->v[s], vp.x[int64_t(i)], rows, length, cache->window);
    }
  }
  return from_padded(blocks, context.layout);
}

// One new token a sequence: q [S, H, D], k, v [S, G, D].
at::Tensor decode(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                  const AttentionContext& context, const ScoreConfig& score, LayerCache& cache) {
  std::vector<int64_t> slots, seen;  // [S]
  for (const int64_t length : context.cache->lengths) {
    slots.push_back(next_slot(length, cache.window));
    seen.push_back(std::min(length + 1, cache.k.size(2)));
  }
  if (has_cpu_kernel(q)) {
    store_tokens(cache.k, slots, k);
    store_tokens(cache.v, slots, v);
    return decode_attention(q, cache.k, cache.v, seen, score);
  }
  const at::Tensor slot = host_tensor(slots, q.device())
                              .view({-1, 1, 1, 1})
                              .expand({k.size(0), k.size(1), 1, k.size(2)});
  cache.k.scatter_(2, slot, k.unsqueeze(2));
  cache.v.scatter_(2, slot, v.unsqueeze(2));
  const int64_t used = *std::max_element(seen.begin(), seen.end());
  const at::Tensor mask = at::arange(used, context.before.options())
                              .view({1, 1, 1, -1})
                              .le(context.before.view({-1, 1, 1, 1}));  // [S, 1, 1, slots]
  return masked_attention(q.unsqueeze(2), cache.k.narrow(2, 0, used), cache.v.narrow(2, 0, used),
                          mask, score)
      .squeeze(2);
}

// q or k [N, heads, D] as attention rotates it: normed (each head, or all together), clipped.
at::Tensor prepared(const at::Tensor& x, const Norm& norm, const AttentionConfig& config) {
  const at::Tensor y =
      config.norm_all_heads ? norm.forward(x.flatten(1)).view(x.sizes()) : norm.forward(x);
  return config.clip_qkv > 0 ? y.clamp(-config.clip_qkv, config.clip_qkv) : y;
}

at::Tensor rms(const at::Tensor& x) {
  return x.detach().to(at::kFloat).square().mean().sqrt();
}

}  // namespace

AttentionWindow Attention::window(Branch branch) const {
  const AttentionWindow own{config.sliding_window, 0};
  if (branch == Branch::softmax || bounded.length == 0) return own;
  return own.length > 0 && own.length <= bounded.length ? own : bounded;
}

Attention::Projections Attention::project(const at::Tensor& x, const Dropout& dropout) const {
  const auto heads = [this](const at::Tensor& y) { return y.unflatten(-1, {-1, config.head_dim}); };
  if (!qkv_proj) {
    const auto parts = forward_all({&*q_proj, &*k_proj, &*v_proj}, x, dropout);
    return {heads(parts[0]), heads(parts[1]), heads(parts[2])};
  }
  const int64_t kv_heads = config.num_key_value_heads;
  const auto qkv = heads(qkv_proj->forward(x, dropout))
                       .split_with_sizes({config.num_attention_heads, kv_heads, kv_heads}, 1);
  return {qkv[0], qkv[1], qkv[2]};
}

std::vector<Linear*> Attention::linears() {
  std::vector<Linear*> all;
  for (auto* linear : {&q_proj, &k_proj, &v_proj, &qkv_proj})
    if (*linear) all.push_back(&**linear);
  all.push_back(&o_proj);
  return all;
}

Attention make_attention(const AttentionConfig& c, const NormConfig& norm, const std::string& name,
                         int64_t layer, int64_t hidden_size) {
  const int64_t q_size = c.num_attention_heads * c.head_dim;
  const int64_t kv_size = c.num_key_value_heads * c.head_dim;
  const auto below = [&](const std::string& part) { return name + "." + part; };
  Attention a;
  a.name = name;
  a.layer = layer;
  a.config = c;
  if (!c.qkv_proj.empty()) {
    a.qkv_proj = make_linear(below(c.qkv_proj), hidden_size, q_size + 2 * kv_size, c.qkv_bias);
  } else {
    a.q_proj = make_linear(below(c.q_proj), hidden_size, q_size, c.qkv_bias);
    a.k_proj = make_linear(below(c.k_proj), hidden_size, kv_size, c.qkv_bias);
    a.v_proj = make_linear(below(c.v_proj), hidden_size, kv_size, c.qkv_bias);
  }
  a.o_proj = make_linear(below(c.o_proj), q_size, hidden_size, c.o_bias);
  if (!c.q_norm.empty()) {
    a.q_norm = {below(c.q_norm), norm, {}, {}};
    a.k_norm = {below(c.k_norm), norm, {}, {}};
  }
  return a;
}

bool Attention::transfers() const {
  const AttentionWindow full = window(Branch::softmax), mixed = window(Branch::mixed);
  return liza && (full.length != mixed.length || full.sinks != mixed.sinks);
}

void Attention::transfer(const Projections& raw, const at::Tensor& full,
                         const at::Tensor& bounded_soft, const AttentionContext& context) const {
  const at::Tensor q = raw.q.detach(), k = raw.k.detach(), v = raw.v.detach();
  at::Tensor mixed;
  {
    c10::AutoGradMode with_grad(true);
    const at::Tensor lin =
        liza_branch(liza->config, liza->weights, q, k, v, context.layout, {}, nullptr);
    mixed = mag_mix(*liza, q, bounded_soft, lin, false);
  }
  c10::AutoGradMode no_grad(false);
  // What the layer adds to the stream is what counts: errors behind the output projection, [N, E].
  const auto error = [&](const at::Tensor& heads) {
    return times_transposed((heads - full).flatten(1), o_proj.weight).to(at::kFloat);
  };
  const at::Tensor left = error(mixed.detach());
  const at::Tensor all = error(bounded_soft).square().sum();
  const at::Tensor power =
      times_transposed(full.flatten(1), o_proj.weight).to(at::kFloat).square().sum();
  const at::Tensor per_all = at::where(all > power * kNothingHidden, all.reciprocal(), 0.0);
  Transfer& sum = *context.transfer;
  const at::Tensor share = left.square().sum() * per_all;
  sum.share = sum.share.defined() ? sum.share + share : share;
  const at::Tensor grad =
      times((left * (per_all * 2 * sum.weight)).to(mixed.scalar_type()), o_proj.weight);
  torch::autograd::backward({mixed}, {grad.view_as(mixed)});
}

at::Tensor Attention::forward(const at::Tensor& x, const AttentionContext& context) const {
  const int64_t n = x.size(0);
  const auto [q, k, v] = project(x, context.dropout);
  LayerCache* cache = context.cache ? &context.cache->layers[size_t(layer)] : nullptr;
  const auto output = [&](const at::Tensor& heads) {  // [N, H, D] -> [N, E]
    return o_proj.forward(heads.reshape({n, -1}), context.dropout);
  };
  const auto rotated = [&](const at::Tensor& y) {
    return config.rope < 0 ? y : apply_rope(y, context.ropes[size_t(config.rope)]);
  };
  const at::Tensor qr = rotated(prepared(q, q_norm, config));
  const at::Tensor kr = rotated(prepared(k, k_norm, config));
  const at::Tensor vr = config.clip_qkv > 0 ? v.clamp(-config.clip_qkv, config.clip_qkv) : v;
  const ScoreConfig score{config.scaling, config.logit_softcapping};
  if (context.transfer && transfers()) {
    const auto heads = [&](Branch branch) {
      return prefill(qr, kr, vr, context, window(branch), score, nullptr, nullptr);
    };
    const at::Tensor full = heads(Branch::softmax);
    transfer({q, k, v}, full, heads(Branch::mixed), context);
    return output(full);
  }
  const LayerCache* past =
      context.past.cache ? &context.past.cache->layers[size_t(layer)] : nullptr;
  const at::Tensor soft =
      past && past == cache
          ? decode(qr, kr, vr, context, score, *cache)
          : prefill(qr, kr, vr, context, window(context.branch), score, past, cache);
  const bool wanted = context.branch == Branch::mixed || context.branch == Branch::linear;
  const bool linear_only = context.branch == Branch::linear;
  if (!liza || !wanted || (liza->is_closed() && !linear_only)) return output(soft);
  LayerLedger* ledger = context.ledger ? &(*context.ledger)[layer] : nullptr;
  const at::Tensor raw =
      liza_branch(liza->config, liza->weights, q, k, v, context.layout,
                  past ? std::optional(LizaPast{past->liza, context.past.sequences, context.before})
                       : std::nullopt,
                  cache ? &cache->liza : nullptr, ledger ? &ledger->state_norm : nullptr);
  if (ledger) {
    ledger->softmax_rms = rms(soft), ledger->linear_rms = rms(raw);
    if (liza->gate_weight.defined()) ledger->mag_weight = mean_gate(*liza, q);
  }
  if (!mixes_projected(liza->config)) return output(mag_mix(*liza, q, soft, raw, linear_only));
  const at::Tensor lin = scale_branch(*liza, soft, raw);
  return mag_mix_projected(*liza, output(soft), output(lin.to(soft.scalar_type())), linear_only);
}

}  // namespace tptt
