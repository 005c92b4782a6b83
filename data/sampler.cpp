#include <numeric>

#include "data/dataset.h"
#include "models/philox.h"

namespace tptt {

std::vector<int64_t> epoch_order(int64_t count, uint64_t seed, int64_t epoch, bool shuffle) {
  std::vector<int64_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  if (!shuffle) return order;
  for (int64_t i = count - 1; i > 0; --i) {
    const auto words = philox4x32(seed, uint64_t(epoch), uint64_t(i));
    const uint64_t bits = uint64_t(words[1]) << 32 | words[0];
    std::swap(order[i], order[int64_t(bits % uint64_t(i + 1))]);  // Fisher-Yates
  }
  return order;
}

}  // namespace tptt
