#pragma once

#include <optional>
#include <vector>

#include "models/linear.h"
#include "models/liza/liza_attention.h"
#include "models/rope.h"
#include "models/segments.h"

namespace tptt {

/// Which part of a LiZA layer is used: as trained, softmax alone (mu = 0), memory alone (mu = 1).
enum class Branch { mixed, softmax, linear };

/// What one layer keeps of the past while decoding.
struct LayerCache {
  at::Tensor k, v;  // [S, G, capacity, D], k after RoPE
  LizaState liza;   // empty without LiZA
};

struct DecodeCache {
  std::vector<LayerCache> layers;
  std::vector<int64_t> lengths;  // tokens each sequence has stored
};

/// All that attention needs to know of one forward besides its input.
struct AttentionContext {
  SegmentLayout layout;
  RopeTable rope;
  Branch branch = Branch::mixed;
  const DropoutKey* dropout = nullptr;  // null: evaluation
  DecodeCache* cache = nullptr;         // null: no decoding follows
  at::Tensor cache_lengths;             // [S] int64, when the cache holds tokens already
};

/// Grouped-query softmax attention with the LiZA memory beside it where one was injected.
struct Attention {
  int64_t layer = 0, num_heads = 0, num_kv_heads = 0, head_dim = 0;
  Linear q_proj, k_proj, v_proj, o_proj;
  std::optional<LizaLayer> liza;

  at::Tensor forward(const at::Tensor& x, const AttentionContext& context) const;  // [N, E]
};

}  // namespace tptt
