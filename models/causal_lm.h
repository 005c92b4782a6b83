#pragma once

#include <memory>
#include <string>
#include <vector>

#include "models/attention.h"
#include "models/model_config.h"

namespace tptt {

/// One frozen tensor of the base model, to be filled from the weights under its Hugging Face name.
struct BaseParameter {
  std::string name;
  at::Tensor* tensor;
  std::vector<int64_t> shape;
};

/// A decoder-only language model in pieces, so that recomputation, chunked loss and prefix reuse
/// can stand between them. Tokens of all sequences lie one after another: no padding.
class CausalLM {
 public:
  explicit CausalLM(ModelConfig config);
  virtual ~CausalLM() = default;

  virtual at::Tensor embed(const at::Tensor& ids) const = 0;  // [N] -> [N, E]
  virtual at::Tensor layer(int64_t i, const at::Tensor& x,
                           const AttentionContext& context) const = 0;  // [N, E] -> [N, E]
  virtual at::Tensor norm(const at::Tensor& x) const = 0;               // [N, E] -> [N, E]
  virtual const Linear& head() const = 0;                               // [M, E] -> [M, V]

  virtual std::vector<BaseParameter> base_parameters() = 0;
  virtual std::vector<Linear*> linears() = 0;        // the output head last
  virtual std::vector<Attention*> attentions() = 0;  // one a layer
  virtual const Attention& attention(int64_t i) const = 0;

  /// Context of a forward over sequences of these lengths; with a cache that holds tokens already,
  /// every length is 1 and positions continue.
  AttentionContext context(const std::vector<int64_t>& lengths, const ForwardOptions& options = {},
                           DecodeCache* cache = nullptr) const;

  /// embed, all layers, norm: ids [N] -> hidden [N, E].
  at::Tensor hidden(const at::Tensor& ids, const AttentionContext& context) const;

  at::Device device() const { return inv_freq_.device(); }
  void set_device(at::Device device) { inv_freq_ = inv_freq_.to(device); }

  /// From now on only sequences of one length share a block: for operators that know no padding.
  void forbid_padding() { padding_ = false; }

  const ModelConfig config;

 private:
  at::Tensor inv_freq_;  // [D/2]
  bool padding_ = true;
};

/// An empty cache for S sequences of at most `capacity` tokens; layers with a window on this branch
/// keep no more than that and its sinks.
DecodeCache make_cache(const CausalLM& model, int64_t num_sequences, int64_t capacity,
                       Branch branch);

}  // namespace tptt
