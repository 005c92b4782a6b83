#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/dropout.h"
#include "models/frozen_weight.h"

namespace tptt {

/// A low-rank adapter; all its tensors are float32.
struct Lora {
  at::Tensor a;  // [r, in]
  at::Tensor b;  // [out, r]
  /// PiSSA: A and B as they began, whose product is taken out of the weight. Undefined without.
  at::Tensor initial_a, initial_b;
  at::Tensor magnitude;    // [out], DoRA's; undefined without
  at::Tensor weight_norm;  // [out], the frozen rows' squared L2 norms, for DoRA
  double scaling = 1;
  double dropout = 0;
  uint64_t module = 0;  // its number in the model, for the dropout key
  /// DoRA's row norms as long as A and B keep their values.
  struct NormCache {
    at::Tensor norms;
    uint32_t a_version = 0, b_version = 0;
  };
  std::shared_ptr<NormCache> norm_cache = std::make_shared<NormCache>();

  /// What the weight is changed by is scaling * all_b() all_a(): with PiSSA's beginning subtracted.
  at::Tensor all_a() const;  // [r or 2 r, in]
  at::Tensor all_b() const;  // [out, r or 2 r]
};

/// A frozen weight and, where one was added, its LoRA.
struct Linear {
  std::string name;  // Hugging Face module path
  int64_t in = 0, out = 0;
  bool has_bias = false;
  double share = 1;     // of the tokens that reach it (a mixture's experts)
  FrozenWeight weight;  // [out, in]
  at::Tensor bias;      // [out] or undefined
  std::optional<Lora> lora;
  bool trained = false;  // weight.dense and bias are float32 and learn (modules_to_save)

  at::Tensor forward(const at::Tensor& x, const Dropout& dropout) const;  // [N, in] -> [N, out]
  /// Whether something here learns.
  bool adapted() const { return lora || trained; }
};

/// What several Linears give for one input x [N, in]: [N, out] each.
std::vector<at::Tensor> forward_all(const std::vector<const Linear*>& linears, const at::Tensor& x,
                                    const Dropout& dropout);

/// A Linear that waits for its weights.
Linear make_linear(const std::string& name, int64_t in, int64_t out, bool bias);

/// The weight [out, in] in float32 with its LoRA merged: W + s B A, or with DoRA (arXiv 2402.09353)
/// m (W + s B A) / ||W + s B A|| row by row.
at::Tensor merged_weight(const at::Tensor& weight, const Lora& lora);

/// Readies DoRA: the rows' norms of `weight`.
at::Tensor squared_row_norms(const at::Tensor& weight);

/// ||W + s B A|| of each row [out], without gradients.
at::Tensor adapted_row_norms(const FrozenWeight& weight, const Lora& lora);

}  // namespace tptt
