#include "models/kernels/pooled_gate.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>

#include "models/kernels/dispatch.h"
#include "models/kernels/simd.h"

namespace tptt {
namespace {

constexpr int64_t kPool = 3;

TPTT_SIMD void gate_row(const float* a, const float* b, const float* c, float* y, int64_t size) {
#pragma omp simd
  for (int64_t i = 0; i < size; ++i)
    y[i] = sigmoid_simd((a[i] + b[i] + c[i]) * (1.0F / float(kPool)));
}

// to += weight / 3 times the gradient by the pooled sum's third.
TPTT_SIMD void add_row(const float* g, const float* gate, float weight, float* to, int64_t size) {
#pragma omp simd
  for (int64_t i = 0; i < size; ++i)
    to[i] += weight / float(kPool) * g[i] * gate[i] * (1 - gate[i]);
}

}  // namespace

at::Tensor pooled_gate(const at::Tensor& x) {
  const int64_t length = x.size(2), size = x.size(3);
  const RowOffsets offset(x);
  at::Tensor y = at::empty(x.sizes(), x.options());
  const float* all = x.const_data_ptr<float>();
  float* to = y.mutable_data_ptr<float>();
  at::parallel_for(0, x.numel() / size, rows_a_task(size), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const auto token = [&](int64_t back) {
        return all + offset(row - std::min(back, row % length));
      };
      gate_row(token(2), token(1), token(0), to + row * size, size);
    }
  });
  return y;
}

at::Tensor pooled_gate_backward(const at::Tensor& given, const at::Tensor& gate) {
  const at::Tensor g = given.contiguous();
  const int64_t length = gate.size(2), size = gate.size(3);
  at::Tensor out = at::empty(gate.sizes(), gate.options());
  const float *gs = g.const_data_ptr<float>(), *gates = gate.const_data_ptr<float>();
  float* to = out.mutable_data_ptr<float>();
  at::parallel_for(
      0, gate.size(0) * gate.size(1) * length, rows_a_task(size), [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) {
          const int64_t t = row % length, last = std::min(t + kPool, length);
          std::fill_n(to + row * size, size, 0.0F);
          for (int64_t later = t; later < last; ++later) {
            const int64_t at = (row - t + later) * size;
            const float times =
                t == 0 ? float(kPool - later) : 1;  // the first stands for those before
            add_row(gs + at, gates + at, times, to + row * size, size);
          }
        }
      });
  return out;
}

}  // namespace tptt
