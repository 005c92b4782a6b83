#include <algorithm>
#include <catch2/catch.hpp>

#include "data/dataset.h"
#include "models/formats/error.h"
#include "models/philox.h"

using namespace tptt;

// Random123's known answers for philox4x32-10.
TEST_CASE("philox gives Random123's known answers") {
  using Words = std::array<uint32_t, 4>;
  CHECK(philox4x32(0, 0, 0) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox4x32(~0ull, ~0ull, ~0ull) == Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
}

TEST_CASE("an epoch's order is a permutation that follows from seed and epoch alone") {
  const auto order = epoch_order(1000, 7, 3, true);
  CHECK(order == epoch_order(1000, 7, 3, true));
  CHECK(order != epoch_order(1000, 7, 4, true));
  CHECK(order != epoch_order(1000, 8, 3, true));
  auto sorted = order;
  std::sort(sorted.begin(), sorted.end());
  CHECK(sorted == epoch_order(1000, 7, 3, false));
  CHECK(epoch_order(0, 7, 3, true).empty());
  CHECK(epoch_order(1, 7, 3, true) == std::vector<int64_t>{0});
}

TEST_CASE("the order is the same on every machine") {
  CHECK(epoch_order(8, 42, 1, true) == std::vector<int64_t>{2, 3, 6, 4, 1, 5, 0, 7});
}

TEST_CASE("every item comes first about as often") {
  std::vector<int> first(10);
  for (int64_t epoch = 0; epoch < 10000; ++epoch) ++first[epoch_order(10, 1, epoch, true)[0]];
  for (const int count : first) {
    CHECK(count > 850);
    CHECK(count < 1150);
  }
}

TEST_CASE("grouping by length is a permutation that follows from seed and epoch alone") {
  std::vector<int64_t> lengths;
  for (uint64_t i = 0; i < 1000; ++i) lengths.push_back(1 + int64_t(philox4x32(3, 0, i)[0] % 384));
  const auto order = length_grouped_order(lengths, 8, 7, 3);
  CHECK(order == length_grouped_order(lengths, 8, 7, 3));
  CHECK(order != length_grouped_order(lengths, 8, 7, 4));
  CHECK(order != length_grouped_order(lengths, 8, 8, 3));
  auto sorted = order;
  std::sort(sorted.begin(), sorted.end());
  CHECK(sorted == epoch_order(1000, 0, 0, false));
  const auto spread = [&](const std::vector<int64_t>& items) {
    int64_t sum = 0;  // of the differences within batches
    for (size_t begin = 0; begin < items.size(); begin += 8) {
      const auto [low, high] = std::minmax_element(
          items.begin() + begin, items.begin() + begin + 8,
          [&](int64_t a, int64_t b) { return lengths[size_t(a)] < lengths[size_t(b)]; });
      sum += lengths[size_t(*high)] - lengths[size_t(*low)];
    }
    return sum;
  };
  CHECK(spread(order) * 10 < spread(epoch_order(1000, 7, 3, true)));
  CHECK(length_grouped_order({}, 8, 7, 3).empty());
  CHECK(length_grouped_order({1, 3, 2}, 8, 7, 3) == std::vector<int64_t>{1, 2, 0});
}

TEST_CASE("held-out rows are a fraction or a count and follow from the seed") {
  const auto held_out = held_out_rows(100, 0.25, 7);
  CHECK(std::count(held_out.begin(), held_out.end(), true) == 25);
  CHECK(held_out == held_out_rows(100, 0.25, 7));
  CHECK(held_out != held_out_rows(100, 0.25, 8));
  const auto ten = held_out_rows(100, 10, 7), one = held_out_rows(100, 0.001, 7);
  CHECK(std::count(ten.begin(), ten.end(), true) == 10);
  CHECK(std::count(one.begin(), one.end(), true) == 1);
  CHECK_THROWS_AS(held_out_rows(10, 10, 7), UsageError);
  CHECK_THROWS_AS(held_out_rows(1, 0.5, 7), UsageError);
}

TEST_CASE("a weight repeats rows and draws from them") {
  const std::vector<int64_t> all = epoch_order(10, 0, 0, false);
  CHECK(weighted_rows(10, 1, 7, 0) == all);
  const auto half = weighted_rows(100, 0.5, 7, 0);
  CHECK(half.size() == 50);
  CHECK(std::is_sorted(half.begin(), half.end()));
  CHECK(std::adjacent_find(half.begin(), half.end()) == half.end());
  CHECK(half == weighted_rows(100, 0.5, 7, 0));
  CHECK(half != weighted_rows(100, 0.5, 8, 0));
  CHECK(half != weighted_rows(100, 0.5, 7, 1));
  const auto more = weighted_rows(10, 2.3, 7, 0);
  CHECK(more.size() == 23);
  for (const int64_t row : all) CHECK(std::count(more.begin(), more.end(), row) >= 2);
  CHECK(weighted_rows(10, 0.01, 7, 0).empty());
}
