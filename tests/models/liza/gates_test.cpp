#include "models/liza/gates.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>

#include "tests/catch.h"

using namespace tptt;

namespace {

constexpr double kTight = 1e-12;

// sigmoid of the mean of positions t-2, t-1, t of one row [G, L, D]; the first repeats before it.
at::Tensor gate_at(const at::Tensor& x, int64_t t) {
  const auto row = [&](int64_t at) { return x.select(1, std::max<int64_t>(at, 0)); };
  return at::sigmoid((row(t - 2) + row(t - 1) + row(t)) / 3);  // [G, D]
}

at::Tensor expected_beta(const std::string& mode, const at::Tensor& k, const at::Tensor& v,
                         int64_t t) {
  if (mode == "delta_rule_v") return gate_at(v, t);
  if (mode == "delta_rule_kv") return gate_at(k, t) * gate_at(v, t);
  return gate_at(k, t);
}

double worst(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

}  // namespace

TEST_CASE("operator inputs are the formulas', token by token") {
  at::manual_seed(6);
  const auto mode = GENERATE(from_range(operator_modes()));
  INFO(mode);
  const int64_t S = 2, H = 4, G = 2, L = 7, D = 6;
  const auto options = at::TensorOptions().dtype(at::kDouble);
  const at::Tensor q = at::randn({S, H, L, D}, options), k = at::randn({S, G, L, D}, options),
                   v = at::randn({S, G, L, D}, options);
  const std::vector<int64_t> lengths{7, 4};
  const DeltaRuleInput in = liza_inputs(q, k, v, mode, at::tensor(lengths, at::kLong), nullptr);
  CHECK(in.log_alpha.defined() == (mode == "gated_delta_rule"));
  for (int64_t s = 0; s < S; ++s) {
    for (int64_t t = 0; t < lengths[s]; ++t) {
      CHECK(worst(in.beta[s].select(1, t), expected_beta(mode, k[s], v[s], t)) < kTight);
      CHECK(worst(in.v[s].select(1, t), v[s].select(1, t) / std::sqrt(double(D))) < kTight);
      const at::Tensor silu = k[s].select(1, t) * at::sigmoid(k[s].select(1, t));
      CHECK(worst(in.k[s].select(1, t), silu / silu.norm(2, {-1}, true)) < kTight);
      if (in.log_alpha.defined())
        CHECK(worst(in.log_alpha[s].select(1, t), gate_at(k[s], t).mean(-1).log() / 64) < kTight);
    }
    for (int64_t t = lengths[s]; t < L; ++t) {  // padding neither writes nor decays
      CHECK(in.beta[s].select(1, t).abs().max().item<double>() == 0);
      CHECK(in.v[s].select(1, t).abs().max().item<double>() == 0);
      if (in.log_alpha.defined())
        CHECK(in.log_alpha[s].select(1, t).abs().max().item<double>() == 0);
    }
  }
}

TEST_CASE("a state continues the pool windows") {
  at::manual_seed(7);
  const auto mode = GENERATE(from_range(operator_modes()));
  INFO(mode);
  const auto options = at::TensorOptions().dtype(at::kDouble);
  const at::Tensor q = at::randn({1, 2, 5, 4}, options), k = at::randn({1, 2, 5, 4}, options),
                   v = at::randn({1, 2, 5, 4}, options);
  const DeltaRuleInput whole = liza_inputs(q, k, v, mode, {}, nullptr);
  LizaState state;
  state.last_k = k.narrow(2, 2, 2);
  state.last_v = v.narrow(2, 2, 2);
  const DeltaRuleInput last =
      liza_inputs(q.narrow(2, 4, 1), k.narrow(2, 4, 1), v.narrow(2, 4, 1), mode, {}, &state);
  CHECK(worst(last.beta, whole.beta.narrow(2, 4, 1)) < kTight);
  if (last.log_alpha.defined())
    CHECK(worst(last.log_alpha, whole.log_alpha.narrow(2, 4, 1)) < kTight);
}
