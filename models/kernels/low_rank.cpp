#include "models/kernels/low_rank.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>

#include <algorithm>
#include <vector>

#include "models/kernels/dispatch.h"
#include "models/kernels/drop.h"
#include "models/kernels/vectors.h"

namespace tptt {
namespace {

constexpr int kWidth = 16;
constexpr int kAtOnce = 4;         // of r: sums that do not wait for each other
constexpr int64_t kColumns = 256;  // of a tile of the outer product at most
constexpr int64_t kStrip = 16;     // its rows that lie in float32
using Vector = VectorOf<kWidth>::type;

struct Sizes {
  int64_t rows, size, r;
};

// As wide as may be, but as many for each thread; whole vectors.
int64_t columns_a_tile(int64_t size) {
  const int64_t threads = at::get_num_threads(), a_turn = threads * kColumns;
  const int64_t tiles = std::max<int64_t>(1, (size + a_turn - 1) / a_turn) * threads;
  return round_up((size + tiles - 1) / tiles, kWidth);
}

// Numbers begin .. begin + count of a tensor in float32, 0 where they are dropped.
template <class T>
TPTT_INLINE void widen(const T* x, const DropoutMask& mask, int64_t begin, int64_t count,
                       float* to) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) to[i] = load(x, begin + i);
  drop(mask, begin, to, count);
}

// sums [kAtOnce] of x [size] times the rows first .. of m [r, size]; past the end the last row.
TPTT_INLINE void dots(const float* x, const float* m, Sizes s, int64_t first, float* sums) {
  const float* rows[kAtOnce];
  for (int k = 0; k < kAtOnce; ++k) rows[k] = m + std::min(first + k, s.r - 1) * s.size;
  Vector sum[kAtOnce] = {}, xs, ms;
  int64_t i = 0;
  for (; i + kWidth <= s.size; i += kWidth) {
    load_vector<kWidth>(xs, x + i);
#pragma GCC unroll 4
    for (int k = 0; k < kAtOnce; ++k) {
      load_vector<kWidth>(ms, rows[k] + i);
      sum[k] += xs * ms;
    }
  }
#pragma GCC unroll 4
  for (int k = 0; k < kAtOnce; ++k) {
    sums[k] = sum_of<kWidth>(sum[k]);
    for (int64_t j = i; j < s.size; ++j) sums[k] += x[j] * rows[k][j];
  }
}

// Columns first .. first + N kWidth of scale h [r] m [r, size].
template <int N>
TPTT_INLINE void combine(const float* h, const float* m, Sizes s, float scale, int64_t first,
                         float* to) {
  Vector sum[N] = {}, ms;
  for (int64_t j = 0; j < s.r; ++j) {
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) {
      load_vector<kWidth>(ms, m + j * s.size + first + n * kWidth);
      sum[n] += h[j] * ms;
    }
  }
  for (int n = 0; n < N; ++n) store_vector<kWidth>(to + first + n * kWidth, sum[n] * scale);
}

// Row n of dropped(x) m^T; wide [size] is scratch.
template <class T>
TPTT_INLINE void down(const T* x, const float* m, float* h, Sizes s, const DropoutMask& mask,
                      int64_t n, float* wide) {
  widen(x, mask, n * s.size, s.size, wide);
  for (int64_t j = 0; j < s.r; j += kAtOnce) {
    float sums[kAtOnce];
    dots(wide, m, s, j, sums);
    std::copy_n(sums, std::min<int64_t>(kAtOnce, s.r - j), h + n * s.r + j);
  }
}

// Row n of y += scale dropped(h m).
template <class T>
TPTT_INLINE void up(T* y, const float* h, const float* m, Sizes s, float scale,
                    const DropoutMask& mask, int64_t n, float* wide) {
  const float* by = h + n * s.r;
  int64_t i = 0;
  for (; i + 4 * kWidth <= s.size; i += 4 * kWidth) combine<4>(by, m, s, scale, i, wide);
  for (; i + kWidth <= s.size; i += kWidth) combine<1>(by, m, s, scale, i, wide);
  for (; i < s.size; ++i) {
    float sum = 0;
    for (int64_t j = 0; j < s.r; ++j) sum += by[j] * m[j * s.size + i];
    wide[i] = sum * scale;
  }
  drop(mask, n * s.size, wide, s.size);
  T* row = y + n * s.size;
#pragma omp simd
  for (i = 0; i < s.size; ++i) store(row, i, load(row, i) + wide[i]);
}

// sums [kAtOnce rows of kColumns] += the columns first .. first + N kWidth of h^T x, for h's
// columns from j on and `rows` rows of x, wide [rows, kColumns].
template <int N>
TPTT_INLINE void add_outer(const float* h, const float* wide, int64_t rows, Sizes s, int64_t j,
                           int64_t first, float* sums) {
  Vector sum[kAtOnce][N], xs[N];
  for (int k = 0; k < kAtOnce; ++k)
    for (int n = 0; n < N; ++n)
      load_vector<kWidth>(sum[k][n], sums + k * kColumns + first + n * kWidth);
  for (int64_t row = 0; row < rows; ++row) {
    for (int n = 0; n < N; ++n)
      load_vector<kWidth>(xs[n], wide + row * kColumns + first + n * kWidth);
#pragma GCC unroll 4
    for (int k = 0; k < kAtOnce; ++k) {
      const float by = h[row * s.r + std::min(j + k, s.r - 1)];
#pragma GCC unroll 4
      for (int n = 0; n < N; ++n) sum[k][n] += by * xs[n];
    }
  }
  for (int k = 0; k < kAtOnce; ++k)
    for (int n = 0; n < N; ++n)
      store_vector<kWidth>(sums + k * kColumns + first + n * kWidth, sum[k][n]);
}

