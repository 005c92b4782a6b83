#include <algorithm>
#include <catch2/catch.hpp>

#include "data/dataset.h"
#include "models/formats/error.h"
#include "models/philox.h"

using namespace tptt;

namespace {

std::vector<Example> examples_of(const std::vector<int64_t>& lengths) {
  std::vector<Example> examples;
  for (const int64_t length : lengths)
    examples.push_back({TokenIds(length, 1), std::vector<bool>(length)});
  return examples;
}

}  // namespace

TEST_CASE("packs take every example once and keep to the length") {
  std::vector<int64_t> lengths;
  for (uint64_t i = 0; i < 1000; ++i) lengths.push_back(1 + int64_t(philox4x32(1, 0, i)[0] % 384));
  const auto packs = pack_best_fit(examples_of(lengths), 384);
  std::vector<int64_t> seen;
  int64_t total = 0;
  for (const auto& pack : packs) {
    int64_t sum = 0;
    for (const int64_t i : pack) sum += lengths[i];
    CHECK(sum <= 384);
    CHECK_FALSE(pack.empty());
    total += sum;
    seen.insert(seen.end(), pack.begin(), pack.end());
  }
  std::sort(seen.begin(), seen.end());
  CHECK(seen == epoch_order(1000, 0, 0, false));
  CHECK(double(total) / double(384 * packs.size()) > 0.98);
}

TEST_CASE("each example goes where it leaves least room") {
  using Packs = std::vector<std::vector<int64_t>>;
  CHECK(pack_best_fit(examples_of({3, 7, 5, 3, 2}), 10) == Packs{{1, 0}, {2, 3, 4}});
  CHECK(pack_best_fit(examples_of({10, 10}), 10) == Packs{{0}, {1}});
  CHECK(pack_best_fit({}, 10).empty());
}

TEST_CASE("an example longer than a pack is refused") {
  CHECK_THROWS_AS(pack_best_fit(examples_of({4, 11}), 10), Error);
}
