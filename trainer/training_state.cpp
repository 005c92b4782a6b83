#include "trainer/training_state.h"

namespace tptt {

std::string to_json_text(const TrainingState& state) {
  const Json json = {{"step", state.step},
                     {"optimizer_steps", state.optimizer_steps},
                     {"skipped_in_a_row", state.skipped_in_a_row},
                     {"micro_batches", state.micro_batches},
                     {"eval_loss_before", state.eval_loss_before},
                     {"best", to_json(state.best)}};
  return json.dump(2) + "\n";
}

TrainingState training_state_from_json(const std::string& text, const std::string& where) {
  const Json json = parse_json(text, where);
  TrainingState state;
  state.step = json_int(json, "step", where);
  state.optimizer_steps = json_int(json, "optimizer_steps", where);
  state.skipped_in_a_row = json_int(json, "skipped_in_a_row", where, 0);
  state.micro_batches = json_int(json, "micro_batches", where, 0);
  state.eval_loss_before = json_number(json, "eval_loss_before", where, 0.0);
  state.best = best_from_json(json, where);
  return state;
}

}  // namespace tptt
