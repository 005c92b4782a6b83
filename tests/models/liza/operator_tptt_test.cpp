#include "models/liza/operator_tptt.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/full.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/stack.h>

#include "models/liza/operator.h"
#include "tests/catch.h"

using namespace tptt;

namespace {

// The definition, token by token with a whole state for each: docs/liza.md, "implementation: tptt".
TpttOutput slow_tptt(const TpttInput& in, const at::Tensor& state, int64_t chunk_size) {
  const int64_t n = in.order, H = in.q.size(1), G = in.k.size(1), L = in.k.size(2) / n;
  using Rows = std::vector<at::Tensor>;  // [S, X, 1, D] each
  const Rows q = in.q.split(1, 2), k = in.k.split(1, 2), v = in.v.split(1, 2),
             beta = in.beta.split(1, 2), alpha = in.alpha.defined() ? in.alpha.split(1, 2) : Rows();
  at::Tensor start = state;
  std::vector<at::Tensor> o;
  for (int64_t begin = 0; begin < L; begin += chunk_size) {
    std::vector<at::Tensor> w, u;  // of each virtual token of the chunk
    for (int64_t t = begin * n; t < (begin + chunk_size) * n; ++t) {
      const at::Tensor kb = k[t] * beta[t];
      at::Tensor wt = kb, ut = v[t] * beta[t];
      for (size_t i = 0; i < w.size(); ++i) {
        const at::Tensor a = (kb * k[begin * n + int64_t(i)]).sum(-1, true);
        wt = wt - a * w[i];
        ut = ut - a * u[i];
      }
      w.push_back(wt), u.push_back(ut);
    }
    at::Tensor h;
    for (int64_t t = 0; t < chunk_size; ++t) {
      h = start;
      at::Tensor read;
      for (int64_t j = 0; j < n; ++j) {
        const int64_t i = t * n + j;
        const at::Tensor error = u[i] - at::matmul(w[i], h);
        const at::Tensor &ql = q[begin * n + i], all = h.repeat_interleave(H / G, 1);
        read = at::matmul(ql, all) + ql * error.repeat_interleave(H / G, 1);
        if (!alpha.empty()) h = h * alpha[begin * n + i];
        h = h + at::matmul(w[i].transpose(-1, -2), error);
      }
      o.push_back(read.squeeze(2));
    }
    start = in.activated ? activate_state(h) : h;
  }
  return {at::stack(o, 2), start};
}

TpttInput make_input(int64_t length, int64_t order, bool gated, bool activated) {
  const auto options = at::TensorOptions().dtype(at::kDouble);
  const int64_t S = 2, G = 2, H = 4, D = 6, M = length * order;
  const auto leaf = [](const at::Tensor& x) { return x.detach().requires_grad_(true); };
  TpttInput in;
  in.q = leaf(at::randn({S, H, M, D}, options));
  const at::Tensor k = at::randn({S, G, M, D}, options);
  in.k = leaf(k / k.norm(2, {-1}, true));
  in.v = leaf(at::randn({S, G, M, D}, options));
  in.beta = leaf(at::rand({S, G, M, D}, options));
  if (gated) in.alpha = leaf(at::rand({S, G, M, D}, options) - 0.3);
  in.order = order;
  in.activated = activated;
  return in;
}

std::vector<at::Tensor> results(const TpttInput& in, const at::Tensor& state,
                                const TpttOutput& out) {
  std::vector<at::Tensor> leaves{in.q, in.k, in.v, in.beta, state};
  if (in.alpha.defined()) leaves.push_back(in.alpha);
  for (at::Tensor& leaf : leaves) leaf.mutable_grad() = at::Tensor();
  (out.o.square().sum() + out.state.pow(3).sum()).backward();
  std::vector<at::Tensor> all{out.o.detach(), out.state.detach()};
  for (const at::Tensor& leaf : leaves) all.push_back(leaf.grad().clone());
  return all;
}

}  // namespace

TEST_CASE("the package's operator equals its definition, forward, state and all gradients") {
  at::manual_seed(4);
  const int64_t length = GENERATE(1, 7, 12, 60, 1030);
  const int64_t order = GENERATE(1, 2, 3);
  const bool gated = GENERATE(false, true), activated = GENERATE(false, true);
  if (length > 100 && (order != 2 || activated)) return;  // slow, and shows spans alone
  const int64_t chunk = tptt_chunk_size(length, 8);
  INFO("length " << length << " order " << order << " gated " << gated << " chunk " << chunk);
  const TpttInput in = make_input(length, order, gated, activated);
  const at::Tensor state =
      (at::randn({2, 2, 6, 6}, at::TensorOptions().dtype(at::kDouble)) * 0.1).requires_grad_(true);
  const auto fast = results(in, state, tptt_operator(in, state, chunk));
  const auto slow = results(in, state, slow_tptt(in, state, chunk));
  for (size_t i = 0; i < fast.size(); ++i)
    CHECK((fast[i] - slow[i]).norm().item<double>() <
          1e-10 * (1e-6 + slow[i].norm().item<double>()));
}

TEST_CASE("the package's chunk is the largest divisor") {
  CHECK(tptt_chunk_size(384, 64) == 64);
  CHECK(tptt_chunk_size(100, 64) == 50);
  CHECK(tptt_chunk_size(97, 64) == 1);
  CHECK(tptt_chunk_size(5, 64) == 5);
}
