#include <algorithm>
#include <map>
#include <numeric>

#include "data/dataset.h"
#include "models/formats/error.h"

namespace tptt {

std::vector<std::vector<int64_t>> pack_best_fit(const std::vector<Example>& examples,
                                                int64_t max_length) {
  const auto length = [&](int64_t i) { return int64_t(examples[i].ids.size()); };
  std::vector<int64_t> order(examples.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return length(a) > length(b); });
  std::vector<std::vector<int64_t>> packs;
  std::multimap<int64_t, size_t> room;  // tokens left -> pack; equal ones stay in order
  for (const int64_t index : order) {
    if (length(index) > max_length)
      throw Error("example " + std::to_string(index) + " has " + std::to_string(length(index)) +
                  " tokens, expected at most the pack length " + std::to_string(max_length));
    auto fit = room.lower_bound(length(index));
    if (fit == room.end()) {
      fit = room.emplace(max_length, packs.size());
      packs.emplace_back();
    }
    const auto [left, pack] = *fit;
    room.erase(fit);
    packs[pack].push_back(index);
    room.emplace(left - length(index), pack);
  }
  return packs;
}

}  // namespace tptt
