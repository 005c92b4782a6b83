#include "trainer/adamw.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <map>

namespace tptt {

AdamW::AdamW(std::vector<Trainable> parameters, AdamWOptions options)
    : parameters_(std::move(parameters)), options_(options) {
  for (const Trainable& p : parameters_) {
    exp_avg_.push_back(at::zeros_like(p.tensor));
    exp_avg_sq_.push_back(at::zeros_like(p.tensor));
  }
}

double AdamW::grad_norm() const {
  at::Tensor total;  // stays on the device: one wait for all parameters
  for (const Trainable& p : parameters_) {
    if (!p.tensor.grad().defined()) continue;
    const at::Tensor sum = p.tensor.grad().square().sum(at::kDouble);
    total = total.defined() ? total + sum : sum;
  }
  return total.defined() ? std::sqrt(total.item<double>()) : 0;
}

void AdamW::step(double learning_rate, double grad_scale, bool one_rate) {
  c10::AutoGradMode no_grad(false);
  ++steps_;
  std::map<std::pair<double, bool>, std::vector<size_t>> groups;  // by multiplier, and gates or not
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const Trainable& p = parameters_[i];
    at::Tensor grad = p.tensor.grad();
    if (!grad.defined()) continue;
    if (grad_scale != 1) grad.mul_(grad_scale);
    groups[{multiplier(p, one_rate), p.kind == TrainableKind::gate}].push_back(i);
  }
  for (const auto& [kind, group] : groups)
    step_group(group, learning_rate * kind.first, /*gates=*/kind.second);
  zero_grad();
}

double AdamW::multiplier(const Trainable& p, bool one_rate) const {
  if (one_rate) return 1;
  if (p.kind == TrainableKind::gate)
    return p.tensor.dim() > 1 ? options_.memory_lr_multiplier : options_.gate_lr_multiplier;
  const bool with_b = p.kind == TrainableKind::lora_b || p.tensor.dim() == 1;
  return with_b ? options_.loraplus_lr_ratio : 1;
}

void AdamW::step_group(const std::vector<size_t>& group, double learning_rate, bool gates) {
  std::vector<at::Tensor> params, grads, avg, avg_sq, steps;
  for (const size_t i : group) {
    const at::Tensor& p = parameters_[i].tensor;
    params.push_back(p);
    grads.push_back(p.grad());
    avg.push_back(exp_avg_[i]);
    avg_sq.push_back(exp_avg_sq_[i]);
    steps.push_back(at::full({}, double(steps_), p.options().requires_grad(false)));
  }
  at::_fused_adamw_(params, grads, avg, avg_sq, {}, steps, learning_rate, options_.beta1,
                    options_.beta2, gates ? 0 : options_.weight_decay, options_.epsilon, false,
                    false);
  // The fused update does not count as a change, which DoRA's cached norms are told by.
  for (const at::Tensor& p : params) p.unsafeGetTensorImpl()->bump_version();
}

void AdamW::restart() {
  steps_ = 0;
  for (auto* all : {&exp_avg_, &exp_avg_sq_})
    for (at::Tensor& moments : *all) moments.zero_();
}

void AdamW::zero_grad() {
  for (Trainable& p : parameters_) p.tensor.mutable_grad() = at::Tensor();
}

std::vector<std::pair<std::string, at::Tensor>> AdamW::state() const {
  std::vector<std::pair<std::string, at::Tensor>> state;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    state.emplace_back(parameters_[i].name + ".exp_avg", exp_avg_[i]);
    state.emplace_back(parameters_[i].name + ".exp_avg_sq", exp_avg_sq_[i]);
  }
  return state;
}

}  // namespace tptt
