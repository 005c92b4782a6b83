#pragma once

#include <optional>
#include <string>
#include <vector>

#include "models/attention.h"
#include "models/embedding.h"
#include "models/mlp.h"
#include "models/model_config.h"
#include "models/norm.h"

namespace tptt {

/// One frozen tensor of the base model, to be filled from the weights under its Hugging Face name.
struct BaseParameter {
  std::string name;
  at::Tensor* tensor;
  std::vector<int64_t> shape;      // in memory
  bool transposed = false;         // the file has it [in, out]
  FrozenWeight* weight = nullptr;  // whose tensor it is, where it may stay packed
};

struct DecoderLayer {
  Norm attention_norm, attention_out_norm, mlp_norm, mlp_out_norm;
  Attention attention;
  std::optional<Mlp> mlp;
  std::optional<Experts> experts;  // instead of mlp
};

/// A decoder-only language model in pieces, so that recomputation, chunked loss and prefix reuse
/// can stand between them. Tokens of all sequences lie one after another: no padding.
class CausalLM {
 public:
  /// The model that `config` describes, without weights.
  explicit CausalLM(ModelConfig config);

  at::Tensor embed(const at::Tensor& ids, const AttentionContext& context) const;  // [N] -> [N, E]
  at::Tensor layer(int64_t i, const at::Tensor& x,
                   const AttentionContext& context) const;  // [N, E] -> [N, E]
  at::Tensor norm(const at::Tensor& x) const;               // [N, E] -> [N, E], ready for the head
  const Linear& head() const { return head_; }              // [M, E] -> [M, V], before the soft cap
  at::Tensor logits(const at::Tensor& hidden) const;        // [M, E] -> [M, V]

  std::vector<BaseParameter> base_parameters();
  std::vector<Linear*> linears();  // the output head last
  Embedding& embedding() { return embedding_; }
  std::vector<Attention*> attentions();  // one a layer
  const Attention& attention(int64_t i) const { return layers_[size_t(i)].attention; }

  /// Context of a forward over sequences of these lengths, which continue their past where one is
  /// given. An empty cache takes past and new tokens; one that holds tokens already is the past
  /// itself and takes one token a sequence.
  AttentionContext context(const std::vector<int64_t>& lengths, const ForwardOptions& options = {},
                           DecodeCache* cache = nullptr, const Past& past = {}) const;

  /// embed, all layers, norm: ids [N] -> hidden [N, E].
  at::Tensor hidden(const at::Tensor& ids, const AttentionContext& context) const;

  at::Device device() const { return device_; }
  at::ScalarType dtype() const { return dtype_; }  // of the frozen weights and the activations
  void set_device(at::Device device, at::ScalarType dtype);

  /// From now on only sequences of one length share a block: for operators that know no padding.
  void forbid_padding() { padding_ = false; }

  const ModelConfig config;

 private:
  Embedding embedding_;
  at::Tensor positions_;  // [P, E], learned positions
  std::vector<DecoderLayer> layers_;
  Norm norm_;
  Linear head_;
  std::vector<Rope> ropes_;
  at::Device device_ = at::kCPU;
  at::ScalarType dtype_ = at::kFloat;
  bool padding_ = true;
};

/// An empty cache for S sequences of at most `capacity` tokens; layers with a window on this branch
/// keep no more than that and its sinks.
DecodeCache make_cache(const CausalLM& model, int64_t num_sequences, int64_t capacity,
                       Branch branch);

/// True when a cache that holds sequences of `before` tokens is of no use for `after`, because
/// longrope rotates keys of longer sequences by other frequencies.
bool cache_expires(const CausalLM& model, int64_t before, int64_t after);

}  // namespace tptt
