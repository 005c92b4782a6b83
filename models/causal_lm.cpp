#include "models/causal_lm.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "models/checkpointing.h"
#include "models/rope.h"

namespace tptt {

CausalLM::CausalLM(ModelConfig c) : config(std::move(c)), inv_freq_(rope_inv_freq(config)) {}

AttentionContext CausalLM::context(const std::vector<int64_t>& lengths,
                                   const ForwardOptions& options, DecodeCache* cache) const {
  AttentionContext context;
  static_cast<ForwardOptions&>(context) = options;
  context.layout = make_layout(lengths, device(), padding_);
  context.cache = cache;
  const auto index = at::TensorOptions().dtype(at::kLong).device(device());
  std::vector<int64_t> positions;
  if (cache && cache->lengths[0] > 0) {
    positions = cache->lengths;
    context.cache_lengths = at::tensor(cache->lengths, index);
  } else {
    for (const int64_t length : lengths)
      for (int64_t t = 0; t < length; ++t) positions.push_back(t);
  }
  context.rope = rope_table(inv_freq_, at::tensor(positions, index));
  return context;
}

at::Tensor CausalLM::hidden(const at::Tensor& ids, const AttentionContext& context) const {
  if (context.ledger) context.ledger->assign(config.num_hidden_layers, {});
  at::Tensor x = embed(ids);
  const bool checkpointing = context.gradient_checkpointing && c10::GradMode::is_enabled();
  if (checkpointing) {
    x = checkpointed_layers(*this, x, context);
  } else {
    for (int64_t i = 0; i < config.num_hidden_layers; ++i) x = layer(i, x, context);
  }
  if (context.cache) {
    for (size_t s = 0; s < context.layout.lengths.size(); ++s)
      context.cache->lengths[s] += context.layout.lengths[s];
  }
  return norm(x);
}

DecodeCache make_cache(const CausalLM& model, int64_t num_sequences, int64_t capacity,
                       Branch branch) {
  const auto options = at::TensorOptions(model.head().weight.scalar_type()).device(model.device());
  DecodeCache cache;
  cache.lengths.assign(num_sequences, 0);
  for (int64_t i = 0; i < model.config.num_hidden_layers; ++i) {
    const Attention& attention = model.attention(i);
    LayerCache layer;
    layer.window = attention.window(branch);
    const int64_t kept = layer.window.length + layer.window.sinks;
    const int64_t slots = layer.window.length > 0 ? std::min(capacity, kept) : capacity;
    if (slots < kept) layer.window = {};  // everything fits
    layer.k =
        at::zeros({num_sequences, attention.num_kv_heads, slots, attention.head_dim}, options);
    layer.v = layer.k.clone();
    cache.layers.push_back(std::move(layer));
  }
  return cache;
}

}  // namespace tptt
