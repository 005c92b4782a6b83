#include "models/liza/operator_tptt.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linalg_solve_triangular.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <vector>

#include "models/liza/operator.h"
#include "models/optional_tensor.h"

namespace tptt {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Tokens whose chunks are computed together, and recomputed together in the backward.
constexpr int64_t kSpan = 512;

// [S, X, L * n, D] to [S, X, c, C, n, D].
at::Tensor to_chunks(const at::Tensor& x, int64_t chunk_size, int64_t order) {
  const int64_t chunks = x.size(2) / (chunk_size * order);
  return x.reshape({x.size(0), x.size(1), chunks, chunk_size, order, x.size(3)});
}

// w and u [S, G, c, C, n, D]: one unit-lower-triangular solve for all chunks.
std::pair<at::Tensor, at::Tensor> solve(const TpttInput& in, int64_t chunk_size) {
  const auto rows = [&](const at::Tensor& x) {
    return to_chunks(x, chunk_size, in.order).flatten(3, 4);  // [S, G, c, C * n, D]
  };
  const at::Tensor k = rows(in.k), kb = rows(in.k * in.beta), vb = rows(in.v * in.beta);
  const at::Tensor lower =
      at::matmul(kb, k.transpose(-1, -2)).tril(-1) + at::eye(k.size(3), k.options());
  const at::Tensor wu = at::linalg_solve_triangular(lower, at::cat({kb, vb}, -1), /*upper=*/false,
                                                    /*left=*/true, /*unitriangular=*/true)
                            .unflatten(3, {chunk_size, in.order});
  const int64_t D = k.size(-1);
  return {wu.narrow(-1, 0, D), wu.narrow(-1, D, D)};
}

// The states at the chunks' starts [S, G, c, D, D] and after the last: each chunk hands on what its
// last token makes of the state at its start.
std::pair<at::Tensor, at::Tensor> scan(const at::Tensor& w, const at::Tensor& u,
                                       const at::Tensor& alpha, at::Tensor s, bool activated) {
  std::vector<at::Tensor> starts;
  for (int64_t i = 0; i < w.size(2); ++i) {
    starts.push_back(s);
    const auto last = [&](const at::Tensor& x, int64_t j) {
      return x.select(2, i).select(2, -1).select(2, j).unsqueeze(2);  // [S, G, 1, D]
    };
    for (int64_t j = 0; j < w.size(4); ++j) {
      const at::Tensor wj = last(w, j);
      const at::Tensor error = last(u, j) - at::matmul(wj, s);
      if (alpha.defined()) s = s * last(alpha, j);
      s = s + at::matmul(wj.transpose(-1, -2), error);
    }
    if (activated) s = activate_state(s);
  }
  return {at::stack(starts, 2), s};
}

// Reads of all tokens. A token's state before step j is start * a_0 .. a_{j-1} plus one rank-one
// term w_i r_i^T for each earlier step i, and is never formed.
at::Tensor reads(const at::Tensor& q, const at::Tensor& w, const at::Tensor& u,
                 const at::Tensor& alpha, const at::Tensor& starts) {
  const int64_t order = w.size(4), groups = w.size(1), heads = q.size(1);
  const at::Tensor ws = at::matmul(w.flatten(3, 4), starts).view(w.sizes());
  const auto step = [](const at::Tensor& x, int64_t j) { return x.select(-2, j); };
  std::vector<at::Tensor> terms;  // r_i [S, G, c, C, D]
  at::Tensor product, error;      // a_0 .. a_{j-1}; u_j - w_j^T state
  for (int64_t j = 0; j < order; ++j) {
    if (j > 0) {
      terms.push_back(error);
      if (alpha.defined()) {
        const at::Tensor a = step(alpha, j - 1);
        for (size_t i = 0; i + 1 < terms.size(); ++i) terms[i] = terms[i] * a;
        product = product.defined() ? product * a : a;
      }
    }
    error = step(u, j) - (product.defined() ? step(ws, j) * product : step(ws, j));
    for (size_t i = 0; i < terms.size(); ++i)
      error = error - (step(w, j) * step(w, int64_t(i))).sum(-1, true) * terms[i];
  }
  // The output is the last step's: q^T state + q * error, per query head [S, G, R, c, C, D].
  const at::Tensor ql = step(q, order - 1).unflatten(1, {groups, heads / groups});
  at::Tensor o = at::matmul(ql, starts.unsqueeze(2));
  if (product.defined()) o = o * product.unsqueeze(2);
  for (size_t i = 0; i < terms.size(); ++i)
    o = o + (ql * step(w, int64_t(i)).unsqueeze(2)).sum(-1, true) * terms[i].unsqueeze(2);
  return (o + ql * error.unsqueeze(2)).flatten(1, 2).flatten(2, 3);  // [S, H, L, D]
}

TpttOutput span_forward(const TpttInput& in, const at::Tensor& state, int64_t chunk_size) {
  const auto [w, u] = solve(in, chunk_size);
  at::Tensor alpha;
  if (in.alpha.defined()) alpha = to_chunks(in.alpha, chunk_size, in.order);
  const auto [starts, last] = scan(w, u, alpha, state, in.activated);
  return {reads(to_chunks(in.q, chunk_size, in.order), w, u, alpha, starts), last};
}

TpttInput span_of(const TpttInput& in, int64_t begin, int64_t count) {
  const auto rows = [&](const at::Tensor& x) {
    return x.defined() ? x.narrow(2, begin * in.order, count * in.order) : x;
  };
  TpttInput out = in;
  out.q = rows(in.q), out.k = rows(in.k), out.v = rows(in.v);
  out.beta = rows(in.beta), out.alpha = rows(in.alpha);
  return out;
}

TpttInput from_list(const variable_list& x, int64_t order, bool activated) {
  return {x[0], x[1], x[2], x[3], x[4], order, activated};
}

// Saves its inputs and the state at each span's start; the backward recomputes span by span.
struct TpttOperator : torch::autograd::Function<TpttOperator> {
  static variable_list forward(AutogradContext* ctx, const at::Tensor& q, const at::Tensor& k,
                               const at::Tensor& v, const at::Tensor& beta,
                               const std::optional<at::Tensor>& alpha, const at::Tensor& state,
                               int64_t order, bool activated, int64_t chunk_size) {
    const TpttInput in{q, k, v, beta, or_undefined(alpha), order, activated};
    const int64_t length = k.size(2) / order;
    const int64_t span = std::max<int64_t>(1, kSpan / chunk_size) * chunk_size;
    variable_list saved{q, k, v, beta, in.alpha}, outputs;
    at::Tensor s = state;
    for (int64_t begin = 0; begin < length; begin += span) {
      saved.push_back(s);
      const TpttOutput out =
          span_forward(span_of(in, begin, std::min(span, length - begin)), s, chunk_size);
      outputs.push_back(out.o);
      s = out.state;
    }
    ctx->save_for_backward(saved);
    ctx->saved_data["order"] = order;
    ctx->saved_data["activated"] = activated;
    ctx->saved_data["chunk_size"] = chunk_size;
    return {at::cat(outputs, 2), s};
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    const int64_t order = ctx->saved_data["order"].toInt();
    const int64_t chunk_size = ctx->saved_data["chunk_size"].toInt();
    const TpttInput in = from_list(saved, order, ctx->saved_data["activated"].toBool());
    const int64_t length = in.k.size(2) / order;
    const int64_t span = std::max<int64_t>(1, kSpan / chunk_size) * chunk_size;
    variable_list out(5);
    for (size_t i = 0; i < 5; ++i)
      if (saved[i].defined()) out[i] = at::zeros(saved[i].sizes(), saved[i].options());
    at::Tensor g_state = grads[1].defined() ? grads[1] : at::zeros_like(saved[5]);
    const at::Tensor g_o =
        grads[0].defined()
            ? grads[0]
            : at::zeros({in.q.size(0), in.q.size(1), length, in.q.size(3)}, in.q.options());
    const int64_t spans = (length + span - 1) / span;
    for (int64_t i = spans - 1; i >= 0; --i) {
      const int64_t begin = i * span, count = std::min(span, length - begin);
      g_state = span_backward(span_of(in, begin, count), saved[5 + size_t(i)], chunk_size,
                              g_o.narrow(2, begin, count), g_state,
                              span_of(from_list(out, order, false), begin, count));
    }
    return {out[0], out[1], out[2], out[3], out[4], g_state, {}, {}, {}};
  }

