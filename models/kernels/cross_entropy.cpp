#include "models/kernels/cross_entropy.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/_log_softmax.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "models/kernels/dispatch.h"
#include "models/kernels/simd.h"

namespace tptt {
namespace {

struct Row {
  int64_t size, target;
  float cap;
  bool need_grad;
};

TPTT_INLINE float tanh_simd(float x) {
  return 1 - 2 / (exp_simd(2 * x) + 1);
}

// A logit as the loss sees it, and the slope there.
TPTT_INLINE float capped(float x, float cap) {
  return cap > 0 ? cap * tanh_simd(x / cap) : x;
}

TPTT_INLINE float slope_at(float y, float cap) {
  return cap > 0 ? 1 - (y / cap) * (y / cap) : 1;
}

// Three passes over a row, which the second-level cache holds.
template <class T>
TPTT_INLINE float loss_of(T* x, Row row) {
  float largest = -std::numeric_limits<float>::infinity(), sum = 0;
#pragma omp simd reduction(max : largest)
  for (int64_t i = 0; i < row.size; ++i) largest = std::max(largest, load(x, i));
  const float top = capped(largest, row.cap);
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < row.size; ++i) sum += exp_simd(capped(load(x, i), row.cap) - top);
  const float at_target = capped(load(x, row.target), row.cap);
  const float loss = std::log(sum) + top - at_target;
  if (!row.need_grad) return loss;
  const float scale = 1 / sum;
#pragma omp simd
  for (int64_t i = 0; i < row.size; ++i) {
    const float y = capped(load(x, i), row.cap);
    store(x, i, exp_simd(y - top) * scale * slope_at(y, row.cap));
  }
  store(x, row.target, (std::exp(at_target - top) * scale - 1) * slope_at(at_target, row.cap));
  return loss;
}

TPTT_SIMD float row_loss(float* x, Row row) {
  return loss_of(x, row);
}

TPTT_SIMD float row_loss(c10::BFloat16* x, Row row) {
  return loss_of(x, row);
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
                               bool need_grad) {
  if (!has_cpu_kernel(logits) || !logits.is_contiguous())
    return by_operators(logits, targets, softcapping, need_grad);
  const int64_t size = logits.size(1);
  at::Tensor losses = at::empty({logits.size(0)}, logits.options().dtype(at::kFloat));
  with_type(logits, [&](auto t) {
    using T = decltype(t);
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
