#include "models/kernels/few_rows.h"

#include <ATen/EmptyTensor.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "models/kernels/dispatch.h"
#include "models/kernels/narrow.h"
#include "models/kernels/vectors.h"

namespace tptt {
namespace {

constexpr int64_t kMostRows = 4;
constexpr int kWidth = 16;
constexpr int kSums = 4;          // that do not wait for each other
constexpr int64_t kAhead = 4096;  // bytes: what the machine foresees by itself comes later

// x [rows, in] and a matrix of `out` rows.
struct Product {
  const float* x;
  int64_t rows, in, out;
};

template <class T>
TPTT_INLINE float dot(const float* x, const T* w, int64_t in) {
  using Vector = VectorOf<kWidth>::type;
  Vector sum[kSums] = {}, xs, ws;
  int64_t i = 0;
  for (; i + kSums * kWidth <= in; i += kSums * kWidth) {
#pragma GCC unroll 4
    for (int n = 0; n < kSums; ++n) {
      const int64_t at = i + n * kWidth;
      if (n * kWidth * int(sizeof(T)) % 64 == 0) __builtin_prefetch((const char*)(w + at) + kAhead);
      load_vector<kWidth>(xs, x + at);
      load_vector<kWidth>(ws, w + at);
      sum[n] += xs * ws;
    }
  }
  for (; i + kWidth <= in; i += kWidth) {
    load_vector<kWidth>(xs, x + i);
    load_vector<kWidth>(ws, w + i);
    sum[0] += xs * ws;
  }
  float y = sum_of<kWidth>((sum[0] + sum[1]) + (sum[2] + sum[3]));
  for (; i < in; ++i) y += x[i] * load(w, i);
  return y;
}

template <class W, class T>
TPTT_INLINE void multiply(const Product& p, const W* weight, T* y, int64_t begin, int64_t end) {
  for (int64_t o = begin; o < end; ++o)
    for (int64_t r = 0; r < p.rows; ++r)
      store(y, r * p.out + o, dot(p.x + r * p.in, weight + o * p.in, p.in));
}

#define TPTT_MULTIPLY(W, T)                                                            \
  TPTT_SIMD void multiply_rows(const Product& p, const W* weight, T* y, int64_t begin, \
                               int64_t end) {                                          \
    multiply(p, weight, y, begin, end);                                                \
  }
TPTT_MULTIPLY(float, float)
TPTT_MULTIPLY(c10::BFloat16, c10::BFloat16)
#undef TPTT_MULTIPLY

void store_rows(const float* from, int64_t count, float* to) {
  std::copy_n(from, count, to);
}

void store_rows(const float* from, int64_t count, c10::BFloat16* to) {
  to_bfloat16(from, count, to);
}

template <class T>
void multiply_blocks(const Product& p, const FrozenWeight& weight, T* y, int64_t begin,
                     int64_t end) {
  const uint8_t* rows = weight.blocks.const_data_ptr<uint8_t>() + begin * weight.blocks.size(1);
  std::vector<float> sums(size_t(end - begin));
  for (int64_t r = 0; r < p.rows; ++r) {
    info_of(weight.type)
        .dot_rows(reinterpret_cast<const std::byte*>(rows), end - begin, p.x + r * p.in, p.in,
                  sums.data());
    store_rows(sums.data(), end - begin, y + r * p.out + begin);
  }
}

// x in float32. ATen's conversion takes as long as reading the weights of a small layer.
struct Wide {
  explicit Wide(const at::Tensor& x) : kept(x.contiguous()) {
    if (x.scalar_type() == at::kFloat) {
      data = kept.const_data_ptr<float>();
      return;
    }
    copy.resize(size_t(x.numel()));
    const auto* from = kept.const_data_ptr<c10::BFloat16>();
    for (int64_t i = 0; i < x.numel(); ++i) copy[size_t(i)] = load(from, i);
    data = copy.data();
  }

  at::Tensor kept;
  std::vector<float> copy;
  const float* data;
};

}  // namespace

bool has_few_rows(const at::Tensor& x, const FrozenWeight& weight) {
  return !c10::GradMode::is_enabled() && x.dim() == 2 && x.size(0) <= kMostRows &&
         has_cpu_kernel(x) && (weight.packed() || weight.dense.is_contiguous());
}

std::vector<at::Tensor> few_rows_mm(const at::Tensor& x,
                                    const std::vector<const FrozenWeight*>& weights) {
  std::vector<at::Tensor> ys;
  int64_t all = 0;
  for (const FrozenWeight* weight : weights) {
    ys.push_back(at::detail::empty_cpu({x.size(0), weight->rows()}, x.options()));
    all += weight->rows();
  }
  const Wide wide(x);
  const auto multiply_part = [&](size_t i, int64_t begin, int64_t end, auto t) {
    using T = decltype(t);
    if (begin >= end) return;
    const FrozenWeight& weight = *weights[i];
    const Product p{wide.data, x.size(0), x.size(1), weight.rows()};
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
