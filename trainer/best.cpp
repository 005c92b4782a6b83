#include "trainer/best.h"

namespace tptt {

bool take_evaluation(Best& best, double eval_loss, int64_t step) {
  if (eval_loss < best.eval_loss) {
    best = {eval_loss, step, 0};
    return true;
  }
  ++best.evals_since;
  return false;
}

bool stops_early(const Best& best, const TrainingSection& training) {
  return training.early_stopping_patience > 0 &&
         best.evals_since >= training.early_stopping_patience;
}

Json to_json(const Best& best) {
  if (best.step < 0) return nullptr;
  return {{"eval_loss", best.eval_loss}, {"step", best.step}, {"evals_since", best.evals_since}};
}

Best best_from_json(const Json& state, const std::string& where) {
  if (!state.contains("best") || state["best"].is_null()) return {};
  const Json& best = state["best"];
  return {json_number(best, "eval_loss", where), json_int(best, "step", where),
          json_int(best, "evals_since", where)};
}

bool is_due(const std::string& strategy, int64_t every, int64_t step, int64_t steps_per_epoch,
            bool last) {
  if (strategy == "no") return false;
  return last ||
         (strategy == "epoch" ? step % steps_per_epoch == 0 : every > 0 && step % every == 0);
}

}  // namespace tptt
