#include "models/liza/gates.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>

#include "models/kernels/normed_silu.h"
#include "models/kernels/pooled_gate.h"
#include "models/liza/virtual_tokens.h"

namespace tptt {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Mean of positions t-2, t-1, t; before the start x_0 repeats.
at::Tensor pool(const at::Tensor& x) {
  const int64_t length = x.size(2);
  const at::Tensor first = x.narrow(2, 0, 1);
  const at::Tensor window = at::cat({first, first, x}, 2);  // [S, G, L + 2, D]
  return (window.narrow(2, 0, length) + window.narrow(2, 1, length) + x) / 3;
}

at::Tensor l2norm(const at::Tensor& x) {
  return x / at::linalg_vector_norm(x, 2, {-1}, true).clamp_min(1e-6);
}

struct NormedSilu : torch::autograd::Function<NormedSilu> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x) {
    ctx->save_for_backward({x});
    return normed_silu(x);
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    return {normed_silu_backward(grads[0], ctx->get_saved_variables()[0])};
  }
};

struct PooledGate : torch::autograd::Function<PooledGate> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x) {
    at::Tensor gate = pooled_gate(x);
    ctx->save_for_backward({gate});
    return gate;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    return {pooled_gate_backward(grads[0], ctx->get_saved_variables()[0])};
  }
};

bool has_kernel(const at::Tensor& x) {
  return x.is_cpu() && x.scalar_type() == at::kFloat && x.stride(-1) == 1;
}

at::Tensor pooled_sigmoid(const at::Tensor& x) {
  if (!has_kernel(x)) return at::sigmoid(pool(x));
  return c10::GradMode::is_enabled() ? PooledGate::apply(x) : pooled_gate(x);
}

// What reads and writes the memory: l2norm(silu(x)).
at::Tensor features(const at::Tensor& x) {
  if (!has_kernel(x)) return l2norm(at::silu(x));
  return c10::GradMode::is_enabled() ? NormedSilu::apply(x) : normed_silu(x);
}

// What a mode makes of each token, before virtual tokens.
struct Tokens {
  at::Tensor q, k, v;      // normalised, scaled
  at::Tensor alpha, beta;  // [S, G, L, D]; alpha undefined: 1
};

// sigmoid(w . k + b), [S, G, L, D] of one number a token.
at::Tensor learned_beta(const at::Tensor& k, const MemoryWeights& w) {
  const at::Tensor weight = w.beta_weight.to(k.scalar_type()).unsqueeze(-1);  // [G, D, 1]
  const at::Tensor bias = w.beta_bias.to(k.scalar_type()).view({-1, 1, 1});
  return (at::matmul(k, weight) + bias).sigmoid().expand_as(k);
}

at::Tensor mapped(const at::Tensor& x, const at::Tensor& map) {
  return map.defined() ? at::matmul(x, map.to(x.scalar_type())) : x;
}

Tokens make_tokens(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                   const OperatorMode& mode, const MemoryWeights& weights) {
  const auto gate = [&](Gate of) {
    if (of == Gate::key) return pooled_sigmoid(k);
    if (of == Gate::value) return pooled_sigmoid(v);
    if (of == Gate::learned) return learned_beta(k, weights);
    return pooled_sigmoid(k) * pooled_sigmoid(v);
  };
  Tokens out;
  out.q = features(mapped(q, weights.q_map));
  out.k = features(mapped(k, weights.k_map));
  out.v = v * (1.0 / std::sqrt(double(v.size(-1))));
  out.beta = gate(mode.beta);
  if (mode.alpha != Gate::none) out.alpha = mode.alpha == mode.beta ? out.beta : gate(mode.alpha);
  return out;
}

// [S, G, L, ..] to [S, G, L * order, ..]: x on every virtual token, or on the first alone.
at::Tensor repeated(const at::Tensor& x, int64_t order) {
  return order == 1 ? x : at::stack(std::vector<at::Tensor>(order, x), 3).flatten(2, 3);
}
at::Tensor on_first(const at::Tensor& x, int64_t order) {
  std::vector<at::Tensor> parts(order, at::zeros_like(x));
  parts[0] = x;
  return order == 1 ? x : at::stack(parts, 3).flatten(2, 3);
}

}  // namespace

DeltaRuleInput exact_inputs(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const OperatorMode& mode, const MemoryWeights& weights,
                            const at::Tensor& lengths, at::ScalarType precision) {
  Tokens tokens = make_tokens(q.to(precision), k.to(precision), v.to(precision), mode, weights);
  at::Tensor log_alpha;
  if (tokens.alpha.defined()) log_alpha = tokens.alpha.mean(-1).log() / 64;  // over 64 tokens
  if (lengths.defined()) {
    const at::Tensor real = at::arange(k.size(2), lengths.options())
                                .lt(lengths.unsqueeze(1))
                                .to(precision)
                                .unsqueeze(1);  // [S, 1, L]
    tokens.v = tokens.v * real.unsqueeze(-1);
    tokens.beta = tokens.beta * real.unsqueeze(-1);
    if (log_alpha.defined()) log_alpha = log_alpha * real;
  }
  DeltaRuleInput in;
  in.q = tokens.q;
  in.k = virtual_tokens(tokens.k, mode.trick, mode.order);
  in.v = virtual_tokens(tokens.v, mode.trick, mode.order);
  in.beta = repeated(tokens.beta, mode.order);
  if (log_alpha.defined()) in.log_alpha = on_first(log_alpha, mode.order);
  in.activated = mode.gelu;
  in.lengths = lengths;
  return in;
}

TpttInput tptt_inputs(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                      const OperatorMode& mode, at::ScalarType precision) {
  const Tokens tokens = make_tokens(q.to(precision), k.to(precision), v.to(precision), mode, {});
  const auto expanded = [&](const at::Tensor& x) {
    return virtual_tokens_tptt(x, mode.trick, mode.order);
  };
  TpttInput in;
  in.q = expanded(tokens.q);
  in.k = expanded(tokens.k);
  in.v = expanded(tokens.v);
  in.beta = expanded(tokens.beta);
  if (tokens.alpha.defined()) in.alpha = expanded(tokens.alpha);
  in.order = mode.order;
  in.activated = mode.gelu;
  return in;
}

}  // namespace tptt
