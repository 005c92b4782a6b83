#pragma once

#include <optional>
#include <string>
#include <vector>

#include "models/branch.h"
#include "models/kv_cache.h"
#include "models/linear.h"
#include "models/liza/liza_attention.h"
#include "models/liza/mag.h"
#include "models/model_config.h"
#include "models/norm.h"
#include "models/rope.h"
#include "models/segments.h"
#include "models/windowed_attention.h"

namespace tptt {

/// What a layer's two branches are like in one forward, before scaling and mixing.
struct LayerLedger {
  at::Tensor softmax_rms, linear_rms;  // scalars; undefined without a memory
  at::Tensor mag_weight;               // mean mu, where queries have a say in it
  at::Tensor state_norm;               // largest of the memories at the sequences' ends
};

/// Attention transfer (as in LoLCATs, arXiv 2410.10254): every layer gives what full softmax
/// attention gives, and leaves in its memory's tensors the gradients of the share of the bounded
/// softmax's squared error that is left with the memory; 0 where the bound hides nothing.
struct Transfer {
  double weight = 1;  // of each layer's share in the gradients
  at::Tensor share;   // scalar, summed over layers; undefined without a layer that transfers
};

/// How a forward is run.
struct ForwardOptions {
  Branch branch = Branch::mixed;
  Dropout dropout = {};
  double neftune_noise_alpha = 0;              // noise on the embeddings (with dropout's key)
  bool gradient_checkpointing = false;         // keep each layer's input alone for the backward
  std::vector<LayerLedger>* ledger = nullptr;  // one a layer, to be filled
  Transfer* transfer = nullptr;  // the memories learn from full softmax, layer by layer
};

/// All that attention needs to know of one forward besides its input.
struct AttentionContext : ForwardOptions {
  SegmentLayout layout;
  at::Tensor positions;          // [N] int64, each token's place in its sequence
  std::vector<RopeTable> ropes;  // one for each of the model's
  DecodeCache* cache = nullptr;  // takes this forward's tokens; null: none follow
  Past past;                     // of the cache itself: one new token a sequence is put into it
  at::Tensor before;             // [S] int64, tokens of the past; undefined without one

  /// Tokens of sequence s's past.
  int64_t past_length(int64_t s) const {
    return past.cache ? past.cache->lengths[size_t(past.sequences[size_t(s)])] : 0;
  }
};

/// Grouped-query softmax attention with the LiZA memory beside it where one was injected. The
/// memory always sees the projections as they are, before norms and rotation.
struct Attention {
  std::string name;  // Hugging Face module path
  int64_t layer = 0;
  AttentionConfig config;
  std::optional<Linear> q_proj, k_proj, v_proj;
  std::optional<Linear> qkv_proj;  // instead of the three: rows of q, then k, then v
  Linear o_proj;
  Norm q_norm, k_norm;
  std::optional<LizaLayer> liza;
  AttentionWindow bounded;  // what LiZA asks for, of all branches but softmax; length 0: none

  /// The softmax window in force on a branch: the model's own or LiZA's, whichever is shorter.
  AttentionWindow window(Branch branch) const;

  /// Whether its memory has something to learn of full softmax.
  bool transfers() const;

  at::Tensor forward(const at::Tensor& x, const AttentionContext& context) const;  // [N, E]
  std::vector<Linear*> linears();

 private:
  struct Projections {
    at::Tensor q, k, v;  // [N, H, D], [N, G, D]
  };
  Projections project(const at::Tensor& x, const Dropout& dropout) const;
  // Heads of full softmax and of the bounded one, both [N, H, D].
  void transfer(const Projections& raw, const at::Tensor& full, const at::Tensor& bounded_soft,
                const AttentionContext& context) const;
};

/// The attention of layer `layer` without weights.
Attention make_attention(const AttentionConfig& config, const NormConfig& norm,
                         const std::string& name, int64_t layer, int64_t hidden_size);

}  // namespace tptt
