#pragma once

#include <optional>
#include <string>
#include <vector>

#include "models/linear.h"
#include "models/liza/liza_attention.h"
#include "models/liza/mag.h"
#include "models/rope.h"
#include "models/segments.h"
#include "models/windowed_attention.h"

namespace tptt {

/// Which part of a LiZA layer is used: as trained; softmax alone (mu = 0) without the window that
/// LiZA added, or with it; memory alone (mu = 1).
enum class Branch { mixed, softmax, linear, window };

/// What one layer keeps of the past while decoding.
struct LayerCache {
  at::Tensor k, v;  // [S, G, slots, D], k after RoPE; a ring behind the sinks with a window
  AttentionWindow window;
  LizaState liza;  // empty without LiZA
};

struct DecodeCache {
  std::vector<LayerCache> layers;
  std::vector<int64_t> lengths;  // tokens each sequence has stored
};

/// Size of the two branches' outputs in each layer, before scaling and mixing.
struct BranchLedger {
  std::vector<double> softmax_rms, linear_rms;  // by layer; 0 without a memory
};

/// All that attention needs to know of one forward besides its input.
struct AttentionContext {
  SegmentLayout layout;
  RopeTable rope;
  Branch branch = Branch::mixed;
  const DropoutKey* dropout = nullptr;  // null: evaluation
  DecodeCache* cache = nullptr;         // null: no decoding follows
  at::Tensor cache_lengths;             // [S] int64, when the cache holds tokens already
  BranchLedger* ledger = nullptr;       // null: nothing is measured
};

/// Grouped-query softmax attention with the LiZA memory beside it where one was injected.
struct Attention {
  std::string name;  // Hugging Face module path
  int64_t layer = 0, num_heads = 0, num_kv_heads = 0, head_dim = 0;
  Linear q_proj, k_proj, v_proj, o_proj;
  std::optional<LizaLayer> liza;

  /// The softmax window in force on a branch.
  AttentionWindow window(Branch branch) const;

  at::Tensor forward(const at::Tensor& x, const AttentionContext& context) const;  // [N, E]
};

}  // namespace tptt
