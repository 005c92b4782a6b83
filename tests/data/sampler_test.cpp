#include <algorithm>
#include <catch2/catch.hpp>

#include "data/dataset.h"
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
