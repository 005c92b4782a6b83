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
  const int64_t transfers = num_transfer_steps(s.config, s.total_steps);
  const bool transfer = s.state.step < transfers;
  // LoRA begins with moments of its own: those of no step would make its first updates too large.
  if (transfers > 0 && s.state.step == transfers) s.optimizer->restart();
  if (!std::isfinite(loss) || !std::isfinite(norm)) return skip(s);
  s.state.skipped_in_a_row = 0;
  const double limit = s.config.training.max_grad_norm;
  std::optional<FirstUpdate> first;
  const auto parameters = trainables(*s.model);
  // A transfer step moves nothing where the window hides nothing.
  if (!s.moved && learning_rate > 0 && !transfer) first.emplace(parameters);
  s.optimizer->step(learning_rate, limit > 0 && norm > limit ? limit / (norm + 1e-6) : 1,
                    /*one_rate=*/transfer);
  if (first) first->check(learning_rate);
  s.moved |= learning_rate > 0 && !transfer;
}

}  // namespace tptt
