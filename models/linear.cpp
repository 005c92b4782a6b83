#include "models/linear.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/custom_class.h>

#include <algorithm>

#include "models/kernels/low_rank.h"

namespace tptt {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// What a product needs besides its input and what learns.
struct Frozen {
  FrozenWeight weight;
  at::Tensor bias;
  bool has_lora = false;
  DropoutMask mask;
  at::Tensor all_a, all_b;  // with PiSSA's beginning; the first r rows and columns learn
  int64_t r = 0;
  at::Tensor row_norms;  // DoRA
  double scaling = 1;    // with dropout's 1 / (1 - p) in it
};

// Products of one input, held by the graph until the backward.
struct Products : torch::CustomClassHolder {
  std::vector<Frozen> all;
};

// What the backward of one product reads again.
struct Kept {
  at::Tensor h;                  // [N, r], dropped(x) A^T, float32
  at::Tensor direction, factor;  // DoRA: [N, out] before its factors [out]
};

std::vector<at::Tensor> frozen_products(const at::Tensor& x, const Products& products) {
  std::vector<const FrozenWeight*> weights;
  for (const Frozen& f : products.all) weights.push_back(&f.weight);
  return times_transposed(x, weights);
}

// y = x W^T, which is given, + bias + scaling * dropped(x) A^T B^T. With DoRA each column of y -
// bias is multiplied by magnitude / row norm, which counts as a constant (section 4.3 of the
// paper).
at::Tensor product(at::Tensor y, const at::Tensor& x, const Frozen& f, const at::Tensor& magnitude,
                   Kept& kept) {
  const auto type = x.scalar_type();
  if (f.has_lora) {
    kept.h = low_rank_down(x, f.all_a, f.mask);
    low_rank_up_(y, kept.h, f.all_b.t(), f.scaling);
  }
  if (magnitude.defined()) {
    kept.direction = y;
    kept.factor = magnitude / f.row_norms;
    y = y * kept.factor.to(type);
  }
  return f.bias.defined() ? y.add_(f.bias) : y;
}

// The gradients of a, b and the magnitude. The one of x, where `wanted`, is added to grad_x, which
// is undefined before the first.
variable_list product_backward(at::Tensor g, const at::Tensor& x, const Frozen& f, const Kept& kept,
                               bool wanted, at::Tensor& grad_x) {
  variable_list grads;
  at::Tensor grad_magnitude;
  if (kept.direction.defined()) {
    grad_magnitude = (g * kept.direction).sum(0, false, at::kFloat).div_(f.row_norms);
    g = g * kept.factor.to(g.scalar_type());
  }
  if (wanted && grad_x.defined()) {
    add_times_(grad_x, g, f.weight);
  } else if (wanted) {
    grad_x = times(g, f.weight);
  }
  if (!f.has_lora) return grads;
  const at::Tensor gh = low_rank_down(g, f.all_b.t()).mul_(f.scaling);  // [N, r]
  grads.push_back(low_rank_outer(gh.narrow(1, 0, f.r), x, f.mask));
  grads.push_back(low_rank_outer(kept.h.narrow(1, 0, f.r), g).mul_(f.scaling).t());
  if (grad_magnitude.defined()) grads.push_back(grad_magnitude);
  if (wanted) low_rank_up_(grad_x, gh, f.all_a, 1, f.mask);
  return grads;
}

// One node for all products of an input: its gradient is summed by the products themselves, there
// is none for the weights, and the input is kept only where an adapter needs it.
struct SharedInput : torch::autograd::Function<SharedInput> {
  static variable_list forward(AutogradContext* ctx, const at::Tensor& x, at::TensorList learned,
                               const c10::intrusive_ptr<Products>& products) {
    variable_list results = frozen_products(x, *products),
                  saved{learned.empty() ? at::Tensor() : x};
    size_t next = 0;
    for (size_t i = 0; i < results.size(); ++i) {
      const Frozen& f = products->all[i];
      Kept kept;
      const bool dora = f.row_norms.defined();
      results[i] = product(results[i], x, f, dora ? learned[next + 2] : at::Tensor(), kept);
      next += f.has_lora ? (dora ? 3 : 2) : 0;
      for (const at::Tensor& part : {kept.h, kept.direction, kept.factor}) saved.push_back(part);
    }
    ctx->save_for_backward(saved);
    ctx->saved_data["products"] = c10::IValue::make_capsule(products);
    return results;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const auto products =
        c10::static_intrusive_pointer_cast<Products>(ctx->saved_data["products"].toCapsule());
    const bool wanted = ctx->needs_input_grad(0);
    at::Tensor grad_x;
    variable_list all{at::Tensor()};
    for (size_t i = 0; i < products->all.size(); ++i) {
      const Kept kept{saved[1 + 3 * i], saved[2 + 3 * i], saved[3 + 3 * i]};
      for (at::Tensor& grad : product_backward(grads[i].contiguous(), saved[0], products->all[i],
                                               kept, wanted, grad_x))
        all.push_back(std::move(grad));
    }
    all[0] = grad_x;
    all.emplace_back();
    return all;
  }
};

Frozen frozen_of(const Linear& linear, const Dropout& dropout) {
  Frozen f;
  f.weight = linear.weight;
  f.bias = linear.bias;
  if (!linear.lora) return f;
  const Lora& lora = *linear.lora;
  f.has_lora = true;
  f.all_a = lora.all_a().detach();
  f.all_b = lora.all_b().detach();
  f.r = lora.a.size(0);
  f.scaling = lora.scaling;
  if (dropout && lora.dropout > 0) {
    f.mask = mask_of(lora.dropout, *dropout, lora.module);
    f.scaling /= 1 - lora.dropout;
  }
  if (lora.magnitude.defined()) f.row_norms = adapted_row_norms(linear.weight, lora);
  return f;
}

at::Tensor trained_forward(const Linear& linear, const at::Tensor& x) {
  const auto type = x.scalar_type();
  const at::Tensor& bias = linear.bias;
  return at::linear(x, linear.weight.dense.to(type), bias.defined() ? bias.to(type) : bias);
}

}  // namespace

