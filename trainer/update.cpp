#include "trainer/update.h"

#include <cmath>

#include "models/formats/error.h"
#include "trainer/guard.h"
#include "trainer/log.h"
#include "trainer/schedule.h"

namespace tptt {
namespace {

constexpr int64_t kMaxSkippedInARow = 5;

void skip(TrainingSetup& s) {
  s.optimizer->zero_grad();
  log_warning("step " + std::to_string(s.state.step + 1) +
              ": loss or gradient is not finite; skipped");
  if (++s.state.skipped_in_a_row >= kMaxSkippedInARow)
    throw Error("loss or gradient was not finite for " + std::to_string(s.state.skipped_in_a_row) +
                " steps in a row; lower training.learning_rate");
}

}  // namespace

void update(TrainingSetup& s, double loss, double norm, double learning_rate) {
  if (!std::isfinite(loss) || !std::isfinite(norm)) return skip(s);
  s.state.skipped_in_a_row = 0;
  const double limit = s.config.training.max_grad_norm;
  std::optional<FirstUpdate> first;
  const auto parameters = trainables(*s.model);
  const bool transfer = is_transfer_step(s.config, s.state.step);  // nothing may be hidden in it
  if (!s.moved && learning_rate > 0 && !transfer) first.emplace(parameters);
  s.optimizer->step(learning_rate, limit > 0 && norm > limit ? limit / (norm + 1e-6) : 1);
  if (first) first->check(learning_rate);
  s.moved |= learning_rate > 0 && !transfer;
}

}  // namespace tptt
