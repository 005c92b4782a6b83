#include "trainer/progress.h"

#include <catch2/catch.hpp>

using namespace tptt;

namespace {
const MetricsRow kRow = {
    .step = 10, .loss = 2.31, .learning_rate = 1e-3, .mag_weight = 0.1, .tokens_per_second = 812};
}

TEST_CASE("the plain line") {
  CHECK(progress_text(100, kRow, 62) ==
        "step 10/100 loss 2.31 lr 1.0e-03 mu 0.100 812 tok/s eta 1:02");
  CHECK(progress_text(100, {.step = 1}, -1) == "step 1/100");
  CHECK(progress_text(9, {.step = 1}, 3725) == "step 1/9 eta 1:02:05");
}

TEST_CASE("the bar fits 80 columns") {
  CHECK(progress_bar(100, kRow, 62) ==
        "[#...............] step 10/100 loss 2.31 lr 1.0e-03 mu 0.100 812 tok/s eta 1:02");
  MetricsRow wide = kRow;
  wide.step = 123456789012;
  wide.loss = -1.2345e-300;
  wide.tokens_per_second = 1e15;
  for (const double eta : {-1.0, 0.0, 1e5, 1e300}) {
    CHECK(progress_bar(223456789012, wide, eta).size() < 80);
    CHECK(progress_bar(0, kRow, eta).size() < 80);
  }
}
