#include "models/kernels/cross_entropy.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/_log_softmax.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "models/formats/levels.h"
#include "models/kernels/dispatch.h"
#include "models/kernels/vectors.h"

namespace tptt {
namespace {

struct Row {
  int64_t size, target;
  float cap;
  bool need_grad;
};

// A logit as the loss sees it, and the slope there.
TPTT_INLINE float capped(float x, float cap) {
  return cap > 0 ? cap * (1 - 2 / (exp_simd(2 * x / cap) + 1)) : x;
}

TPTT_INLINE float slope_at(float y, float cap) {
  return cap > 0 ? 1 - (y / cap) * (y / cap) : 1;
}

// The same of vectors.
template <int W>
TPTT_INLINE void cap_vector(typename VectorOf<W>::type& x, float cap) {
  if (cap > 0) soft_cap_vector<W>(x, 1, cap);
}

template <int W, class T>
TPTT_INLINE float largest_logit(const T* x, int64_t size) {
  using Vector = typename VectorOf<W>::type;
  Vector a, b, top_a = Vector{} - std::numeric_limits<float>::infinity(), top_b = top_a;
  int64_t i = 0;
  for (; i + 2 * W <= size; i += 2 * W) {  // two at a time: they do not wait for each other
    load_vector<W>(a, x + i);
    load_vector<W>(b, x + i + W);
    top_a = a > top_a ? a : top_a;
    top_b = b > top_b ? b : top_b;
  }
  float top = std::max(largest_of<W>(top_a), largest_of<W>(top_b));
  for (; i < size; ++i) top = std::max(top, load(x, i));
  return top;
}

template <int W, class T>
TPTT_INLINE float sum_of_exponentials(const T* x, int64_t size, float cap, float top) {
  using Vector = typename VectorOf<W>::type;
  Vector value, sums{};
  int64_t i = 0;
  for (; i + W <= size; i += W) {
    load_vector<W>(value, x + i);
    cap_vector<W>(value, cap);
    value -= top;
    exp_vector<W>(value);
    sums += value;
  }
  float sum = sum_of<W>(sums);
  for (; i < size; ++i) sum += exp_simd(capped(load(x, i), cap) - top);
  return sum;
}

// The logits become their probabilities times the slope of the cap.
template <int W, class T>
TPTT_INLINE void probabilities(T* x, int64_t size, float cap, float top, float scale) {
  using Vector = typename VectorOf<W>::type;
  const float per_cap = cap > 0 ? 1 / cap : 0;
  Vector value;
  int64_t i = 0;
  for (; i + W <= size; i += W) {
    load_vector<W>(value, x + i);
    cap_vector<W>(value, cap);
    const Vector part = value * per_cap, slope = 1 - part * part;
    value -= top;
    exp_vector<W>(value);
    value *= scale * slope;
    store_vector<W>(x + i, value);
  }
  for (; i < size; ++i) {
    const float y = capped(load(x, i), cap);
    store(x, i, exp_simd(y - top) * scale * slope_at(y, cap));
  }
}

// Three passes over a row, which the second-level cache holds.
template <int W, class T>
TPTT_INLINE float loss_of(T* x, Row row) {
  const float top = capped(largest_logit<W>(x, row.size), row.cap);
  const float sum = sum_of_exponentials<W>(x, row.size, row.cap, top);
  const float at_target = capped(load(x, row.target), row.cap), scale = 1 / sum;
  if (row.need_grad) {
    probabilities<W>(x, row.size, row.cap, top, scale);
    const float p = std::exp(at_target - top) * scale;
    store(x, row.target, (p - 1) * slope_at(at_target, row.cap));
  }
  return std::log(sum) + top - at_target;
}

template <class T>
TPTT_V4 float row_loss_v4(T* x, Row row) {
  return loss_of<16>(x, row);
}

template <class T>
TPTT_V3 float row_loss_v3(T* x, Row row) {
  return loss_of<8>(x, row);
}

template <class T>
float row_loss_any(T* x, Row row) {
  return loss_of<8>(x, row);
}

at::Tensor by_operators(at::Tensor& logits, const at::Tensor& targets, double cap, bool need_grad) {
  const auto type = logits.scalar_type();
  const at::Tensor target = targets.unsqueeze(1);  // [C, 1]
  at::Tensor y = logits.to(at::kFloat), slope;
  if (cap > 0) {
    y = y.div(cap).tanh_();
    if (need_grad) slope = 1 - y.square();
    y.mul_(cap);
  }
  at::Tensor log_p = at::_log_softmax(y, 1, false);
  const at::Tensor losses = log_p.gather(1, target).squeeze(1).neg();
  if (!need_grad) return losses;
  at::Tensor p = log_p.exp_();
  p.scatter_add_(1, target, at::ones(target.sizes(), p.options()).neg_());
  if (slope.defined()) p.mul_(slope);
  logits = p.to(type);
  return losses;
}

}  // namespace

at::Tensor cross_entropy_rows_(at::Tensor& logits, const at::Tensor& targets, double softcapping,
                               bool need_grad, Level level) {
  if (!has_cpu_kernel(logits) || !logits.is_contiguous())
    return by_operators(logits, targets, softcapping, need_grad);
  const int64_t size = logits.size(1);
  at::Tensor losses = at::empty({logits.size(0)}, logits.options().dtype(at::kFloat));
  with_type(logits, [&](auto t) {
    using T = decltype(t);
    const auto row_loss = at_level(level, row_loss_v4<T>, row_loss_v3<T>, row_loss_any<T>);
    at::parallel_for(0, logits.size(0), 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        losses.mutable_data_ptr<float>()[i] =
            row_loss(logits.mutable_data_ptr<T>() + i * size,
                     {size, targets.const_data_ptr<int64_t>()[i], float(softcapping), need_grad});
    });
  });
  return losses;
}

}  // namespace tptt
