#pragma once

#include <optional>
#include <string>
#include <vector>

#include "models/lora.h"
#include "trainer/train_data.h"

namespace tptt {

/// Stops a run whose adapter does not move: what frozen inputs under gradient checkpointing, a
/// learning rate of the wrong size or a missing gradient look like (peft #137, #1142).
class FirstUpdate {
 public:
  explicit FirstUpdate(const std::vector<Trainable>& parameters);
  /// Throws Error when no parameter has another value than at the construction.
  void check(double learning_rate) const;

 private:
  const std::vector<Trainable>& parameters_;
  std::vector<at::Tensor> before_;
};

/// What is suspicious about the first loss: far above ln(vocab_size), the loss of knowing nothing.
std::optional<std::string> first_loss_warning(double loss, int64_t vocab_size);

/// A warning when no target is one of the model's end tokens, so that an answer never learns to
/// end.
std::optional<std::string> eos_warning(const std::vector<Example>& train,
                                       const std::vector<int64_t>& eos_token_id);

}  // namespace tptt
