#include "models/liza/operator.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>

#include "tests/catch.h"

using namespace tptt;

namespace {

struct Problem {
  DeltaRuleInput in;
  at::Tensor state, weight;
};

Problem make_problem(int64_t length, bool gated, at::ScalarType type) {
  const auto options = at::TensorOptions().dtype(type);
  const int64_t S = 2, G = 2, H = 4, D = 8;
  Problem p;
  p.in.q = at::randn({S, H, length, D}, options).requires_grad_(true);
  const at::Tensor k = at::randn({S, G, length, D}, options);
  p.in.k = (k / k.norm(2, {-1}, true)).detach().requires_grad_(true);
  p.in.v = at::randn({S, G, length, D}, options).requires_grad_(true);
  p.in.beta = at::rand({S, G, length, D}, options).requires_grad_(true);
  if (gated)
    p.in.log_alpha = (at::rand({S, G, length}, options) * -0.1).detach().requires_grad_(true);
  p.state = at::randn({S, G, D, D}, options).requires_grad_(true);
  p.weight = at::randn({S, H, length, D}, options);
  return p;
}

std::vector<at::Tensor> leaves(const Problem& p) {
  std::vector<at::Tensor> all{p.in.q, p.in.k, p.in.v, p.in.beta, p.state};
  if (p.in.log_alpha.defined()) all.push_back(p.in.log_alpha);
  return all;
}

// Output, final state and all gradients.
std::vector<at::Tensor> results(const Problem& p, const DeltaRuleOutput& out) {
  for (at::Tensor leaf : leaves(p)) leaf.mutable_grad() = at::Tensor();
  ((out.o * p.weight).sum() + out.state.square().sum()).backward();
  std::vector<at::Tensor> all{out.o.detach(), out.state.detach()};
  for (const at::Tensor& leaf : leaves(p)) all.push_back(leaf.grad().clone());
  return all;
}

double worst_relative(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  double worst = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double size = b[i].to(at::kDouble).norm().item<double>();
    worst = std::max(worst, (a[i] - b[i]).to(at::kDouble).norm().item<double>() / (size + 1e-12));
  }
  return worst;
}

}  // namespace

TEST_CASE("chunked delta rule equals the recurrence, forward and all gradients") {
  at::manual_seed(0);
  const int64_t length = GENERATE(1, 2, 63, 64, 65, 100, 1000);
  const bool gated = GENERATE(false, true);
  INFO("length " << length << " gated " << gated);
  const Problem exact = make_problem(length, gated, at::kDouble);
  const auto expected = results(exact, recurrent_delta_rule(exact.in, exact.state));
  for (const int64_t chunk : {16, 64})
    CHECK(worst_relative(results(exact, chunk_delta_rule(exact.in, exact.state, chunk, true)),
                         expected) < 1e-10);
  const Problem single = make_problem(length, gated, at::kFloat);
  const auto slow = results(single, recurrent_delta_rule(single.in, single.state));
  CHECK(worst_relative(results(single, chunk_delta_rule(single.in, single.state, 64, true)), slow) <
        1e-5);
}
