#include <ATen/TensorOperators.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/topk.h>
#include <ATen/ops/zeros_like.h>

#include "models/mlp.h"

namespace tptt {

at::Tensor Experts::forward(const at::Tensor& x, const Dropout& dropout) const {
  const at::Tensor p = at::softmax(at::mm(x, router.t()), -1, at::kFloat);  // [N, X]
  auto [weights, chosen] = at::topk(p, num_experts_per_tok, -1);            // [N, K]
  if (norm_topk_prob) weights = weights / weights.sum(-1, /*keepdim=*/true);
  weights = weights.to(x.scalar_type());
  const at::Tensor out = at::zeros_like(x);
  for (size_t i = 0; i < experts.size(); ++i) {
    const at::Tensor places = chosen.eq(int64_t(i)).nonzero();  // [M, 2]: token, which choice
    if (places.size(0) == 0) continue;
    const at::Tensor token = places.select(1, 0), choice = places.select(1, 1);
    const at::Tensor y = experts[i].forward(x.index_select(0, token), dropout);
    const at::Tensor weight = weights.index({token, choice}).unsqueeze(1);  // [M, 1]
    out.index_add_(0, token, y * weight);
  }
  return out;
}

}  // namespace tptt
