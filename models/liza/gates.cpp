#include "models/liza/gates.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/silu.h>

#include <cmath>
#include <stdexcept>

namespace tptt {
namespace {

enum class Gate { none, key, value, key_value };

struct Mode {
  const char* name;
  Gate alpha, beta;
};

constexpr Mode kModes[] = {
    {"delta_rule", Gate::none, Gate::key},
    {"delta_rule_v", Gate::none, Gate::value},
    {"delta_rule_kv", Gate::none, Gate::key_value},
    {"gated_delta_rule", Gate::key, Gate::key},
};

const Mode& find_mode(const std::string& name) {
  for (const Mode& mode : kModes)
    if (name == mode.name) return mode;
  throw std::logic_error("unknown operator_mode " + name);  // the configuration was checked
}

// Mean of positions t-2, t-1, t; before the start x_0 repeats, or `last` [S, G, 2, D] goes on.
at::Tensor pool(const at::Tensor& x, const at::Tensor& last) {
  const int64_t length = x.size(2);
  const at::Tensor first = x.narrow(2, 0, 1);
  const at::Tensor window = last.defined() ? at::cat({last.to(x.scalar_type()), x}, 2)
                                           : at::cat({first, first, x}, 2);  // [S, G, L + 2, D]
  return (window.narrow(2, 0, length) + window.narrow(2, 1, length) + x) / 3;
}

at::Tensor l2norm(const at::Tensor& x) {
  return x / at::linalg_vector_norm(x, 2, {-1}, true).clamp_min(1e-6);
}

at::ScalarType inner_type(const at::Tensor& x) {
  return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

}  // namespace

std::vector<std::string> operator_modes() {
  std::vector<std::string> names;
  for (const Mode& mode : kModes) names.push_back(mode.name);
  return names;
}

DeltaRuleInput liza_inputs(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           const std::string& operator_mode, const at::Tensor& lengths,
                           const LizaState* previous) {
  const Mode& mode = find_mode(operator_mode);
  const at::ScalarType type = inner_type(q);
  const at::Tensor kf = k.to(type), vf = v.to(type);
  const auto gate = [&](Gate of) -> at::Tensor {
    const auto pooled = [&](const at::Tensor& x, at::Tensor LizaState::*last) {
      return at::sigmoid(pool(x, previous ? previous->*last : at::Tensor()));
    };
    if (of == Gate::key) return pooled(kf, &LizaState::last_k);
    if (of == Gate::value) return pooled(vf, &LizaState::last_v);
    return pooled(kf, &LizaState::last_k) * pooled(vf, &LizaState::last_v);
  };
  DeltaRuleInput in;
  in.q = l2norm(at::silu(q.to(type)));
  in.k = l2norm(at::silu(kf));
  in.v = vf * (1.0 / std::sqrt(double(v.size(-1))));
  in.beta = gate(mode.beta);
  if (mode.alpha != Gate::none)  // forgetting per 64 tokens
    in.log_alpha = (mode.alpha == mode.beta ? in.beta : gate(mode.alpha)).mean(-1).log() / 64;
  if (lengths.defined()) {
    const at::Tensor real = at::arange(k.size(2), lengths.options())
                                .lt(lengths.unsqueeze(1))
                                .to(type)
                                .unsqueeze(1);  // [S, 1, L]
    in.v = in.v * real.unsqueeze(-1);
    in.beta = in.beta * real.unsqueeze(-1);
    if (in.log_alpha.defined()) in.log_alpha = in.log_alpha * real;
  }
  return in;
}

}  // namespace tptt
