#pragma once

#include <cstdint>
#include <string>

#include "models/liza/liza_config.h"

namespace tptt {

/// Warm-up in steps: values below 1 are a fraction of all steps.
int64_t warmup_count(double warmup_steps, int64_t total_steps);

/// Learning-rate factor of the update after `done` updates (Transformers' get_scheduler).
double lr_factor(const std::string& type, int64_t done, int64_t warmup, int64_t total);

/// Scheduled weight of the memory after `done` updates (constant, gradual; docs/liza.md).
double mag_schedule(const MagConfig& mag, int64_t done);

}  // namespace tptt