// The columns first .. first + width of h^T dropped(x), summed in `sums` [r and up to 3 more,
// kColumns].
template <class T>
TPTT_INLINE void outer(const float* h, const T* x, float* out, Sizes s, const DropoutMask& mask,
                       int64_t first, int64_t width, float* sums) {
  alignas(64) float wide[kStrip * kColumns] = {};
  std::fill(sums, sums + round_up(s.r, kAtOnce) * kColumns, 0.0F);
  for (int64_t n = 0; n < s.rows; n += kStrip) {
    const int64_t rows = std::min(kStrip, s.rows - n);
    for (int64_t k = 0; k < rows; ++k)
      widen(x, mask, (n + k) * s.size + first, width, wide + k * kColumns);
    for (int64_t j = 0; j < s.r; j += kAtOnce) {
      float* own = sums + j * kColumns;
      int64_t i = 0;
      for (; i + 4 * kWidth <= width; i += 4 * kWidth)
        add_outer<4>(h + n * s.r, wide, rows, s, j, i, own);
      for (; i < width; i += kWidth) add_outer<1>(h + n * s.r, wide, rows, s, j, i, own);
    }
  }
  for (int64_t j = 0; j < s.r; ++j)
    std::copy_n(sums + j * kColumns, width, out + j * s.size + first);
}

#define TPTT_LOW_RANK(T)                                                                           \
  TPTT_SIMD void down_rows(const T* x, const float* m, float* h, Sizes s, const DropoutMask& mask, \
                           int64_t begin, int64_t end, float* wide) {                              \
    for (int64_t n = begin; n < end; ++n) down(x, m, h, s, mask, n, wide);                         \
  }                                                                                                \
  TPTT_SIMD void up_rows(T* y, const float* h, const float* m, Sizes s, float scale,               \
                         const DropoutMask& mask, int64_t begin, int64_t end, float* wide) {       \
    for (int64_t n = begin; n < end; ++n) up(y, h, m, s, scale, mask, n, wide);                    \
  }                                                                                                \
  TPTT_SIMD void outer_columns(const float* h, const T* x, float* out, Sizes s,                    \
                               const DropoutMask& mask, int64_t first, int64_t width,              \
                               float* sums) {                                                      \
    outer(h, x, out, s, mask, first, width, sums);                                                 \
  }
TPTT_LOW_RANK(float)
TPTT_LOW_RANK(c10::BFloat16)
#undef TPTT_LOW_RANK

at::Tensor dropped(const at::Tensor& x, const DropoutMask& mask) {
  return mask.threshold == 0 ? x : x * kept_by(mask, x);
}

}  // namespace

at::Tensor low_rank_down(const at::Tensor& given, const at::Tensor& m, const DropoutMask& mask) {
  if (!has_cpu_kernel(given))
    return at::mm(dropped(given, mask), m.to(given.scalar_type()).t()).to(m.scalar_type());
  const at::Tensor x = given.contiguous(), factor = m.contiguous();
  const Sizes s{x.size(0), x.size(1), m.size(0)};
  at::Tensor h = at::empty({s.rows, s.r}, m.options().requires_grad(false));
  with_type(x, [&](auto t) {
    at::parallel_for(0, s.rows, rows_a_task(s.size), [&](int64_t begin, int64_t end) {
      std::vector<float> wide(static_cast<size_t>(s.size));
      down_rows(x.const_data_ptr<decltype(t)>(), factor.const_data_ptr<float>(),
                h.mutable_data_ptr<float>(), s, mask, begin, end, wide.data());
    });
  });
  return h;
}

void low_rank_up_(const at::Tensor& y, const at::Tensor& given, const at::Tensor& m, double scale,
                  const DropoutMask& mask) {
  if (!has_cpu_kernel(y) || !y.is_contiguous()) {
    const at::Tensor left = given.to(y.scalar_type()), right = m.to(y.scalar_type());
    if (mask.threshold == 0) {
      y.addmm_(left, right, 1, scale);
    } else {
      y.add_(dropped(at::mm(left, right), mask), scale);
    }
    return;
  }
  const at::Tensor h = given.contiguous(), factor = m.contiguous();
  const Sizes s{y.size(0), y.size(1), m.size(0)};
  with_type(y, [&](auto t) {
    at::parallel_for(0, s.rows, rows_a_task(s.size), [&](int64_t begin, int64_t end) {
      std::vector<float> wide(static_cast<size_t>(s.size));
      up_rows(y.mutable_data_ptr<decltype(t)>(), h.const_data_ptr<float>(),
              factor.const_data_ptr<float>(), s, float(scale), mask, begin, end, wide.data());
    });
  });
}

at::Tensor low_rank_outer(const at::Tensor& h, const at::Tensor& given, const DropoutMask& mask) {
  if (!has_cpu_kernel(given))
    return at::mm(h.t().to(given.scalar_type()), dropped(given, mask)).to(h.scalar_type());
  const at::Tensor x = given.contiguous(), left = h.contiguous();
  const Sizes s{x.size(0), x.size(1), h.size(1)};
  at::Tensor out = at::empty({s.r, s.size}, h.options());
  with_type(x, [&](auto t) {
    const int64_t columns = columns_a_tile(s.size);
    at::parallel_for(0, (s.size + columns - 1) / columns, 1, [&](int64_t begin, int64_t end) {
      std::vector<float> sums(static_cast<size_t>(round_up(s.r, kAtOnce) * kColumns));
      for (int64_t tile = begin; tile < end; ++tile)
        outer_columns(left.const_data_ptr<float>(), x.const_data_ptr<decltype(t)>(),
                      out.mutable_data_ptr<float>(), s, mask, tile * columns,
                      std::min(columns, s.size - tile * columns), sums.data());
    });
  });
  return out;
}

}  // namespace tptt
