#include "models/attention.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/scaled_dot_product_attention.h>

#include <algorithm>

namespace tptt {
namespace {

// [S, L, H, D] of one group, causal; the padding on the right is never seen by real queries.
at::Tensor causal(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  return at::scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2),
                                          {}, 0.0, /*is_causal=*/true, {},
                                          /*enable_gqa=*/q.size(2) != k.size(2))
      .transpose(1, 2);
}

void store(const at::Tensor& k, const at::Tensor& v, const SegmentGroup& group, LayerCache& cache) {
  for (size_t i = 0; i < group.sequences.size(); ++i) {
    const int64_t s = group.sequences[i];
    cache.k[s].narrow(1, 0, group.length).copy_(k[int64_t(i)].transpose(0, 1));
    cache.v[s].narrow(1, 0, group.length).copy_(v[int64_t(i)].transpose(0, 1));
  }
}

at::Tensor prefill(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                   const AttentionContext& context, LayerCache* cache) {
  std::vector<at::Tensor> blocks;
  for (const auto& group : context.layout.groups) {
    const at::Tensor kp = to_padded(k, context.layout, group),
                     vp = to_padded(v, context.layout, group);
    blocks.push_back(causal(to_padded(q, context.layout, group), kp, vp));
    if (cache) store(kp, vp, group, *cache);
  }
  return from_padded(blocks, context.layout);
}

// One new token a sequence: q [S, H, D], k, v [S, G, D].
at::Tensor decode(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                  const AttentionContext& context, LayerCache& cache) {
  const at::Tensor& lengths = context.cache_lengths;
  const auto& stored = context.cache->lengths;
  const int64_t longest = *std::max_element(stored.begin(), stored.end()) + 1;
  const at::Tensor slot = lengths.view({-1, 1, 1, 1}).expand({k.size(0), k.size(1), 1, k.size(2)});
  cache.k.scatter_(2, slot, k.unsqueeze(2));
  cache.v.scatter_(2, slot, v.unsqueeze(2));
  const at::Tensor seen = at::arange(longest, lengths.options())
                              .view({1, 1, 1, -1})
                              .le(lengths.view({-1, 1, 1, 1}));  // [S, 1, 1, T]
  return at::scaled_dot_product_attention(q.unsqueeze(2), cache.k.narrow(2, 0, longest),
                                          cache.v.narrow(2, 0, longest), seen, 0.0, false, {},
                                          q.size(1) != k.size(1))
      .squeeze(2);
}

}  // namespace

at::Tensor Attention::forward(const at::Tensor& x, const AttentionContext& context) const {
  const int64_t n = x.size(0);
  const at::Tensor q = q_proj.forward(x, context.dropout).view({n, num_heads, head_dim});
  const at::Tensor k = k_proj.forward(x, context.dropout).view({n, num_kv_heads, head_dim});
  const at::Tensor v = v_proj.forward(x, context.dropout).view({n, num_kv_heads, head_dim});
  LayerCache* cache = context.cache ? &context.cache->layers[layer] : nullptr;
  const bool decoding = context.cache_lengths.defined();

  const at::Tensor qr = apply_rope(q, context.rope), kr = apply_rope(k, context.rope);
  at::Tensor mixed = decoding ? decode(qr, kr, v, context, *cache)
                              : prefill(qr, kr, v, context, cache);  // [N, H, D]
  if (liza && context.branch != Branch::softmax && !liza->is_closed()) {
    const at::Tensor lin =
        liza_branch(*liza, q, k, v, context.layout, cache ? &cache->liza : nullptr, decoding);
    mixed = mag_mix(*liza, mixed, lin, context.branch == Branch::linear);
  }
  return o_proj.forward(mixed.reshape({n, num_heads * head_dim}), context.dropout);
}

}  // namespace tptt
