#include "models/liza/chunks.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/cumsum.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/linalg_solve_triangular.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

namespace tptt {
namespace {

at::Tensor padded(const at::Tensor& x, int64_t length) {
  const int64_t missing = length - x.size(2);
  if (missing == 0) return x;
  std::vector<int64_t> pad(2 * (x.dim() - 3), 0);
  pad.insert(pad.end(), {0, missing});
  return at::constant_pad_nd(x, pad);
}

Sizes make_sizes(const DeltaRuleInput& in, int64_t chunk_size) {
  Sizes z{};
  z.S = in.q.size(0), z.H = in.q.size(1), z.L = in.q.size(2), z.D = in.q.size(3);
  z.G = in.k.size(1);
  z.R = z.H / z.G;
  z.order = in.k.size(2) / z.L;
  z.C = std::max<int64_t>(1, chunk_size / z.order);
  if (in.activated)  // chunks end where the state is activated
    while (kActivationPeriod % z.C != 0) --z.C;
  z.C = std::min(z.C, z.L);
  z.M = z.C * z.order;
  z.chunks = (z.L + z.C - 1) / z.C;
  return z;
}

// exp(c_t - c_i) where `seen`, else 0; masked before exp so that nothing overflows.
at::Tensor decay_matrix(const at::Tensor& c_t, const at::Tensor& c_i, const at::Tensor& seen) {
  const at::Tensor difference = c_t.unsqueeze(-1) - c_i.unsqueeze(-2);
  return difference.masked_fill_(seen.eq(0), 0).exp_().mul_(seen);
}

void add_decay(Chunks& x, const at::Tensor& log_alpha) {
  const Sizes& z = x.z;
  const at::Tensor c = at::cumsum(to_chunks(log_alpha, z), -1);  // [S, G, c, M]
  const at::Tensor reads = c.slice(-1, z.order - 1, std::nullopt, z.order);
  const at::Tensor last = c.narrow(-1, z.M - 1, 1);
  x.read_mask = decay_matrix(reads, c, x.read_mask);
  x.mask = decay_matrix(c, c, x.mask);
  x.exp_c = c.exp().unsqueeze(-1);
  x.read_c = reads.exp().unsqueeze(-1);
  x.tail = (last - c).exp_().unsqueeze(-1);
  x.total = last.exp().unsqueeze(-1);
}

// The only part that is sequential over chunks: u and the state at each chunk's start.
void scan(Chunks& x, const DeltaRuleInput& in, at::Tensor s, bool need_final_state) {
  const Sizes& z = x.z;
  const at::Tensor write = transposed(x.tail.defined() ? x.kb * x.tail : x.kb);  // [D, M]
  for (int64_t i = 0; i < z.chunks; ++i) {
    const at::Tensor u0 = x.u0.select(2, i);
    x.starts.push_back(s);
    x.us.push_back(x.w.defined() ? u0 - at::matmul(x.w.select(2, i), s) : u0);
    x.unactivated.emplace_back();
    if (i + 1 == z.chunks && !need_final_state) return;
    const at::Tensor kept = x.total.defined() ? s * x.total.select(2, i) : s;
    s = kept + at::matmul(write.select(2, i), x.us.back());
    const at::Tensor due = rows_to_activate(in, z, i);
    if (!due.defined()) continue;
    x.unactivated.back() = s;
    s = at::where(due, activate_state(s), s);
  }
  x.final_state = s;
}

}  // namespace

at::Tensor to_chunks(const at::Tensor& x, const Sizes& z) {
  std::vector<int64_t> shape{z.S, z.G, z.chunks, z.M};
  if (x.dim() == 4) shape.push_back(x.size(3));
  return padded(x, z.chunks * z.M).reshape(shape);
}
at::Tensor from_chunks(const at::Tensor& x, const Sizes& z) {
  return x.flatten(2, 3).narrow(2, 0, z.L * z.order);
}

at::Tensor to_reads(const at::Tensor& x, const Sizes& z) {
  return padded(x, z.chunks * z.C)
      .reshape({z.S, z.G, z.R, z.chunks, z.C, z.D})
      .transpose(2, 3)
      .reshape({z.S, z.G, z.chunks, z.R * z.C, z.D});
}
at::Tensor from_reads(const at::Tensor& x, const Sizes& z) {
  return x.view({z.S, z.G, z.chunks, z.R, z.C, z.D})
      .transpose(2, 3)
      .reshape({z.S, z.H, z.chunks * z.C, z.D})
      .narrow(2, 0, z.L);
}

at::Tensor& scale_reads(at::Tensor& x, const at::Tensor& w, const Sizes& z) {
  x.view({z.S, z.G, z.chunks, z.R, z.C, x.size(-1)}).mul_(w.dim() > 2 ? w.unsqueeze(3) : w);
  return x;
}

at::Tensor rows_to_activate(const DeltaRuleInput& in, const Sizes& z, int64_t i) {
  const int64_t end = (i + 1) * z.C;
  if (!in.activated || end % kActivationPeriod != 0 || end > z.L) return {};
  if (in.lengths.defined()) return in.lengths.ge(end).view({z.S, 1, 1, 1});
  return at::ones({1, 1, 1, 1}, in.k.options().dtype(at::kBool));
}

Chunks make_chunks(const DeltaRuleInput& in, const at::Tensor& state, int64_t chunk_size,
                   bool need_final_state) {
  Chunks x;
  const Sizes& z = x.z = make_sizes(in, chunk_size);
  const auto options = in.k.options().requires_grad(false);
  x.q = to_reads(in.q, z);
  x.k = to_chunks(in.k, z);
  x.v = to_chunks(in.v, z);
  x.kb = x.k * to_chunks(in.beta, z);
  const at::Tensor causal = at::ones({z.M, z.M}, options).tril();
  x.read_mask = causal.slice(0, z.order - 1, std::nullopt, z.order);
  x.mask = causal.tril(-1);
  if (in.log_alpha.defined()) add_decay(x, in.log_alpha);
  x.lower = at::matmul(x.k, transposed(x.kb)).mul_(x.mask).add_(at::eye(z.M, options));
  const bool has_past = state.defined() || z.chunks > 1;
  const at::Tensor kd = x.exp_c.defined() ? x.k * x.exp_c : x.k;
  const at::Tensor solved = at::linalg_solve_triangular(
      x.lower, has_past ? at::cat({x.v, kd}, -1) : x.v, /*upper=*/false, /*left=*/true,
      /*unitriangular=*/true);
  x.u0 = solved.narrow(-1, 0, z.D);
  if (has_past) x.w = solved.narrow(-1, z.D, z.D);
  const bool zero_state = has_past && !state.defined();
  scan(x, in, zero_state ? at::zeros({z.S, z.G, z.D, z.D}, options) : state, need_final_state);
  return x;
}

}  // namespace tptt
