#include "trainer/evaluate/paired.h"

#include <catch2/catch.hpp>
#include <cmath>

using namespace tptt;

namespace {

using Losses = std::vector<ExampleLoss>;

// Losses of 400 examples of one token: sums around `mean`, spread evenly over [-1, 1].
Losses spread(double mean) {
  Losses losses;
  for (int i = 0; i < 400; ++i) losses.push_back({mean + 2.0 * i / 399 - 1, 1});
  return losses;
}

}  // namespace

TEST_CASE("the mean loss weighs every token alike") {
  CHECK(mean_loss({{2, 1}, {10, 4}}) == Approx(2.4));
  CHECK(mean_loss({}) == 0);
}

TEST_CASE("the interval is that of the mean change") {
  const Losses before(400, {3, 1});
  const auto interval = loss_change_interval(before, spread(2), 42).value();
  // The change has mean -1 and deviation 0.577: its mean's normal interval is 1.96 * 0.577 / 20.
  CHECK(interval.first == Approx(-1 - 0.0566).margin(0.006));
  CHECK(interval.second == Approx(-1 + 0.0566).margin(0.006));
  CHECK(loss_change_interval(before, spread(2), 42) == interval);
  CHECK(loss_change_interval(before, spread(2), 43) != interval);
}

TEST_CASE("a change that all examples share is certain, however they differ") {
  Losses after = spread(5);
  for (ExampleLoss& loss : after) loss.sum -= 2;
  const auto interval = loss_change_interval(spread(5), after, 1).value();
  CHECK(interval.first == Approx(-2));
  CHECK(interval.second == Approx(-2));
}

TEST_CASE("lists that give no interval") {
  CHECK_FALSE(loss_change_interval({{1, 1}}, {{1, 1}}, 1));
  CHECK_FALSE(loss_change_interval({{1, 1}, {1, 1}}, {{1, 1}}, 1));
  CHECK_FALSE(loss_change_interval({{1, 1}, {1, 1}}, {{1, 1}, {1, 2}}, 1));
  CHECK_FALSE(loss_change_interval({{1, 1}, {NAN, 1}}, {{1, 1}, {1, 1}}, 1));
}

TEST_CASE("paired scores differ by their mean, with McNemar's exact test") {
  std::vector<double> first(20, 0), second(20, 0);
  for (int i = 0; i < 9; ++i) second[size_t(i)] = 1;
  first[10] = 1;
  const PairedDifference d = paired_difference(first, second);
  CHECK(d.first == Approx(0.05));
  CHECK(d.difference == Approx(0.4));
  CHECK(d.only_first == 1);
  CHECK(d.only_second == 9);
  CHECK(d.p_value == Approx(22.0 / 1024));  // 2 (C(10, 0) + C(10, 1)) / 2^10
  // sd of nine 1, one -1 and ten 0
  CHECK(d.standard_error == Approx(std::sqrt((10 - 20 * 0.16) / 19 / 20)));
  CHECK(paired_difference(first, first).p_value == 1);
}
