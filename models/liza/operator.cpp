#include "models/liza/operator.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/cumsum.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/linalg_solve_triangular.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <vector>

namespace tptt {
namespace {

// [S, X, L, ...] to [S, X, chunks, C, ...], zero tokens appended: they neither write nor decay.
at::Tensor chunked(const at::Tensor& x, int64_t padded, int64_t chunk) {
  const int64_t missing = padded - x.size(2);
  at::Tensor y = x;
  if (missing > 0) {
    std::vector<int64_t> pad(2 * (x.dim() - 3), 0);
    pad.insert(pad.end(), {0, missing});
    y = at::constant_pad_nd(x, pad);
  }
  auto shape = y.sizes().vec();
  shape[2] = chunk;
  shape.insert(shape.begin() + 2, padded / chunk);
  return y.reshape(shape);
}

// exp(c_t - c_i) for i <= t, else 0; masked before exp so that nothing overflows.
at::Tensor decay_matrix(const at::Tensor& c, const at::Tensor& causal) {
  const at::Tensor difference = c.unsqueeze(-1) - c.unsqueeze(-2);  // [.., C, C]
  return difference.masked_fill(causal.logical_not(), 0).exp() * causal;
}

}  // namespace

DeltaRuleOutput chunk_delta_rule(const DeltaRuleInput& in, const at::Tensor& state,
                                 int64_t chunk_size, bool need_final_state) {
  const int64_t S = in.q.size(0), H = in.q.size(1), L = in.q.size(2), D = in.q.size(3);
  const int64_t G = in.k.size(1), R = H / G;
  const int64_t C = std::max<int64_t>(1, std::min(chunk_size, L));
  const int64_t padded = (L + C - 1) / C * C, n = padded / C;
  const auto options = in.k.options().requires_grad(false);

  const at::Tensor k = chunked(in.k, padded, C), v = chunked(in.v, padded, C);  // [S, G, n, C, D]
  const at::Tensor kb = k * chunked(in.beta, padded, C);
  const at::Tensor q = chunked(in.q, padded, C).reshape({S, G, R, n, C, D}).transpose(2, 3);
  const at::Tensor causal = at::ones({C, C}, options).tril();  // i <= t
  const at::Tensor strict = causal.tril(-1).to(at::kBool);

  at::Tensor k_decayed = k, q_decayed = q, kb_tail = kb, total;  // exp(c) folded in where gated
  at::Tensor a = at::matmul(k, kb.transpose(-1, -2));            // [S, G, n, C, C]
  at::Tensor scores = at::matmul(q, kb.transpose(-1, -2).unsqueeze(3));  // [S, G, n, R, C, C]
  if (in.log_alpha.defined()) {
    const at::Tensor c = at::cumsum(chunked(in.log_alpha, padded, C), -1);  // [S, G, n, C]
    const at::Tensor decay = decay_matrix(c, causal.to(at::kBool));
    const at::Tensor last = c.narrow(-1, C - 1, 1);
    a = a * decay;
    scores = scores * decay.unsqueeze(3);
    k_decayed = k * c.exp().unsqueeze(-1);
    q_decayed = q * c.exp().unsqueeze(3).unsqueeze(-1);
    kb_tail = kb * (last - c).exp().unsqueeze(-1);
    total = last.exp().unsqueeze(-1);  // [S, G, n, 1, 1]
  } else {
    scores = scores * causal;
  }
  const at::Tensor lower = a.masked_fill(strict.logical_not(), 0) + at::eye(C, options);
  const at::Tensor solved =
      at::linalg_solve_triangular(lower, at::cat({v, k_decayed}, -1), /*upper=*/false,
                                  /*left=*/true, /*unitriangular=*/true);
  const at::Tensor u0 = solved.narrow(-1, 0, D), w = solved.narrow(-1, D, D);

  // Only this is sequential over chunks.
  at::Tensor s = state;
  std::vector<at::Tensor> us, starts;
  for (int64_t i = 0; i < n; ++i) {
    const bool more = i + 1 < n || need_final_state;
    at::Tensor u = u0.select(2, i);
    if (s.defined()) u = u - at::matmul(w.select(2, i), s);
    us.push_back(u);
    starts.push_back(s.defined() ? s : at::zeros({S, G, D, D}, options));
    if (!more) break;
    const at::Tensor written = at::matmul(kb_tail.select(2, i).transpose(-1, -2), u);
    if (!s.defined()) {
      s = written;
    } else {
      s = (total.defined() ? s * total.select(2, i) : s) + written;
    }
  }
  const at::Tensor u = at::stack(us, 2).unsqueeze(3);  // [S, G, n, 1, C, D]
  at::Tensor o = at::matmul(scores, u);                // [S, G, n, R, C, D]
  if (state.defined() || n > 1) o = o + at::matmul(q_decayed, at::stack(starts, 2).unsqueeze(3));
  o = o.transpose(2, 3).reshape({S, H, padded, D}).narrow(2, 0, L);
  if (need_final_state && !s.defined()) s = at::zeros({S, G, D, D}, options);
  return {o, need_final_state ? s : at::Tensor()};
}

DeltaRuleOutput recurrent_delta_rule(const DeltaRuleInput& in, const at::Tensor& state) {
  const int64_t S = in.q.size(0), H = in.q.size(1), L = in.q.size(2), D = in.q.size(3);
  const int64_t G = in.k.size(1);
  at::Tensor s = state.defined() ? state : at::zeros({S, G, D, D}, in.k.options());
  std::vector<at::Tensor> outputs;
  for (int64_t t = 0; t < L; ++t) {
    const at::Tensor k = in.k.select(2, t).unsqueeze(2), v = in.v.select(2, t).unsqueeze(2);
    const at::Tensor kb = in.beta.select(2, t).unsqueeze(2) * k;  // [S, G, 1, D]
    if (in.log_alpha.defined()) s = s * in.log_alpha.select(2, t).exp().view({S, G, 1, 1});
    s = s + at::matmul(kb.transpose(-1, -2), v - at::matmul(k, s));
    const at::Tensor q = in.q.select(2, t).reshape({S, G, H / G, D});
    outputs.push_back(at::matmul(q, s).reshape({S, H, D}));
  }
  return {at::stack(outputs, 2), s};
}

}  // namespace tptt
