#include "models/liza/operator.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include "models/kernels/chunk_delta.h"
#include "tests/catch.h"

using namespace tptt;

namespace {

// The shapes of operator that the nine modes come to.
struct Kind {
  int64_t order;
  bool gated, activated;
};
const Kind kKinds[] = {{1, false, false}, {1, true, false}, {1, false, true},
                       {2, false, false}, {2, true, false}, {3, true, false}};

struct Problem {
  DeltaRuleInput in;
  at::Tensor state, weight;
};

Problem make_problem(int64_t length, const Kind& kind, at::ScalarType type, int64_t D = 8) {
  const auto options = at::TensorOptions().dtype(type);
  const int64_t S = 2, G = 2, H = 4, M = length * kind.order;
  const auto leaf = [](const at::Tensor& x) { return x.detach().requires_grad_(true); };
  Problem p;
  p.in.q = leaf(at::randn({S, H, length, D}, options));
  const at::Tensor k = at::randn({S, G, M, D}, options);
  p.in.k = leaf(k / k.norm(2, {-1}, true));
  p.in.v = leaf(at::randn({S, G, M, D}, options));
  p.in.beta = leaf(at::rand({S, G, M, D}, options));
  if (kind.gated) p.in.log_alpha = leaf(at::rand({S, G, M}, options) * -0.1);
  p.in.activated = kind.activated;
  p.state = leaf(at::randn({S, G, D, D}, options));
  p.weight = at::randn({S, H, length, D}, options);
  return p;
}

std::vector<at::Tensor*> inputs(Problem& p) {
  std::vector<at::Tensor*> all{&p.in.q, &p.in.k, &p.in.v, &p.in.beta};
  if (p.state.defined()) all.push_back(&p.state);
  if (p.in.log_alpha.defined()) all.push_back(&p.in.log_alpha);
  return all;
}

Problem as_double(const Problem& p) {
  Problem wide = p;
  for (at::Tensor* x : inputs(wide)) *x = x->detach().to(at::kDouble).requires_grad_(true);
  wide.weight = wide.weight.to(at::kDouble);
  return wide;
}

at::Tensor loss_of(const Problem& p, const DeltaRuleOutput& out) {
  const at::Tensor of_o = (out.o * p.weight).sum();
  return out.state.defined() ? of_o + out.state.square().sum() : of_o;
}

// Output, final state where there is one, and all gradients.
std::vector<at::Tensor> results(Problem& p, const DeltaRuleOutput& out) {
  for (at::Tensor* leaf : inputs(p)) leaf->mutable_grad() = at::Tensor();
  loss_of(p, out).backward();
  std::vector<at::Tensor> all{out.o.detach()};
  if (out.state.defined()) all.push_back(out.state.detach());
  for (const at::Tensor* leaf : inputs(p)) all.push_back(leaf->grad().clone());
  return all;
}

double worst_relative(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  REQUIRE(a.size() == b.size());
  double worst = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const at::Tensor x = a[i].to(at::kDouble), y = b[i].to(at::kDouble);
    const double size = y.norm().item<double>();
    worst = std::max(worst, (x - y).norm().item<double>() / (size + 1e-12));
  }
  return worst;
}

}  // namespace

TEST_CASE("chunked delta rule equals the recurrence, forward, state and all gradients") {
  at::manual_seed(0);
  const int64_t length = GENERATE(1, 2, 63, 64, 65, 100, 130, 1000);
  const auto kind = GENERATE(from_range(std::begin(kKinds), std::end(kKinds)));
  INFO("length " << length << " order " << kind.order << " gated " << kind.gated << " activated "
                 << kind.activated);
  Problem exact = make_problem(length, kind, at::kDouble);
  const auto expected = results(exact, recurrent_delta_rule(exact.in, exact.state));
  for (const int64_t chunk : {1, 7, 16, 64, 100})
    if (chunk > 1 || length < 200)
      CHECK(worst_relative(results(exact, chunk_delta_rule(exact.in, exact.state, chunk, true)),
                           expected) < 1e-10);
  Problem single = make_problem(length, kind, at::kFloat);
  Problem wide = as_double(single);
  CHECK(worst_relative(results(single, chunk_delta_rule(single.in, single.state, 64, true)),
                       results(wide, recurrent_delta_rule(wide.in, wide.state))) < 1e-5);
}

