#include "models/windowed_attention.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tanh.h>

#include <limits>

#include "tests/catch.h"
#include "tests/models/tiny_model.h"

using namespace tptt;

namespace {

// The definition with the whole T x T mask.
at::Tensor reference(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, int64_t window,
                     int64_t sinks, const ScoreConfig& score) {
  const int64_t groups = q.size(1) / k.size(1), length = q.size(2);
  const at::Tensor t = at::arange(length).unsqueeze(1), i = at::arange(length);
  const at::Tensor seen = i.le(t).logical_and(i.gt(t - window).logical_or(i.lt(sinks)));
  at::Tensor scores =
      at::matmul(q, k.repeat_interleave(groups, 1).transpose(-1, -2)) * score.scaling;
  if (score.softcapping > 0) scores = at::tanh(scores / score.softcapping) * score.softcapping;
  const at::Tensor p = at::softmax(
      scores.masked_fill(seen.logical_not(), -std::numeric_limits<double>::infinity()), -1);
  return at::matmul(p, v.repeat_interleave(groups, 1));
}

}  // namespace

TEST_CASE("a sliding window with sinks is masked attention, forward and gradients") {
  at::manual_seed(9);
  const int64_t length = GENERATE(5, 64, 65, 300, 700);
  const int64_t window = GENERATE(1, 16, 200, 4000);
  const int64_t sinks = GENERATE(0, 4);
  const double softcapping = GENERATE(0.0, 1.5);
  const ScoreConfig score{0.4, softcapping};
  INFO("length " << length << " window " << window << " sinks " << sinks << " cap " << softcapping);
  const auto leaf = [&](int64_t heads) {
    return at::randn({2, heads, length, 8}, at::TensorOptions().dtype(at::kDouble))
        .requires_grad_(true);
  };
  const std::vector<at::Tensor> x{leaf(4), leaf(2), leaf(2)};
  const auto grads = [&](const at::Tensor& o) {
    for (const at::Tensor& leaf : x) leaf.mutable_grad() = at::Tensor();
    o.pow(3).sum().backward();
    return std::vector<at::Tensor>{o.detach(), x[0].grad(), x[1].grad(), x[2].grad()};
  };
  const auto expected = grads(reference(x[0], x[1], x[2], window, sinks, score));
  const auto got = grads(causal_attention(x[0], x[1], x[2], {window, sinks}, score));
  for (size_t i = 0; i < got.size(); ++i)  // a window of 1 has no gradient for q and k
    CHECK((got[i] - expected[i]).norm().item<double>() <
          1e-10 * (1 + expected[i].norm().item<double>()));
}
