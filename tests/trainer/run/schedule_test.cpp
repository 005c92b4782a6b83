#include "trainer/schedule.h"

#include <catch2/catch.hpp>
#include <cmath>

using namespace tptt;

namespace {

std::vector<double> factors(const std::string& type, double warmup, int64_t total) {
  TrainingSection training;
  training.lr_scheduler_type = type;
  training.warmup_steps = warmup;
  std::vector<double> values;
  for (int64_t k = 0; k <= total; ++k) values.push_back(lr_factor(training, k, total));
  return values;
}

void check(const std::vector<double>& got, const std::vector<double>& expected) {
  REQUIRE(got.size() == expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    INFO(i);
    CHECK(got[i] == Approx(expected[i]).margin(1e-15));
  }
}

}  // namespace

// Expected values: the lambdas of transformers/optimization.py evaluated in Python.
TEST_CASE("learning rate schedules are those of Transformers") {
  check(factors("linear", 2, 10), {0, 0.5, 1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125, 0});
  check(factors("linear", 0, 4), {1, 0.75, 0.5, 0.25, 0});
  check(factors("cosine", 2, 10),
        {0, 0.5, 1, 0.9619397662556434, 0.8535533905932737, 0.6913417161825449, 0.5,
         0.3086582838174552, 0.14644660940672627, 0.03806023374435663, 0});
  check(factors("constant", 2, 3), {1, 1, 1, 1});
  check(factors("constant_with_warmup", 2, 4), {0, 0.5, 1, 1, 1});
}

TEST_CASE("attention transfer has a schedule of its own before LoRA's") {
  Config config;
  config.training.learning_rate = 2;
  config.training.lr_scheduler_type = "linear";
  config.training.warmup_steps = 1;
  config.liza.emplace().transfer_steps = 4;
  config.liza->transfer_learning_rate = 6;
  std::vector<double> rates;
  for (int64_t step = 0; step < 9; ++step) rates.push_back(learning_rate_at(config, step, 9));
  check(rates, {6, 6, 6, 3, 0, 2, 1.5, 1, 0.5});
  CHECK(num_transfer_steps(config, 9) == 4);
  config.liza->transfer_steps = 0.5;
  CHECK(num_transfer_steps(config, 9) == 4);
  CHECK(num_transfer_steps(config, 1) == 0);
  config.liza.reset();
  CHECK(num_transfer_steps(config, 9) == 0);
  CHECK(learning_rate_at(config, 1, 9) == 2);
}

TEST_CASE("the rate ends where min_lr_ratio says") {
  TrainingSection training;
  training.min_lr_ratio = 0.1;
  for (const char* type : {"linear", "cosine", "wsd"}) {
    INFO(type);
    training.lr_scheduler_type = type;
    CHECK(lr_factor(training, 0, 50) == 1);
    CHECK(lr_factor(training, 50, 50) == Approx(0.1));
  }
  // transformers' cosine_with_min_lr, min_lr_rate 0.1, after 3 and 5 of 10 steps
  training.lr_scheduler_type = "cosine";
  CHECK(lr_factor(training, 3, 10) == Approx(0.8145033635316129));
  CHECK(lr_factor(training, 5, 10) == Approx(0.55));
}

TEST_CASE("wsd warms up, stays, and falls in the last tenth") {
  check(factors("wsd", 2, 20),
        {0, 0.5, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 - std::sqrt(0.5), 0});
}

TEST_CASE("warm-up below 1 is a fraction of all steps, rounded up") {
  TrainingSection training;
  training.warmup_steps = 0.03;
  CHECK(num_warmup_steps(training, 110) == 4);
  CHECK(num_warmup_steps(training, 100) == 3);
  training.warmup_steps = 7;
  CHECK(num_warmup_steps(training, 100) == 7);
  training.warmup_steps = 0;
  CHECK(num_warmup_steps(training, 100) == 0);
}

TEST_CASE("warm-up that is longer than training never divides by zero") {
  check(factors("linear", 4, 2), {0, 0.25, 0.5});
  check(factors("cosine", 2, 2), {0, 0.5, 1});
}

TEST_CASE("the memory's weight follows its schedule") {
  MagConfig mag;
  mag.mode = "constant";
  CHECK(mag_weight_at(mag, 0) == 0.1);
  CHECK(mag_weight_at(mag, 1000) == 0.1);
  mag.mode = "gradual";
  CHECK(mag_weight_at(mag, 0) == 0.01);
  CHECK(mag_weight_at(mag, 50) == Approx(0.255));
  CHECK(mag_weight_at(mag, 100) == Approx(0.5));
  CHECK(mag_weight_at(mag, 5000) == Approx(0.5));
  mag.mode = "cyclic";
  mag.weight_list = {0, 0.5, 1};
  for (int64_t step = 0; step < 7; ++step)
    CHECK(mag_weight_at(mag, step) == mag.weight_list[step % 3]);
  mag.mode = "switch";
  mag.mag_weight = 0.3;
  CHECK(mag_weight_at(mag, 4) == 0.3);
  CHECK(mag_weight_at(mag, 5) == 0);
}
