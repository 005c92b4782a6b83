#include "trainer/best.h"

#include <catch2/catch.hpp>

using namespace tptt;

TEST_CASE("the best evaluation is kept, and patience counts those that are not") {
  TrainingSection training;
  training.early_stopping_patience = 2;
  Best best;
  CHECK(take_evaluation(best, 2.0, 10));
  CHECK(take_evaluation(best, 1.5, 20));
  CHECK_FALSE(take_evaluation(best, 1.5, 30));
  CHECK_FALSE(stops_early(best, training));
  const Best again = best_from_json({{"best", to_json(best)}}, "trainer.json");
  CHECK((again.step == 20 && again.evals_since == 1 && again.eval_loss == 1.5));
  CHECK_FALSE(take_evaluation(best, std::numeric_limits<double>::quiet_NaN(), 40));
  CHECK(stops_early(best, training));
  training.early_stopping_patience = 0;
  CHECK_FALSE(stops_early(best, training));
  CHECK(best_from_json(Json::object(), "trainer.json").step == -1);
  CHECK(to_json(Best()).is_null());
}

TEST_CASE("evaluations and checkpoints come when their strategy says") {
  CHECK_FALSE(is_due("no", 1, 10, 5, true));
  CHECK(is_due("steps", 4, 8, 5, false));
  CHECK_FALSE(is_due("steps", 4, 9, 5, false));
  CHECK_FALSE(is_due("steps", 0, 8, 5, false));
  CHECK(is_due("steps", 0, 8, 5, true));
  CHECK(is_due("epoch", 0, 10, 5, false));
  CHECK_FALSE(is_due("epoch", 3, 9, 5, false));
}