  // Fills `out`, views of the gradients; returns the gradient of the state at the span's start.
  static at::Tensor span_backward(const TpttInput& in, const at::Tensor& state, int64_t chunk_size,
                                  const at::Tensor& grad_o, const at::Tensor& grad_state,
                                  const TpttInput& out) {
    c10::AutoGradMode with_grad(true);
    variable_list leaves, targets;
    const auto leaf = [&](const at::Tensor& x, const at::Tensor& target) -> at::Tensor {
      if (!x.defined()) return x;
      leaves.push_back(x.detach().requires_grad_(true));
      targets.push_back(target);
      return leaves.back();
    };
    TpttInput local = in;
    local.q = leaf(in.q, out.q), local.k = leaf(in.k, out.k), local.v = leaf(in.v, out.v);
    local.beta = leaf(in.beta, out.beta), local.alpha = leaf(in.alpha, out.alpha);
    const at::Tensor first = leaf(state, {});
    const TpttOutput again = span_forward(local, first, chunk_size);
    const auto grads = torch::autograd::grad({again.o, again.state}, leaves, {grad_o, grad_state});
    c10::AutoGradMode without_grad(false);
    for (size_t i = 0; i + 1 < leaves.size(); ++i) targets[i].copy_(grads[i]);
    return grads.back();
  }
};

}  // namespace

int64_t tptt_chunk_size(int64_t length, int64_t max_chunk_size) {
  int64_t size = std::min(length, max_chunk_size);
  while (length % size != 0) --size;
  return size;
}

TpttOutput tptt_operator(const TpttInput& in, const at::Tensor& state, int64_t chunk_size) {
  at::Tensor first = state;
  if (!first.defined())
    first = at::full({in.k.size(0), in.k.size(1), in.k.size(3), in.v.size(3)}, 1e-6,
                     in.k.options().requires_grad(false));
  const variable_list out = TpttOperator::apply(
      in.q, in.k, in.v, in.beta, in.alpha.defined() ? std::optional(in.alpha) : std::nullopt, first,
      in.order, in.activated, chunk_size);
  return {out[0], out[1]};
}

}  // namespace tptt
