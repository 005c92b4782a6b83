#include "models/liza/gates.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <functional>

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

// sigmoid(w . k + b) of k [G, D], the same for all of D.
at::Tensor learned_beta(const at::Tensor& k, const MemoryWeights& weights) {
  const at::Tensor beta = at::sigmoid((k * weights.beta_weight).sum(-1) + weights.beta_bias);
  return beta.unsqueeze(-1).expand_as(k);
}

at::Tensor silu_normed(const at::Tensor& x) {
  const at::Tensor silu = x * at::sigmoid(x);
  return silu / silu.norm(2, {-1}, true);
}

// Feature pairs (2m, 2m + 1) turned by half a circle: what order 2 comes to.
at::Tensor half_turn(const at::Tensor& x) {
  at::Tensor out = -x;
  if (x.size(-1) % 2) out.select(-1, x.size(-1) - 1).copy_(x.select(-1, x.size(-1) - 1));
  return out;
}

// The two virtual tokens of x_t after x_{t-1} (`before`), by the formulas.
std::vector<at::Tensor> expected_virtual(const std::string& mode, const at::Tensor& x,
                                         const at::Tensor& before, bool package) {
  const bool plain = mode.find("product") == std::string::npos;
  if (plain) return {x};
  const std::vector<at::Tensor> dt = package ? std::vector<at::Tensor>{-x / 2, before / 2}
                                             : std::vector<at::Tensor>{x, (x - before) / 2};
  const std::vector<at::Tensor> rot{x, half_turn(x)};
  if (mode == "delta_product_r") return rot;
  if (mode == "delta_product_c") return {(dt[0] + rot[0]) / 2, (dt[1] + rot[1]) / 2};
  return dt;
}

double worst(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

// Compares row t * n + j of `got` [X, L * n, D] with the virtual tokens of x(t) after x(t - 1).
void check_tokens(const at::Tensor& got, const std::string& mode, int64_t t,
                  const std::function<at::Tensor(int64_t)>& x, bool package = false) {
  const at::Tensor now = x(t), before = t > 0 ? x(t - 1) : at::zeros_like(now);
  const auto expected = expected_virtual(mode, now, before, package);
  for (size_t j = 0; j < expected.size(); ++j)
    CHECK(worst(got.select(1, t * int64_t(expected.size()) + int64_t(j)), expected[j]) < kTight);
}

bool is_gated(const std::string& mode) {
  return mode.starts_with("gated");
}

}  // namespace

TEST_CASE("exact inputs are the formulas', token by token") {
  at::manual_seed(6);
  const auto mode = GENERATE(from_range(operator_modes()));
  const int64_t D = GENERATE(6, 5);
  INFO(mode);
  const int64_t S = 2, H = 4, G = 2, L = 7;
  const auto options = at::TensorOptions().dtype(at::kDouble);
  const at::Tensor q = at::randn({S, H, L, D}, options), k = at::randn({S, G, L, D}, options),
                   v = at::randn({S, G, L, D}, options);
  const std::vector<int64_t> lengths{7, 4};
  const OperatorMode& row = find_operator_mode(mode);
  MemoryWeights weights;
  const bool learned = mode == "learned_delta_rule";
  if (learned)
    weights = {at::randn({H, D, D}, options), at::randn({G, D, D}, options),
               at::randn({G, D}, options), at::randn({G}, options)};
  const auto mapped = [](const at::Tensor& x, const at::Tensor& map) {  // [heads, D], [heads, D, D]
    return map.defined() ? at::einsum("hd,hde->he", {x, map}) : x;
  };
  const DeltaRuleInput in =
      exact_inputs(q, k, v, row, weights, at::tensor(lengths, at::kLong), at::kDouble);
  CHECK(in.log_alpha.defined() == is_gated(mode));
  CHECK(in.activated == (mode == "delta_rule_gelu"));
  for (int64_t s = 0; s < S; ++s) {
    for (int64_t t = 0; t < lengths[s]; ++t) {
      CHECK(worst(in.q[s].select(1, t), silu_normed(mapped(q[s].select(1, t), weights.q_map))) <
            kTight);
      check_tokens(in.k[s], mode, t, [&](int64_t i) {
        return silu_normed(mapped(k[s].select(1, i), weights.k_map));
      });
      check_tokens(in.v[s], mode, t,
                   [&](int64_t i) { return v[s].select(1, i) / std::sqrt(double(D)); });
      for (int64_t j = 0; j < row.order; ++j)
        CHECK(worst(in.beta[s].select(1, t * row.order + j),
                    learned ? learned_beta(k[s].select(1, t), weights)
                            : expected_beta(mode, k[s], v[s], t)) < kTight);
      for (int64_t j = 0; in.log_alpha.defined() && j < row.order; ++j) {
        const at::Tensor decay = gate_at(k[s], t).mean(-1).log() / 64;
        CHECK(worst(in.log_alpha[s].select(1, t * row.order + j), j == 0 ? decay : decay * 0) <
              kTight);
      }
    }
    for (int64_t i = lengths[s] * row.order; i < L * row.order; ++i) {  // padding
      CHECK(in.beta[s].select(1, i).abs().max().item<double>() == 0);
      if (in.log_alpha.defined())
        CHECK(in.log_alpha[s].select(1, i).abs().max().item<double>() == 0);
    }
  }
}

TEST_CASE("the package's inputs are its formulas, token by token") {
  at::manual_seed(8);
  const auto mode = GENERATE(from_range(package_modes()));
  INFO(mode);
  const int64_t H = 4, G = 2, L = 5, D = 5;
  const auto options = at::TensorOptions().dtype(at::kDouble);
  const at::Tensor q = at::randn({1, H, L, D}, options), k = at::randn({1, G, L, D}, options),
                   v = at::randn({1, G, L, D}, options);
  const TpttInput in = tptt_inputs(q, k, v, find_operator_mode(mode), at::kDouble);
  CHECK(in.alpha.defined() == is_gated(mode));
  for (int64_t t = 0; t < L; ++t) {
    const auto normed = [](const at::Tensor& x) {
      return [&x](int64_t i) { return silu_normed(x[0].select(1, i)); };
    };
    check_tokens(in.q[0], mode, t, normed(q), true);
    check_tokens(in.k[0], mode, t, normed(k), true);
    check_tokens(
        in.v[0], mode, t, [&](int64_t i) { return v[0].select(1, i) / std::sqrt(double(D)); },
        true);
    check_tokens(
        in.beta[0], mode, t, [&](int64_t i) { return expected_beta(mode, k[0], v[0], i); }, true);
    if (in.alpha.defined())
      check_tokens(
          in.alpha[0], mode, t, [&](int64_t i) { return gate_at(k[0], i); }, true);
  }
}
