#include <algorithm>
#include <map>
#include <numeric>

#include "data/dataset.h"

namespace tptt {

std::vector<std::vector<int64_t>> pack_best_fit(const std::vector<Example>& examples,
                                                int64_t max_length) {
  std::vector<int64_t> order(examples.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return examples[a].ids.size() > examples[b].ids.size();
  });
  std::vector<std::vector<int64_t>> packs;
  std::multimap<int64_t, size_t> room;  // tokens left -> pack
  for (const int64_t index : order) {
    const int64_t length = int64_t(examples[index].ids.size());
    const auto fit = room.lower_bound(length);
    size_t pack = packs.size();
    int64_t left = max_length;
    if (fit == room.end()) {
      packs.emplace_back();
    } else {
      left = fit->first;
      pack = fit->second;
      room.erase(fit);
    }
    packs[pack].push_back(index);
    room.emplace(left - length, pack);
  }
  return packs;
}

}  // namespace tptt
