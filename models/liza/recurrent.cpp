#include <ATen/TensorOperators.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <vector>

#include "models/liza/operator.h"

namespace tptt {
namespace {

// After token t, where that is the 64th, 128th, ... of a sequence.
at::Tensor activated_where_due(const DeltaRuleInput& in, const at::Tensor& s, int64_t t) {
  const int64_t S = s.size(0);
  const auto index = at::TensorOptions().dtype(at::kLong).device(s.device());
  const at::Tensor ones = at::ones({S}, index);
  const at::Tensor done = (in.position.defined() ? in.position : ones - 1) + (t + 1);
  at::Tensor due = done.remainder(kActivationPeriod).eq(0);
  if (in.lengths.defined()) due = due.logical_and(in.lengths > t);
  if (!due.any().item<bool>()) return s;
  return at::where(due.view({S, 1, 1, 1}), activate_state(s), s);
}

}  // namespace

at::Tensor activate_state(const at::Tensor& s) {
  const at::Tensor norm = at::linalg_vector_norm(s, 2, {-1}, true) + 1e-6;
  return (s / 2) * at::gelu(2 * s / norm, "tanh");
}

DeltaRuleOutput recurrent_delta_rule(const DeltaRuleInput& in, const at::Tensor& state) {
  const int64_t S = in.q.size(0), H = in.q.size(1), L = in.q.size(2), D = in.q.size(3);
  const int64_t G = in.k.size(1), order = in.k.size(2) / L;
  at::Tensor s = state.defined() ? state : at::zeros({S, G, D, D}, in.k.options());
  // Split once: the backward of a slice would clear a whole gradient for each token.
  const auto ks = in.k.split(1, 2), vs = in.v.split(1, 2);  // [S, G, 1, D] each
  const auto betas = in.beta.split(1, 2), qs = in.q.split(1, 2);
  std::vector<at::Tensor> alphas, outputs;
  if (in.log_alpha.defined()) alphas = in.log_alpha.exp().view({S, G, -1, 1}).split(1, 2);
  for (int64_t t = 0; t < L; ++t) {
    for (int64_t i = t * order; i < (t + 1) * order; ++i) {
      if (!alphas.empty()) s = s * alphas[i];
      const at::Tensor error = vs[i] - at::matmul(ks[i], s);
      s = s + at::matmul((betas[i] * ks[i]).transpose(-1, -2), error);
    }
    const at::Tensor q = qs[t].reshape({S, G, H / G, D});
    outputs.push_back(at::matmul(q, s).reshape({S, H, D}));
    if (in.activated) s = activated_where_due(in, s, t);
  }
  return {at::stack(outputs, 2), s};
}

}  // namespace tptt
