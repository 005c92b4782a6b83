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
  // float64 goes through operators, as on other devices; the others through tiles.
  const auto [type, bound] = GENERATE(table<at::ScalarType, double>(
      {{at::kDouble, 1e-10}, {at::kFloat, 1e-5}, {at::kBFloat16, 2e-2}}));
  const int64_t length = GENERATE(5, 64, 65, 300, 700);
  const int64_t window = GENERATE(1, 16, 200, 4000);
  const int64_t sinks = GENERATE(0, 4, 530);
  const double softcapping = GENERATE(0.0, 1.5);
  const ScoreConfig score{0.4, softcapping};
  INFO(type << " length " << length << " window " << window << " sinks " << sinks << " cap "
            << softcapping);
  const auto leaf = [&](int64_t heads) {
    return at::randn({2, heads, length, 8}).to(type).requires_grad_(true);
  };
  const std::vector<at::Tensor> x{leaf(4), leaf(2), leaf(2)};
  const auto grads = [&](const at::Tensor& o) {
    for (const at::Tensor& leaf : x) leaf.mutable_grad() = at::Tensor();
    o.to(at::kDouble).pow(3).sum().backward();
    return std::vector<at::Tensor>{o.detach(), x[0].grad(), x[1].grad(), x[2].grad()};
  };
  const auto wide = [](const at::Tensor& x) { return x.to(at::kDouble); };
  const auto expected = grads(reference(wide(x[0]), wide(x[1]), wide(x[2]), window, sinks, score));
  const auto got = grads(causal_attention(x[0], x[1], x[2], {window, sinks}, score));
  // A window of 1 has no gradient for q and k: it is the difference of two equal products of v and
  // o's gradient, which floats that are added in another order miss by their last bits.
  const double cancels = 3 * score.scaling * expected[0].pow(3).sum(-1).norm().item<double>();
  const double last_bits = type == at::kFloat ? std::numeric_limits<float>::epsilon() : 0;
  for (size_t i = 0; i < got.size(); ++i)
    CHECK((wide(got[i]) - wide(expected[i])).norm().item<double>() <
          bound * (1 + wide(expected[i]).norm().item<double>()) + 4 * last_bits * cancels);
}