TEST_CASE("the fused chunks are the recurrence, in every version of the machine's") {
  at::manual_seed(6);
  const int64_t length = GENERATE(1, 40, 129), D = GENERATE(5, 64);
  const auto kind = GENERATE(from_range(std::begin(kKinds), std::end(kKinds)));
  if (kind.activated) return;
  const bool empty = GENERATE(false, true);
  const int64_t chunk = GENERATE(16, 64);
  const Level level = GENERATE(from_range(levels()));
  INFO("length " << length << " width " << D << " order " << kind.order << " gated " << kind.gated
                 << " empty " << empty << " chunk " << chunk << " level " << int(level));
  Problem p = make_problem(length, kind, at::kFloat, D);
  if (empty) p.state = at::Tensor();
  Problem wide = as_double(p);
  DeltaRuleOutput expected = recurrent_delta_rule(wide.in, wide.state);
  if (empty) expected.state = at::Tensor();
  const auto wanted = results(wide, expected);
  const DeltaRuleOutput got = chunk_delta_forward(p.in, p.state, chunk, !empty, level);
  const DeltaRuleGrad g = chunk_delta_backward(p.in, p.state, chunk, p.weight,
                                               empty ? at::Tensor() : got.state * 2, level);
  std::vector<at::Tensor> all{got.o};
  if (!empty) all.push_back(got.state);
  for (const at::Tensor& x : {g.q, g.k, g.v, g.beta}) all.push_back(x);
  if (!empty) all.push_back(g.state);
  if (kind.gated) all.push_back(g.log_alpha);
  if (empty && length == 1) all.resize(5);  // nothing decays: a gradient of zero
  CHECK(worst_relative(all, {wanted.begin(), wanted.begin() + int64_t(all.size())}) < 1e-5);
}

TEST_CASE("from an empty memory, without the final state") {
  at::manual_seed(1);
  const int64_t length = GENERATE(1, 40, 64, 65, 200);
  const auto kind = GENERATE(from_range(std::begin(kKinds), std::end(kKinds)));
  Problem p = make_problem(length, kind, at::kDouble);
  p.state = at::Tensor();
  DeltaRuleOutput expected = recurrent_delta_rule(p.in, {});
  expected.state = at::Tensor();
  const auto wanted = results(p, expected);
  CHECK(worst_relative(results(p, chunk_delta_rule(p.in, {}, 64, false)), wanted) < 1e-10);
}

TEST_CASE("padding on either side neither writes nor decays") {
  at::manual_seed(2);
  const auto kind = GENERATE(from_range(std::begin(kKinds), std::end(kKinds)));
  const bool left = GENERATE(false, true);
  if (left && kind.activated) return;  // activation counts a sequence's own tokens
  const int64_t length = 70, pad = 75;
  const c10::AutoGradMode no_grad(false);
  const Problem p = make_problem(length, kind, at::kDouble);
  const DeltaRuleOutput alone = recurrent_delta_rule(p.in, p.state);
  const auto padded = [&](const at::Tensor& x, bool zero) {
    auto shape = x.sizes().vec();
    shape[2] = shape[2] / length * pad;
    const at::Tensor fill = zero ? at::zeros(shape, x.options()) : at::randn(shape, x.options());
    return left ? at::cat({fill, x}, 2) : at::cat({x, fill}, 2);
  };
  DeltaRuleInput in = p.in;
  in.q = padded(in.q, false), in.k = padded(in.k, false), in.v = padded(in.v, true);
  in.beta = padded(in.beta, true);
  if (in.log_alpha.defined()) in.log_alpha = padded(in.log_alpha, true);
  if (!left) in.lengths = at::tensor(std::vector<int64_t>{length, length}, at::kLong);
  for (const auto& out :
       {recurrent_delta_rule(in, p.state), chunk_delta_rule(in, p.state, 64, true)}) {
    CHECK(worst_relative({out.o.narrow(2, left ? pad : 0, length), out.state},
                         {alone.o, alone.state}) < 1e-10);
  }
}

TEST_CASE("finite differences agree with every gradient") {
  at::manual_seed(3);
  const auto kind = GENERATE(from_range(std::begin(kKinds), std::end(kKinds)));
  Problem p = make_problem(kind.activated ? 66 : 5, kind, at::kDouble, kind.activated ? 2 : 3);
  const auto run = [&] { return chunk_delta_rule(p.in, p.state, 2, true); };
  const auto gradients = results(p, run());
  const c10::AutoGradMode no_grad(false);
  const double step = 1e-6;
  size_t next = 2;
  for (at::Tensor* leaf : inputs(p)) {
    const at::Tensor gradient = gradients[next++].reshape(-1);
    const at::Tensor flat = leaf->view(-1);
    const int64_t stride = kind.activated ? 17 : 1;
    for (int64_t i = 0; i < flat.numel(); i += stride) {
      const double at_i = flat[i].item<double>();
      flat[i].fill_(at_i + step);
      const double above = loss_of(p, run()).item<double>();
      flat[i].fill_(at_i - step);
      const double below = loss_of(p, run()).item<double>();
      flat[i].fill_(at_i);
      const double expected = (above - below) / (2 * step);
      CHECK(std::abs(gradient[i].item<double>() - expected) < 1e-5 * (1 + std::abs(expected)));
    }
  }
}
