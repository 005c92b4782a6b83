#pragma once

#include "trainer/train_setup.h"

namespace tptt {

/// Gives a step's gradients, whose norm is `norm`, to the optimiser, clipped as
/// training.max_grad_norm says; the first step of LoRA after attention transfer begins with fresh
/// moments. With a loss or a norm that is not finite neither weights nor
/// moments change, and the step counts as skipped. Throws Error after five such steps in a row, and
/// when the first update of a process moves nothing.
void update(TrainingSetup& setup, double loss, double norm, double learning_rate);

}  // namespace tptt
