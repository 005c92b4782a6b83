#pragma once

#include <string>
#include <vector>

#include "models/lora.h"

namespace tptt {

struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weight_decay = 0;
  double gate_lr_multiplier = 1;    // gates take that times the rate, and no decay
  double memory_lr_multiplier = 1;  // the same of what else a memory learns
  double loraplus_lr_ratio = 1;     // LoRA+ (arXiv 2402.12354): B's rate over A's
};

/// AdamW with decoupled weight decay (torch.optim.AdamW's update). State lies by parameter name.
/// With LoRA+ what PEFT's create_loraplus_optimizer counts with B (every vector) has B's rate;
/// embeddings keep the base rate.
class AdamW {
 public:
  AdamW(std::vector<Trainable> parameters, AdamWOptions options);

  /// L2 norm of all gradients, summed in double.
  double grad_norm() const;
  /// One update with gradients multiplied by `grad_scale` (clipping); clears the gradients. With
  /// `one_rate` no kind of parameter has a rate of its own.
  void step(double learning_rate, double grad_scale, bool one_rate = false);
  void zero_grad();

  /// Moments by name ("<parameter>.exp_avg", ".exp_avg_sq"), for checkpoints; shared storage.
  std::vector<std::pair<std::string, at::Tensor>> state() const;
  /// Forgets moments and steps.
  void restart();
  int64_t steps_done() const { return steps_; }
  void set_steps_done(int64_t steps) { steps_ = steps; }

 private:
  // What a parameter's learning rate is multiplied by.
  double multiplier(const Trainable& p, bool one_rate) const;
  void step_group(const std::vector<size_t>& group, double learning_rate, bool gates);

  std::vector<Trainable> parameters_;
  std::vector<at::Tensor> exp_avg_, exp_avg_sq_;
  AdamWOptions options_;
  int64_t steps_ = 0;
};

}  // namespace tptt
