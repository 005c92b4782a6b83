#include "trainer/schedule.h"

#include <algorithm>
#include <cmath>

namespace tptt {

int64_t warmup_count(double warmup_steps, int64_t total_steps) {
  return int64_t(std::ceil(warmup_steps < 1 ? warmup_steps * double(total_steps) : warmup_steps));
}

double lr_factor(const std::string& type, int64_t done, int64_t warmup, int64_t total) {
  if (type == "constant") return 1;
  if (done < warmup) return double(done) / double(std::max<int64_t>(1, warmup));
  if (type == "constant_with_warmup") return 1;
  const double progress = double(done - warmup) / double(std::max<int64_t>(1, total - warmup));
  if (type == "cosine") return std::max(0.0, 0.5 * (1 + std::cos(M_PI * progress)));
  return std::max(0.0, 1 - progress);
}

double mag_schedule(const MagConfig& mag, int64_t done) {
  if (mag.mode != "gradual") return mag.mag_weight;
  const double part = std::min(1.0, double(done) / double(mag.transition_step));
  return mag.initial_weight + (mag.final_weight - mag.initial_weight) * part;
}

}  // namespace tptt
