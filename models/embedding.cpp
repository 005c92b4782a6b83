#include "models/embedding.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/mm.h>

namespace tptt {

at::Tensor Embedding::forward(const at::Tensor& ids, at::ScalarType type) const {
  const at::Tensor x = rows_of(weight, ids, type);
  if (!lora) return x;
  const at::Tensor h = at::embedding(lora->a.t(), ids);  // [N, r]
  return x + (at::mm(h, lora->b.t()) * lora->scaling).to(type);
}

}  // namespace tptt
