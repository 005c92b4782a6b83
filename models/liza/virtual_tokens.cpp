#include "models/liza/virtual_tokens.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <numbers>
#include <vector>

namespace tptt {
namespace {

std::vector<double> binomial_row(int64_t n) {  // C(n, 0), .., C(n, n) with alternating signs
  std::vector<double> row{1};
  for (int64_t i = 0; i < n; ++i) row.push_back(-row.back() * double(n - i) / double(i + 1));
  return row;
}

// shifted(i)_t = x_{t-i}.
struct Window {
  at::Tensor extended;  // [S, X, order - 1 + L, D]
  int64_t order, length;
  at::Tensor shifted(int64_t i) const { return extended.narrow(2, order - 1 - i, length); }
};
Window make_window(const at::Tensor& x, int64_t order) {
  auto shape = x.sizes().vec();
  shape[2] = order - 1;
  return {at::cat({at::zeros(shape, x.options()), x}, 2), order, x.size(2)};
}

using Expanded = std::vector<at::Tensor>;  // one [S, X, L, D] a virtual token

Expanded differences(const at::Tensor& x, int64_t order) {
  const Window window = make_window(x, order);
  Expanded out;
  for (int64_t j = 0; j < order; ++j) {
    const auto row = binomial_row(j);
    at::Tensor sum = x * std::exp2(-double(j));
    for (int64_t i = 1; i <= j; ++i) sum = sum + window.shifted(i) * (row[i] * std::exp2(-j));
    out.push_back(sum);
  }
  return out;
}

Expanded window_tptt(const at::Tensor& x, int64_t order) {
  const Window window = make_window(x, order);
  const auto row = binomial_row(order - 1);
  const double sum = std::exp2(double(order - 1));
  Expanded out;  // newest first, the coefficients the other way round
  for (int64_t i = 0; i < order; ++i) out.push_back(window.shifted(i) * (row[order - 1 - i] / sum));
  return out;
}

Expanded rotations(const at::Tensor& x, int64_t order) {
  const int64_t even = x.size(-1) / 2 * 2;
  const at::Tensor a = x.slice(-1, 0, even, 2), b = x.slice(-1, 1, even, 2);
  Expanded out;
  for (int64_t j = 0; j < order; ++j) {
    const double angle = 2 * std::numbers::pi * double(j) / double(order);
    const double cos = std::cos(angle), sin = std::sin(angle);
    at::Tensor turned = at::stack({a * cos - b * sin, a * sin + b * cos}, -1).flatten(-2);
    if (even < x.size(-1)) turned = at::cat({turned, x.narrow(-1, even, 1)}, -1);
    out.push_back(turned);
  }
  return out;
}

at::Tensor combine(Trick trick, const at::Tensor& x, int64_t order, const Expanded& dt) {
  Expanded out = trick == Trick::rot || trick == Trick::rdt ? rotations(x, order) : dt;
  if (trick == Trick::rdt)
    for (int64_t j = 0; j < order; ++j) out[j] = (out[j] + dt[j]) * 0.5;
  return at::stack(out, 3).flatten(2, 3);
}

}  // namespace

at::Tensor virtual_tokens(const at::Tensor& x, Trick trick, int64_t order) {
  if (order == 1) return x;
  return combine(trick, x, order, trick == Trick::rot ? Expanded() : differences(x, order));
}

at::Tensor virtual_tokens_tptt(const at::Tensor& x, Trick trick, int64_t order) {
  if (order == 1) return x;
  return combine(trick, x, order, trick == Trick::rot ? Expanded() : window_tptt(x, order));
}

}  // namespace tptt
