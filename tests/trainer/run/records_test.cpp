#include "trainer/records.h"

#include <catch2/catch.hpp>

using namespace tptt;

TEST_CASE("numbers stand under the tags that TensorBoard's users know") {
  using Scalars = std::vector<std::pair<std::string, double>>;
  CHECK(tagged_scalars({.step = 3, .epoch = 0.5, .loss = 2.25, .target_tokens = 10}) ==
        Scalars{{"train/epoch", 0.5}, {"train/loss", 2.25}, {"train/target_tokens", 10}});
  CHECK(tagged_scalars({.step = 3, .epoch = 1, .target_tokens = 10, .eval_loss = 0.5}) ==
        Scalars{{"eval/epoch", 1}, {"eval/target_tokens", 10}, {"eval/loss", 0.5}});
  const LizaMetrics liza{{0.5, std::nullopt}, {1.5, 1}, {}, {3, {}}};
  CHECK(tagged_scalars({.step = 1, .liza = liza}) == Scalars{{"train/epoch", 0},
                                                             {"liza/mag_weight/layer_00", 0.5},
                                                             {"liza/softmax_rms/layer_00", 1.5},
                                                             {"liza/softmax_rms/layer_01", 1},
                                                             {"liza/state_norm/layer_00", 3}});
}
