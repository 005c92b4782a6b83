#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cumsum.h>
#include <ATen/ops/linalg_solve_triangular.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include "models/kernels/chunk_delta.h"
#include "models/liza/chunks.h"

namespace tptt {
namespace {

at::Tensor activation_backward(const at::Tensor& state, const at::Tensor& grad) {
  c10::AutoGradMode with_grad(true);
  const at::Tensor s = state.detach().requires_grad_(true);
  return torch::autograd::grad({activate_state(s)}, {s}, {grad})[0];
}

at::Tensor scaled(const at::Tensor& x, const at::Tensor& decay) {
  return decay.defined() ? x * decay : x;
}

// Through the scores q . kb within a chunk.
struct ScoreGrad {
  at::Tensor scores;    // [R * C, M] of q . kb
  at::Tensor by_value;  // [R * C, M] gradient * value, for the decay; undefined without one
  at::Tensor u;         // [M, D]
};
ScoreGrad scores_backward(const Chunks& x, const at::Tensor& u, const at::Tensor& go) {
  at::Tensor scores = at::matmul(x.q, transposed(x.kb));
  scale_reads(scores, x.read_mask, x.z);
  ScoreGrad g;
  g.scores = at::matmul(go, transposed(u));
  if (x.total.defined()) g.by_value = g.scores * scores;
  scale_reads(g.scores, x.read_mask, x.z);
  g.u = at::matmul(transposed(scores), go);
  return g;
}

// Through the states, last chunk first.
struct StateGrad {
  at::Tensor starts;  // [D, D] the states themselves
  at::Tensor q;       // [R * C, D]
  at::Tensor u;       // [M, D] all of u's, scores included
  at::Tensor end;     // [D, D] of the state after each chunk, before activation
  at::Tensor write;   // [M, D] of kb * tail
  at::Tensor first;   // [S, G, D, D] of the first state
};
StateGrad states_backward(const Chunks& x, const DeltaRuleInput& in, const at::Tensor& u,
                          const at::Tensor& go, const at::Tensor& grad_u, at::Tensor g) {
  const Sizes& z = x.z;
  StateGrad out;
  out.starts = at::stack(x.starts, 2);
  at::Tensor decayed = go;
  if (x.read_c.defined()) scale_reads(decayed = go.clone(), x.read_c, z);
  out.q = at::matmul(decayed, transposed(out.starts));
  const at::Tensor read = at::matmul(transposed(x.q), decayed);  // [D, D] of the states read
  const at::Tensor write = scaled(x.kb, x.tail);
  if (!g.defined()) g = at::zeros({z.S, z.G, z.D, z.D}, write.options());
  std::vector<at::Tensor> us(z.chunks), ends(z.chunks);
  for (int64_t i = z.chunks - 1; i >= 0; --i) {
    if (x.unactivated[i].defined())
      g = at::where(rows_to_activate(in, z, i), activation_backward(x.unactivated[i], g), g);
    ends[i] = g;
    us[i] = grad_u.select(2, i) + at::matmul(write.select(2, i), g);
    if (x.total.defined()) g = g * x.total.select(2, i);
    g = read.select(2, i) + g - at::matmul(transposed(x.w.select(2, i)), us[i]);
  }
  out.u = at::stack(us, 2);
  out.end = at::stack(ends, 2);
  out.write = at::matmul(u, transposed(out.end));
  out.first = g;
  return out;
}

// Of the summed log decay [M] at each virtual token, from gradient * value of all that it scales.
at::Tensor decay_backward(const Chunks& x, const at::Tensor& a, const at::Tensor& scores,
                          const at::Tensor& kd, const StateGrad& s) {
  const Sizes& z = x.z;
  const auto add_reads = [&](at::Tensor& c, const at::Tensor& rows) {  // [R * C]
    c.slice(-1, z.order - 1, std::nullopt, z.order)
        .add_(rows.view({z.S, z.G, z.chunks, z.R, z.C}).sum(3));
  };
  at::Tensor c = a.sum(-1) - a.sum(-2) - scores.sum(-2);
  add_reads(c, scores.sum(-1));
  if (x.w.defined()) {
    const at::Tensor write = (s.write * x.kb * x.tail).sum(-1);
    c.add_(kd.sum(-1)).sub_(write);
    add_reads(c, (s.q * x.q).sum(-1));
    c.select(-1, z.M - 1).add_(write.sum(-1)).add_((s.end * s.starts * x.total).sum({-1, -2}));
  }
  return from_chunks(at::cumsum(c.flip(-1), -1).flip(-1), z);
}

}  // namespace

DeltaRuleGrad chunk_delta_rule_backward(const DeltaRuleInput& in, const at::Tensor& state,
                                        int64_t chunk_size, const at::Tensor& grad_o,
                                        const at::Tensor& grad_state) {
  if (has_chunk_kernel(in)) return chunk_delta_backward(in, state, chunk_size, grad_o, grad_state);
  const Chunks x = make_chunks(in, state, chunk_size, grad_state.defined());
  const Sizes& z = x.z;
  const bool past = x.w.defined();
  const at::Tensor u = at::stack(x.us, 2), go = to_reads(grad_o, z);
  const ScoreGrad r = scores_backward(x, u, go);
  StateGrad s;
  if (past) s = states_backward(x, in, u, go, r.u, grad_state);

  const at::Tensor solved = at::linalg_solve_triangular(  // of [V | K exp(c)]
      transposed(x.lower),
      past ? at::cat({s.u, at::matmul(s.u, transposed(s.starts)).neg_()}, -1) : r.u,
      /*upper=*/true, /*left=*/true, /*unitriangular=*/true);
  const at::Tensor v = solved.narrow(-1, 0, z.D);
  const at::Tensor kd = past ? solved.narrow(-1, z.D, z.D) : at::Tensor();
  at::Tensor a = at::matmul(v, transposed(x.u0)).neg_();  // of k . kb, once masked
  if (past) a.sub_(at::matmul(kd, transposed(x.w)));
  a.mul_(x.mask);

  at::Tensor q = at::matmul(r.scores, x.kb);
  at::Tensor kb = at::matmul(transposed(r.scores), x.q).add_(at::matmul(transposed(a), x.k));
  at::Tensor k = at::matmul(a, x.kb);
  if (past) {
    q.add_(s.q);
    kb.add_(scaled(s.write, x.tail));
    k.add_(scaled(kd, x.exp_c));
  }
  k.addcmul_(kb, to_chunks(in.beta, z));

  DeltaRuleGrad out;
  if (x.total.defined())
    out.log_alpha = decay_backward(x, at::matmul(x.k, transposed(x.kb)).mul_(a), r.by_value,
                                   past ? kd * x.k * x.exp_c : at::Tensor(), s);
  out.q = from_reads(q, z);
  out.k = from_chunks(k, z);
  out.v = from_chunks(v, z);
  out.beta = from_chunks(kb.mul_(x.k), z);
  out.state = s.first;
  return out;
}

}  // namespace tptt
