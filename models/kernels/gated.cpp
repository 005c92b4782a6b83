#include "models/kernels/gated.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/gelu_backward.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/silu_backward.h>

#include "models/kernels/dispatch.h"
#include "models/kernels/simd.h"

namespace tptt {
namespace {

// silu(x) = x s with s = sigmoid(x), and its slope s (1 + x (1 - s)).
template <class T>
TPTT_INLINE void forward(const T* gate, const T* up, T* y, int64_t size) {
#pragma omp simd
  for (int64_t i = 0; i < size; ++i) {
    const float x = load(gate, i);
    store(y, i, x * sigmoid_simd(x) * load(up, i));
  }
}

template <class T>
TPTT_INLINE void backward(const T* g, const T* gate, const T* up, T* dgate, T* dup, int64_t size) {
#pragma omp simd
  for (int64_t i = 0; i < size; ++i) {
    const float x = load(gate, i), s = sigmoid_simd(x), gi = load(g, i);
    store(dup, i, gi * x * s);
    store(dgate, i, gi * load(up, i) * s * (1 + x * (1 - s)));
  }
}

#define TPTT_GATED(T)                                                                   \
  TPTT_SIMD void forward_row(const T* gate, const T* up, T* y, int64_t size) {          \
    forward(gate, up, y, size);                                                         \
  }                                                                                     \
  TPTT_SIMD void backward_row(const T* g, const T* gate, const T* up, T* dgate, T* dup, \
                              int64_t size) {                                           \
    backward(g, gate, up, dgate, dup, size);                                            \
  }
TPTT_GATED(float)
TPTT_GATED(c10::BFloat16)
#undef TPTT_GATED

bool is_silu(const std::string& act) {
  return act == "silu" || act == "swish";
}

bool has_kernel(const at::Tensor& gate, const at::Tensor& up, const std::string& act) {
  return is_silu(act) && has_cpu_kernel(gate) && gate.dim() == 2 && gate.stride(1) == 1 &&
         up.stride(1) == 1;
}

const char* gelu_approximation(const std::string& act) {
  return act == "gelu" ? "none" : "tanh";  // gelu_new, gelu_pytorch_tanh
}

at::Tensor activate_backward(const at::Tensor& g, const at::Tensor& x, const std::string& act) {
  if (is_silu(act)) return at::silu_backward(g, x);
  if (act == "relu") return g * x.gt(0);
  return at::gelu_backward(g, x, gelu_approximation(act));
}

}  // namespace

at::Tensor activate(const at::Tensor& x, const std::string& act) {
  if (is_silu(act)) return at::silu(x);
  return act == "relu" ? at::relu(x) : at::gelu(x, gelu_approximation(act));
}

at::Tensor gated_forward(const at::Tensor& gate, const at::Tensor& up, const std::string& act) {
  if (!has_kernel(gate, up, act)) return activate(gate, act).mul_(up);
  const int64_t rows = gate.size(0), size = gate.size(1);
  at::Tensor y = at::empty({rows, size}, gate.options());
  with_type(gate, [&](auto t) {
    using T = decltype(t);
    at::parallel_for(0, rows, rows_a_task(size), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row)
        forward_row(gate.const_data_ptr<T>() + row * gate.stride(0),
                    up.const_data_ptr<T>() + row * up.stride(0),
                    y.mutable_data_ptr<T>() + row * size, size);
    });
  });
  return y;
}

std::pair<at::Tensor, at::Tensor> gated_backward(const at::Tensor& given, const at::Tensor& gate,
                                                 const at::Tensor& up, const std::string& act) {
  if (!has_kernel(gate, up, act))
    return {activate_backward(given * up, gate, act), activate(gate, act).mul_(given)};
  const int64_t rows = gate.size(0), size = gate.size(1);
  const at::Tensor g = given.contiguous();
  at::Tensor dgate = at::empty({rows, size}, gate.options()), dup = at::empty_like(dgate);
  with_type(gate, [&](auto t) {
    using T = decltype(t);
    at::parallel_for(0, rows, rows_a_task(size), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row)
        backward_row(
            g.const_data_ptr<T>() + row * size, gate.const_data_ptr<T>() + row * gate.stride(0),
            up.const_data_ptr<T>() + row * up.stride(0), dgate.mutable_data_ptr<T>() + row * size,
            dup.mutable_data_ptr<T>() + row * size, size);
    });
  });
  return {dgate, dup};
}

}  // namespace tptt
