#pragma once

#include <string>
#include <vector>

#include "models/lora.h"

namespace tptt {

struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weight_decay = 0;
};

/// AdamW with decoupled weight decay (torch.optim.AdamW's update). State lies by parameter name.
/// Gates take `gate_lr_multiplier` times the rate and no decay.
class AdamW {
 public:
  AdamW(std::vector<Trainable> parameters, AdamWOptions options, double gate_lr_multiplier);

  /// L2 norm of all gradients, summed in double.
  double grad_norm() const;
  /// One update with gradients multiplied by `grad_scale` (clipping); clears the gradients.
  void step(double learning_rate, double grad_scale);
  void zero_grad();

  /// Moments by name ("<parameter>.exp_avg", ".exp_avg_sq"), for checkpoints; shared storage.
  std::vector<std::pair<std::string, at::Tensor>> state() const;
  int64_t steps_done() const { return steps_; }
  void set_steps_done(int64_t steps) { steps_ = steps; }

 private:
  void step_group(bool gates, double learning_rate, double weight_decay);

  std::vector<Trainable> parameters_;
  std::vector<at::Tensor> exp_avg_, exp_avg_sq_;
  AdamWOptions options_;
  double gate_lr_multiplier_;
  int64_t steps_ = 0;
};

}  // namespace tptt
