#pragma once

#include <cstdint>

#include "models/liza/liza_config.h"
#include "trainer/config.h"

namespace tptt {

/// Steps of warm-up: training.warmup_steps itself, or rounded up from a fraction of all steps.
int64_t num_warmup_steps(const TrainingSection& training, int64_t total_steps);

/// The learning rate of optimiser step `step` (from 0) of `total_steps`: lr_factor's over the steps
/// after those of attention transfer; in these the memory's, whole for half of them, then falling
/// to 0.
double learning_rate_at(const Config& config, int64_t step, int64_t total_steps);

/// How many of the first optimiser steps are of attention transfer: liza.transfer_steps itself, or
/// rounded down from a share of all steps.
int64_t num_transfer_steps(const Config& config, int64_t total_steps);

/// Factor on learning_rate for the optimiser step after `steps_done` ones; the formulas of
/// Transformers' get_scheduler for linear, cosine (with min_lr_ratio cosine_with_min_lr), constant
/// and constant_with_warmup; wsd falls as 1 - sqrt (arXiv 2405.18392).
double lr_factor(const TrainingSection& training, int64_t steps_done, int64_t total_steps);

/// The memory's weight after `steps_done` optimiser steps (docs/liza.md); with mode learned, where
/// the gates start.
double mag_weight_at(const MagConfig& mag, int64_t steps_done);

/// Whether the weight goes to and fro (cyclic, switch): then every reader outside a training step
/// uses mag_weight.
bool mag_alternates(const MagConfig& mag);

}  // namespace tptt
