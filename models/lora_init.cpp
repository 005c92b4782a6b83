#include "models/lora_init.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_qr.h>
#include <ATen/ops/linalg_svd.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>

#include <cmath>

#include "models/formats/error.h"

namespace tptt {
namespace {

at::Tensor normal(at::IntArrayRef shape, at::Generator& generator) {
  return at::empty(shape, at::kFloat).normal_(0, 1, generator);
}

// B A is an orthogonal product at the start that is not zero: odd and even rows of one rotation.
void init_orthogonal(Lora& lora, int64_t r, const Linear& linear, at::Generator& generator) {
  if (r % 2 != 0)
    throw UsageError("lora.init_lora_weights: orthogonal needs an even r, got " +
                     std::to_string(r));
  const at::Tensor q = std::get<0>(at::linalg_qr(normal({r, r}, generator)));
  const at::Tensor odd = q.slice(0, 0, r, 2), even = q.slice(0, 1, r, 2);  // [r / 2, r]
  lora.a = at::mm(normal({linear.in, r / 2}, generator), odd).t().contiguous().div_(10);
  lora.b = at::mm(normal({linear.out, r / 2}, generator), even).div_(10);
}

struct Svd {
  at::Tensor u, s, v;  // [out, r], [r], [r, in]
};

// The largest r singular triplets by power iteration on a random subspace (Halko et al. 2011).
Svd low_rank_svd(const at::Tensor& w, int64_t r, int64_t iterations, at::Generator& generator) {
  at::Tensor q =
      std::get<0>(at::linalg_qr(at::mm(w, normal({w.size(1), r}, generator).to(w.device()))));
  for (int64_t i = 0; i < iterations; ++i) {
    q = std::get<0>(at::linalg_qr(at::mm(w.t(), q)));
    q = std::get<0>(at::linalg_qr(at::mm(w, q)));
  }
  const auto [u, s, v] = at::linalg_svd(at::mm(q.t(), w), /*full_matrices=*/false);
  return {at::mm(q, u), s, v};
}

// PiSSA: A and B hold the largest singular values, the weight keeps the rest.
void init_pissa(Lora& lora, int64_t r, const std::string& init, const Linear& linear,
                at::Generator& generator) {
  const at::Tensor w = to_dense(linear.weight, at::kFloat).detach();
  if (r > std::min(linear.in, linear.out))
    throw UsageError("lora.init_lora_weights: " + init + " needs r of at most " +
                     std::to_string(std::min(linear.in, linear.out)) + " for '" + linear.name +
                     "', got " + std::to_string(r));
  Svd svd;
  if (init == "pissa") {
    const auto [u, s, v] = at::linalg_svd(w, /*full_matrices=*/false);
    svd = {u.narrow(1, 0, r), s.narrow(0, 0, r), v.narrow(0, 0, r)};
  } else {
    svd = low_rank_svd(w, r, std::stoll(init.substr(init.rfind('_') + 1)), generator);
  }
  const at::Tensor root = (svd.s / lora.scaling).sqrt();  // [r]
  lora.a = (root.unsqueeze(1) * svd.v).contiguous();
  lora.b = (svd.u * root).contiguous();
  lora.initial_a = lora.a.clone();
  lora.initial_b = lora.b.clone();
}

}  // namespace

void init_lora(Lora& lora, int64_t r, const LoraConfig& config, const Linear& linear,
               at::Generator& generator) {
  const std::string& init = config.init_lora_weights;
  if (init.starts_with("pissa")) return init_pissa(lora, r, init, linear, generator);
  if (init == "orthogonal") return init_orthogonal(lora, r, linear, generator);
  const double bound = 1.0 / std::sqrt(double(linear.in));  // Kaiming-uniform with a = sqrt(5)
  lora.a = init == "gaussian"
               ? normal({r, linear.in}, generator).div_(double(r))
               : at::empty({r, linear.in}, at::kFloat).uniform_(-bound, bound, generator);
  lora.b = at::zeros({linear.out, r}, at::kFloat);
}

}  // namespace tptt