at::Tensor Lora::all_a() const {
  return initial_a.defined() ? at::cat({a, initial_a}, 0) : a;
}

at::Tensor Lora::all_b() const {
  return initial_b.defined() ? at::cat({b, -initial_b}, 1) : b;
}

Linear make_linear(const std::string& name, int64_t in, int64_t out, bool bias) {
  Linear linear;
  linear.name = name;
  linear.in = in;
  linear.out = out;
  linear.has_bias = bias;
  return linear;
}

at::Tensor squared_row_norms(const at::Tensor& weight) {
  return weight.to(at::kFloat).square().sum(1);
}

// ||w + s b A||^2 = ||w||^2 + 2 s b . (A w) + s^2 ||b A||^2, whose terms have r columns, not in.
at::Tensor adapted_row_norms(const FrozenWeight& weight, const Lora& lora) {
  Lora::NormCache& cache = *lora.norm_cache;
  const auto a_version = uint32_t(lora.a._version()), b_version = uint32_t(lora.b._version());
  if (cache.norms.defined() && cache.a_version == a_version && cache.b_version == b_version)
    return cache.norms;
  c10::AutoGradMode no_grad(false);
  const at::Tensor a = lora.all_a(), b = lora.all_b();
  const auto type = weight.packed() ? at::kFloat : weight.dense.scalar_type();
  const at::Tensor cross = times_transposed(a.to(type), weight).t().to(at::kFloat);  // [out, r]
  const at::Tensor gram = at::mm(a, a.t());                                          // [r, r]
  const at::Tensor update = (at::mm(b, gram) * b).sum(1) * (lora.scaling * lora.scaling);
  const at::Tensor squares = lora.weight_norm + (cross * b).sum(1) * (2 * lora.scaling) + update;
  cache = {squares.clamp_min(0).sqrt(), a_version, b_version};
  return cache.norms;
}

at::Tensor merged_weight(const at::Tensor& weight, const Lora& lora) {
  c10::AutoGradMode no_grad(false);
  at::Tensor merged = weight.to(at::kFloat) + at::mm(lora.all_b(), lora.all_a()) * lora.scaling;
  if (lora.magnitude.defined())
    merged.mul_((lora.magnitude / squared_row_norms(merged).sqrt()).unsqueeze(1));
  return merged;
}

std::vector<at::Tensor> forward_all(const std::vector<const Linear*>& linears, const at::Tensor& x,
                                    const Dropout& dropout) {
  std::vector<at::Tensor> results;
  const bool learns = c10::GradMode::is_enabled();
  if (linears.size() == 1 && linears[0]->trained) return {trained_forward(*linears[0], x)};
  if (std::any_of(linears.begin(), linears.end(), [](const Linear* l) { return l->trained; })) {
    for (const Linear* linear : linears) results.push_back(linear->forward(x, dropout));
    return results;
  }
  const auto products = c10::make_intrusive<Products>();
  std::vector<at::Tensor> learned;
  for (const Linear* linear : linears) {
    products->all.push_back(frozen_of(*linear, dropout));
    if (!linear->lora) continue;
    learned.insert(learned.end(), {linear->lora->a, linear->lora->b});
    if (linear->lora->magnitude.defined()) learned.push_back(linear->lora->magnitude);
  }
  if (learns) return SharedInput::apply(x, at::TensorList(learned), products);
  results = frozen_products(x, *products);
  for (size_t i = 0; i < linears.size(); ++i) {
    const auto& lora = linears[i]->lora;
    Kept kept;
    results[i] =
        product(results[i], x, products->all[i], lora ? lora->magnitude : at::Tensor(), kept);
  }
  return results;
}

at::Tensor Linear::forward(const at::Tensor& x, const Dropout& dropout) const {
  return forward_all({this}, x, dropout)[0];
}

}  // namespace tptt
