#include "trainer/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace tptt {

namespace {

// A number of steps, or a share of all of them made whole.
int64_t whole_steps(double steps, int64_t total_steps, double (*rounded)(double)) {
  return std::llround(
      std::min(steps >= 1 ? steps : rounded(steps * static_cast<double>(total_steps)), 1e18));
}

// wsd: the share of the steps in which the rate falls.
constexpr double kDecayShare = 0.1;

double ratio(int64_t part, int64_t whole) {
  return static_cast<double>(part) / static_cast<double>(std::max<int64_t>(whole, 1));
}

// From 1 to 0 over the steps after the warm-up.
double decay(const std::string& type, int64_t steps_done, int64_t warmup, int64_t total_steps) {
  if (type == "linear") return std::max(0.0, ratio(total_steps - steps_done, total_steps - warmup));
  if (type == "cosine") {
    const double progress = ratio(steps_done - warmup, total_steps - warmup);
    return std::max(0.0, 0.5 * (1 + std::cos(std::numbers::pi * progress)));
  }
  const auto length =
      std::max<int64_t>(1, std::llround(kDecayShare * static_cast<double>(total_steps)));
  const double progress = ratio(steps_done - (total_steps - length), length);
  return 1 - std::sqrt(std::clamp(progress, 0.0, 1.0));
}

}  // namespace

int64_t num_warmup_steps(const TrainingSection& training, int64_t total_steps) {
  return whole_steps(training.warmup_steps, total_steps, std::ceil);
}

double lr_factor(const TrainingSection& training, int64_t steps_done, int64_t total_steps) {
  const std::string& type = training.lr_scheduler_type;
  if (type == "constant") return 1;
  const int64_t warmup = num_warmup_steps(training, total_steps);
  if (steps_done < warmup) return ratio(steps_done, warmup);
  if (type == "constant_with_warmup") return 1;
  const double factor = decay(type, steps_done, warmup, total_steps);
  return training.min_lr_ratio + (1 - training.min_lr_ratio) * factor;
}

double learning_rate_at(const Config& config, int64_t step, int64_t total_steps) {
  const TrainingSection& t = config.training;
  const int64_t transfers = num_transfer_steps(config, total_steps);
  if (step < transfers)
    return config.liza->transfer_learning_rate *
           std::min(1.0, 2 * ratio(transfers - step, transfers));
  return t.learning_rate * lr_factor(t, step - transfers, total_steps - transfers);
}

int64_t num_transfer_steps(const Config& config, int64_t total_steps) {
  return config.liza ? whole_steps(config.liza->transfer_steps, total_steps, std::floor) : 0;
}

bool mag_alternates(const MagConfig& mag) {
  return mag.mode == "cyclic" || mag.mode == "switch";
}

double mag_weight_at(const MagConfig& mag, int64_t steps_done) {
  if (mag.mode == "cyclic")
    return mag.weight_list[static_cast<size_t>(steps_done) % mag.weight_list.size()];
  if (mag.mode == "switch") return steps_done % 2 == 0 ? mag.mag_weight : 0;
  if (mag.mode != "gradual") return mag.mag_weight;
  const double ramp = static_cast<double>(steps_done) / static_cast<double>(mag.transition_step);
  return mag.initial_weight + (mag.final_weight - mag.initial_weight) * std::min(ramp, 1.0);
}

}  // namespace tptt
