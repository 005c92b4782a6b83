#include "models/kernels/few_rows.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "models/kernels/dispatch.h"
#include "models/kernels/vectors.h"

namespace tptt {
namespace {

constexpr int64_t kMostRows = 4;
constexpr int kAtOnce = 8;  // rows of the weight: sums that do not wait for each other
constexpr int kWidth = 16;

// x [rows, in] and a matrix of `out` rows.
struct Product {
  const float* x;
  int64_t rows, in, out;
};

// y [N] of N rows of the weight, `in` apart, and one row of x.
template <int N, class T>
TPTT_INLINE void dots(const float* x, const T* w, int64_t in, float* y) {
  using Vector = VectorOf<kWidth>::type;
  Vector sum[N] = {}, xs, ws;
  const int64_t whole = in / kWidth * kWidth;
  for (int64_t i = 0; i < whole; i += kWidth) {
    load_vector<kWidth>(xs, x + i);
#pragma GCC unroll 8
    for (int n = 0; n < N; ++n) {
      __builtin_prefetch(w + (N + n) * in + i);  // rows are too short to be foreseen
      load_vector<kWidth>(ws, w + n * in + i);
      sum[n] += xs * ws;
    }
  }
#pragma GCC unroll 8
  for (int n = 0; n < N; ++n) {
    y[n] = sum_of<kWidth>(sum[n]);
    for (int64_t i = whole; i < in; ++i) y[n] += x[i] * load(w + n * in, i);
  }
}

template <class W, class T>
TPTT_INLINE void multiply(const Product& p, const W* weight, T* y, int64_t begin, int64_t end) {
  float sums[kAtOnce];
  int64_t o = begin;
  for (; o + kAtOnce <= end; o += kAtOnce)
    for (int64_t r = 0; r < p.rows; ++r) {
      dots<kAtOnce>(p.x + r * p.in, weight + o * p.in, p.in, sums);
      for (int64_t n = 0; n < kAtOnce; ++n) store(y, r * p.out + o + n, sums[n]);
    }
  for (; o < end; ++o)
    for (int64_t r = 0; r < p.rows; ++r) {
      dots<1>(p.x + r * p.in, weight + o * p.in, p.in, sums);
      store(y, r * p.out + o, sums[0]);
    }
}

#define TPTT_MULTIPLY(W, T)                                                            \
  TPTT_SIMD void multiply_rows(const Product& p, const W* weight, T* y, int64_t begin, \
                               int64_t end) {                                          \
    multiply(p, weight, y, begin, end);                                                \
  }
TPTT_MULTIPLY(float, float)
TPTT_MULTIPLY(float, c10::BFloat16)
TPTT_MULTIPLY(c10::BFloat16, c10::BFloat16)
#undef TPTT_MULTIPLY

template <class T>
void multiply_blocks(const Product& p, const FrozenWeight& weight, T* y, int64_t begin,
                     int64_t end) {
  std::vector<float> rows(size_t(kAtOnce * p.in));
  for (int64_t o = begin; o < end; o += kAtOnce) {
    const int64_t count = std::min<int64_t>(kAtOnce, end - o);
    for (int64_t n = 0; n < count; ++n) decode_row(weight, o + n, rows.data() + n * p.in);
    multiply_rows(p, rows.data(), y + o, 0, count);
  }
}

}  // namespace

bool has_few_rows(const at::Tensor& x, const FrozenWeight& weight) {
  return !c10::GradMode::is_enabled() && x.dim() == 2 && x.size(0) <= kMostRows &&
         has_cpu_kernel(x) && (weight.packed() || weight.dense.is_contiguous());
}

std::vector<at::Tensor> few_rows_mm(const at::Tensor& x,
                                    const std::vector<const FrozenWeight*>& weights) {
  const at::Tensor wide = x.to(at::kFloat).contiguous();
  std::vector<at::Tensor> ys;
  int64_t all = 0;
  for (const FrozenWeight* weight : weights) {
    ys.push_back(at::empty({x.size(0), weight->rows()}, x.options()));
    all += weight->rows();
  }
  const auto multiply_part = [&](size_t i, int64_t begin, int64_t end, auto t) {
    using T = decltype(t);
    if (begin >= end) return;
    const FrozenWeight& weight = *weights[i];
    const Product p{wide.const_data_ptr<float>(), x.size(0), x.size(1), weight.rows()};
    T* y = ys[i].mutable_data_ptr<T>();
    if (weight.packed()) return multiply_blocks(p, weight, y, begin, end);
    multiply_rows(p, weight.dense.const_data_ptr<T>(), y, begin, end);
  };
  with_type(x, [&](auto t) {
    at::parallel_for(0, all, rows_a_task(x.size(1)), [&](int64_t begin, int64_t end) {
      int64_t first = 0;  // row of all weights' rows
      for (size_t i = 0; i < weights.size(); first += weights[i++]->rows())
        multiply_part(i, std::max<int64_t>(begin - first, 0),
                      std::min(end - first, weights[i]->rows()), t);
    });
  });
  return ys;
}

}  // namespace tptt
