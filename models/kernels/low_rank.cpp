#include "models/kernels/low_rank.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>

#include <algorithm>
#include <vector>

#include "models/kernels/dispatch.h"
#include "models/kernels/vectors.h"

namespace tptt {
namespace {

constexpr int64_t kAtOnce = 4;     // rows of m, or of x: sums that do not wait for each other
constexpr int64_t kColumns = 256;  // of a tile of the outer product at most

struct Sizes {
  int64_t rows, size, r;
};

// As wide as may be, but as many for each thread; whole vectors.
int64_t columns_a_tile(int64_t size) {
  const int64_t threads = at::get_num_threads(), a_turn = threads * kColumns;
  const int64_t tiles = std::max<int64_t>(1, (size + a_turn - 1) / a_turn) * threads;
  return round_up((size + tiles - 1) / tiles, 16);
}

// Four rows from `first` on, of which those past the end are the last one.
struct Four {
  const float *a, *b, *c, *d;
};

TPTT_INLINE Four four_rows(const float* m, int64_t first, int64_t count, int64_t size) {
  const auto row = [&](int64_t i) { return m + std::min(first + i, count - 1) * size; };
  return {row(0), row(1), row(2), row(3)};
}

template <class T>
TPTT_INLINE void down(const T* x, const float* m, float* h, Sizes s, float* wide) {
#pragma omp simd
  for (int64_t i = 0; i < s.size; ++i) wide[i] = load(x, i);
  for (int64_t j = 0; j < s.r; j += kAtOnce) {
    const Four f = four_rows(m, j, s.r, s.size);
    float a = 0, b = 0, c = 0, d = 0;
#pragma omp simd reduction(+ : a, b, c, d)
    for (int64_t i = 0; i < s.size; ++i) {
      a += wide[i] * f.a[i];
      b += wide[i] * f.b[i];
      c += wide[i] * f.c[i];
      d += wide[i] * f.d[i];
    }
    const float sums[kAtOnce] = {a, b, c, d};
    for (int64_t k = 0; k < std::min(kAtOnce, s.r - j); ++k) h[j + k] = sums[k];
  }
}

template <class T>
TPTT_INLINE void up(T* y, const float* h, const float* m, Sizes s, float scale, float* wide) {
  std::fill(wide, wide + s.size, 0.0F);
  for (int64_t j = 0; j < s.r; j += kAtOnce) {
    const Four f = four_rows(m, j, s.r, s.size);
    float by[kAtOnce] = {};
    for (int64_t k = 0; k < std::min(kAtOnce, s.r - j); ++k) by[k] = scale * h[j + k];
    const float a = by[0], b = by[1], c = by[2], d = by[3];
#pragma omp simd
    for (int64_t i = 0; i < s.size; ++i)
      wide[i] += a * f.a[i] + b * f.b[i] + c * f.c[i] + d * f.d[i];
  }
#pragma omp simd
  for (int64_t i = 0; i < s.size; ++i) store(y, i, load(y, i) + wide[i]);
}

// The columns first .. first + width of h^T x, summed in `sums` [r, kColumns].
template <class T>
TPTT_INLINE void outer(const float* h, const T* x, float* out, Sizes s, int64_t first,
                       int64_t width, float* sums) {
  float wide[kAtOnce * kColumns];
  std::fill(sums, sums + s.r * kColumns, 0.0F);
  for (int64_t n = 0; n < s.rows; n += kAtOnce) {
    for (int64_t k = 0; k < kAtOnce; ++k) {
      const T* row = x + std::min(n + k, s.rows - 1) * s.size + first;
      const float seen = n + k < s.rows ? 1.0F : 0.0F;
#pragma omp simd
      for (int64_t i = 0; i < width; ++i) wide[k * kColumns + i] = seen * load(row, i);
    }
    const float *wa = wide, *wb = wa + kColumns, *wc = wb + kColumns, *wd = wc + kColumns;
    for (int64_t j = 0; j < s.r; ++j) {
      const Four f = four_rows(h + j, n, s.rows, s.r);
      const float a = *f.a, b = *f.b, c = *f.c, d = *f.d;
      float* sum = sums + j * kColumns;
#pragma omp simd
      for (int64_t i = 0; i < width; ++i) sum[i] += a * wa[i] + b * wb[i] + c * wc[i] + d * wd[i];
    }
  }
  for (int64_t j = 0; j < s.r; ++j)
    std::copy_n(sums + j * kColumns, width, out + j * s.size + first);
}

#define TPTT_LOW_RANK(T)                                                                           \
  TPTT_SIMD void down_row(const T* x, const float* m, float* h, Sizes s, float* wide) {            \
    down(x, m, h, s, wide);                                                                        \
  }                                                                                                \
  TPTT_SIMD void up_row(T* y, const float* h, const float* m, Sizes s, float scale, float* wide) { \
    up(y, h, m, s, scale, wide);                                                                   \
  }                                                                                                \
  TPTT_SIMD void outer_columns(const float* h, const T* x, float* out, Sizes s, int64_t first,     \
                               int64_t width, float* sums) {                                       \
    outer(h, x, out, s, first, width, sums);                                                       \
  }
TPTT_LOW_RANK(float)
TPTT_LOW_RANK(c10::BFloat16)
#undef TPTT_LOW_RANK

}  // namespace

at::Tensor low_rank_down(const at::Tensor& given, const at::Tensor& m) {
  if (!has_cpu_kernel(given))
    return at::mm(given, m.to(given.scalar_type()).t()).to(m.scalar_type());
  const at::Tensor x = given.contiguous(), factor = m.contiguous();
  const Sizes s{x.size(0), x.size(1), m.size(0)};
  at::Tensor h = at::empty({s.rows, s.r}, m.options().requires_grad(false));
  with_type(x, [&](auto t) {
    using T = decltype(t);
    at::parallel_for(0, s.rows, rows_a_task(s.size), [&](int64_t begin, int64_t end) {
      std::vector<float> wide(static_cast<size_t>(s.size));
      for (int64_t n = begin; n < end; ++n)
        down_row(x.const_data_ptr<T>() + n * s.size, factor.const_data_ptr<float>(),
                 h.mutable_data_ptr<float>() + n * s.r, s, wide.data());
    });
  });
  return h;
}

void low_rank_up_(const at::Tensor& y, const at::Tensor& h, const at::Tensor& m, double scale) {
  if (!has_cpu_kernel(y) || !y.is_contiguous()) {
    const auto type = y.scalar_type();
    y.addmm_(h.to(type), m.to(type), 1, scale);
    return;
  }
  const at::Tensor factor = m.contiguous();
  const Sizes s{y.size(0), y.size(1), m.size(0)};
  with_type(y, [&](auto t) {
    using T = decltype(t);
    at::parallel_for(0, s.rows, rows_a_task(s.size), [&](int64_t begin, int64_t end) {
      std::vector<float> wide(static_cast<size_t>(s.size));
      for (int64_t n = begin; n < end; ++n)
        up_row(y.mutable_data_ptr<T>() + n * s.size, h.const_data_ptr<float>() + n * s.r,
               factor.const_data_ptr<float>(), s, float(scale), wide.data());
    });
  });
}

at::Tensor low_rank_outer(const at::Tensor& h, const at::Tensor& given) {
  if (!has_cpu_kernel(given))
    return at::mm(h.t().to(given.scalar_type()), given).to(h.scalar_type());
  const at::Tensor x = given.contiguous(), left = h.contiguous();
  const Sizes s{x.size(0), x.size(1), h.size(1)};
  at::Tensor out = at::empty({s.r, s.size}, h.options());
  with_type(x, [&](auto t) {
    using T = decltype(t);
    const int64_t columns = columns_a_tile(s.size);
    at::parallel_for(0, (s.size + columns - 1) / columns, 1, [&](int64_t begin, int64_t end) {
      std::vector<float> sums(static_cast<size_t>(s.r * kColumns));
      for (int64_t tile = begin; tile < end; ++tile)
        outer_columns(left.const_data_ptr<float>(), x.const_data_ptr<T>(),
                      out.mutable_data_ptr<float>(), s, tile * columns,
                      std::min(columns, s.size - tile * columns), sums.data());
    });
  });
  return out;
}

}  // namespace tptt
