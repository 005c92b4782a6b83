#include "models/linear.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/custom_class.h>

namespace tptt {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
using OptionalTensor = std::optional<at::Tensor>;

OptionalTensor optional(const at::Tensor& x) {
  return x.defined() ? OptionalTensor(x) : std::nullopt;
}

at::Tensor frozen_forward(const at::Tensor& x, const FrozenWeight& weight, const at::Tensor& bias) {
  const at::Tensor y = times_transposed(x, weight);
  return bias.defined() ? y + bias : y;
}

// LoRA's dropout; without a key nothing is dropped.
struct Drop {
  Dropout key;
  double p = 0;
  uint64_t module = 0;

  at::Tensor operator()(const at::Tensor& x) const { return key ? dropped(x, p, *key, module) : x; }
  void add_to(const at::Tensor& to, const at::Tensor& x) const {
    add_dropped_(to, x, p, *key, module);
  }
};

// What a product needs besides the tensors that learn; the graph holds it until the backward.
struct Frozen : torch::CustomClassHolder {
  FrozenWeight weight;
  at::Tensor bias;
  Drop drop;
  at::Tensor all_a, all_b;  // with PiSSA's beginning; the first r rows and columns learn
  at::Tensor row_norms;     // DoRA
  double scaling = 1;       // with dropout's 1 / (1 - p) in it
};

void hold(AutogradContext* ctx, const c10::intrusive_ptr<Frozen>& frozen) {
  ctx->saved_data["frozen"] = c10::IValue::make_capsule(frozen);
}

c10::intrusive_ptr<Frozen> held_by(AutogradContext* ctx) {
  return c10::static_intrusive_pointer_cast<Frozen>(ctx->saved_data["frozen"].toCapsule());
}

// x W^T of packed blocks.
struct PackedLinear : torch::autograd::Function<PackedLinear> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x,
                            const c10::intrusive_ptr<Frozen>& frozen) {
    hold(ctx, frozen);
    return times_transposed(x, frozen->weight);
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    return {times(grads[0].contiguous(), held_by(ctx)->weight), {}};
  }
};

// y = x W^T + bias + scaling * dropped(x) A^T B^T, one node: no sum of two [N, out] results, no
// gradient for W. With DoRA each column of y - bias is multiplied by magnitude / row norm, which
// counts as a constant (section 4.3 of the paper).
struct LoraLinear : torch::autograd::Function<LoraLinear> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& a,
                            const at::Tensor& b, const OptionalTensor& magnitude,
                            const c10::intrusive_ptr<Frozen>& held) {
    const Frozen& frozen = *held;
    const auto type = x.scalar_type();
    const bool dora = magnitude.has_value();
    const at::Tensor h = at::mm(frozen.drop(x), frozen.all_a.to(type).t());  // [N, r]
    at::Tensor y = frozen_forward(x, frozen.weight, dora ? at::Tensor() : frozen.bias);
    y.addmm_(h, frozen.all_b.to(type).t(), 1, frozen.scaling);
    at::Tensor direction, factor;
    if (dora) {
      direction = y;
      factor = *magnitude / frozen.row_norms;  // [out]
      y = y * factor.to(type);
      if (frozen.bias.defined()) y.add_(frozen.bias);
    }
    ctx->save_for_backward({x, a, b, h, direction, factor});
    hold(ctx, held);
    return y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &x = saved[0], &h = saved[3], &direction = saved[4], &factor = saved[5];
    const auto held = held_by(ctx);
    const Frozen& frozen = *held;
    const double scaling = frozen.scaling;
    const int64_t r = saved[1].size(0);
    const auto type = x.scalar_type();
    at::Tensor g = grads[0].contiguous(), grad_magnitude;
    if (direction.defined()) {
      grad_magnitude = (g * direction).sum(0, false, at::kFloat).div_(frozen.row_norms);
      g = g * factor.to(type);
    }
    const at::Tensor gh = at::mm(g, frozen.all_b.to(type)).mul_(scaling);  // [N, r]
    const at::Tensor grad_a = at::mm(gh.narrow(1, 0, r).t(), frozen.drop(x)).to(at::kFloat);
    const at::Tensor grad_b = at::mm(g.t(), h.narrow(1, 0, r)).to(at::kFloat).mul_(scaling);
    at::Tensor grad_x;
    if (ctx->needs_input_grad(0)) {
      grad_x = times(g, frozen.weight);
      const at::Tensor all_a = frozen.all_a.to(type);
      if (frozen.drop.key) {
        frozen.drop.add_to(grad_x, at::mm(gh, all_a));
      } else {
        grad_x.addmm_(gh, all_a);
      }
    }
    return {grad_x, grad_a, grad_b, grad_magnitude, {}};
  }
};

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

at::Tensor Linear::forward(const at::Tensor& x, const Dropout& dropout) const {
  if (trained) {
    const auto type = x.scalar_type();
    return at::linear(x, weight.dense.to(type), bias.defined() ? bias.to(type) : bias);
  }
  if (!lora && !weight.packed()) return frozen_forward(x, weight, bias);
  const auto frozen = c10::make_intrusive<Frozen>();
  frozen->weight = weight;
  if (!lora) {
    const at::Tensor y = PackedLinear::apply(x, frozen);
    return bias.defined() ? y + bias : y;
  }
  frozen->bias = bias;
  frozen->all_a = lora->all_a().detach();
  frozen->all_b = lora->all_b().detach();
  frozen->scaling = lora->scaling;
  if (dropout && lora->dropout > 0) {
    frozen->drop = {dropout, lora->dropout, lora->module};
    frozen->scaling /= 1 - lora->dropout;
  }
  if (lora->magnitude.defined()) frozen->row_norms = adapted_row_norms(weight, *lora);
  return LoraLinear::apply(x, lora->a, lora->b, optional(lora->magnitude), frozen);
}

}  // namespace tptt
