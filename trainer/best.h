#pragma once

#include <cstdint>
#include <limits>

#include "models/formats/json.h"
#include "trainer/config.h"

namespace tptt {

/// The best evaluation so far (training.metric_for_best_model: eval_loss, lower is better).
struct Best {
  double eval_loss = std::numeric_limits<double>::infinity();
  int64_t step = -1;        // of that evaluation; -1: none yet
  int64_t evals_since = 0;  // without a better one
};

/// Takes the evaluation of a step; true when it is the best. One that is not finite never is.
bool take_evaluation(Best& best, double eval_loss, int64_t step);

/// Whether training.early_stopping_patience evaluations in a row brought nothing better.
bool stops_early(const Best& best, const TrainingSection& training);

/// For trainer.json, and back; a file without it is one from before the first evaluation.
Json to_json(const Best& best);
Best best_from_json(const Json& state, const std::string& where);

/// Whether an evaluation or a checkpoint (`strategy`: no, steps, epoch) is due after step `step`;
/// with `every` 0 steps means at the end only.
bool is_due(const std::string& strategy, int64_t every, int64_t step, int64_t steps_per_epoch,
            bool last);

}  // namespace tptt
