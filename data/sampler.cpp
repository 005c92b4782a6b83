#include <algorithm>
#include <cmath>
#include <numeric>

#include "data/dataset.h"
#include "models/formats/error.h"
#include "models/philox.h"

namespace tptt {
namespace {

// Shuffles that are no epoch's.
constexpr int64_t kHeldOut = -1, kFirstFile = -2;

constexpr int64_t kBatchesInGroup = 50;

// The first `taken` items of a shuffle, in their own order.
std::vector<int64_t> draw(int64_t count, int64_t taken, uint64_t seed, int64_t stream) {
  std::vector<int64_t> order = epoch_order(count, seed, stream, true);
  order.resize(size_t(taken));
  std::sort(order.begin(), order.end());
  return order;
}

}  // namespace

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

std::vector<int64_t> length_grouped_order(const std::vector<int64_t>& lengths, int64_t batch_size,
                                          uint64_t seed, int64_t epoch) {
  const int64_t count = int64_t(lengths.size());
  std::vector<int64_t> order = epoch_order(count, seed, epoch, true);
  const int64_t batches = std::clamp<int64_t>(count / (batch_size * 4), 1, kBatchesInGroup);
  const int64_t group = batches * batch_size;
  for (int64_t begin = 0; begin < count; begin += group)
    std::stable_sort(order.begin() + begin, order.begin() + std::min(begin + group, count),
                     [&](int64_t a, int64_t b) { return lengths[a] > lengths[b]; });
  return order;
}

std::vector<bool> held_out_rows(int64_t count, double eval_split, uint64_t seed) {
  const double share =
      eval_split < 1 ? std::max(1.0, std::round(double(count) * eval_split)) : eval_split;
  if (share >= double(count))
    throw UsageError("data.eval_split holds out " + std::to_string(int64_t(share)) + " of " +
                     std::to_string(count) + " rows; expected some to be left to train on");
  std::vector<bool> held_out(size_t(count), false);
  for (const int64_t row : draw(count, int64_t(share), seed, kHeldOut))
    held_out[size_t(row)] = true;
  return held_out;
}

std::vector<int64_t> weighted_rows(int64_t count, double weight, uint64_t seed, int64_t file) {
  const int64_t whole = int64_t(weight);
  const auto part = int64_t(std::round((weight - double(whole)) * double(count)));
  std::vector<int64_t> rows;
  for (int64_t time = 0; time < whole; ++time)
    for (int64_t row = 0; row < count; ++row) rows.push_back(row);
  const std::vector<int64_t> more = draw(count, part, seed, kFirstFile - file);
  rows.insert(rows.end(), more.begin(), more.end());
  return rows;
}

}  // namespace tptt
