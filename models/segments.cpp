#include "models/segments.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>

#include <algorithm>
#include <numeric>

#include "models/host_tensor.h"

namespace tptt {
namespace {

std::vector<std::vector<int64_t>> group_by_length(const std::vector<int64_t>& lengths,
                                                  bool padding) {
  const auto [low, high] = std::minmax_element(lengths.begin(), lengths.end());
  std::vector<int64_t> order(lengths.size());
  std::iota(order.begin(), order.end(), 0);
  if (*low == *high) return {order};
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return lengths[a] > lengths[b]; });
  std::vector<std::vector<int64_t>> groups;
  int64_t longest = 0, tokens = 0;
  for (const int64_t s : order) {
    const int64_t padded = longest * (groups.empty() ? 0 : int64_t(groups.back().size()) + 1);
    const bool close = padding ? padded * 3 <= (tokens + lengths[s]) * 4 : lengths[s] == longest;
    if (groups.empty() || !close) {
      groups.emplace_back();
      longest = lengths[s];
      tokens = 0;
    }
    groups.back().push_back(s);
    tokens += lengths[s];
  }
  return groups;
}

}  // namespace

SegmentLayout make_layout(const std::vector<int64_t>& lengths, const at::Device& device,
                          bool padding) {
  SegmentLayout layout;
  layout.lengths = lengths;
  std::vector<int64_t> starts;
  for (const int64_t length : lengths) {
    starts.push_back(layout.num_tokens);
    layout.num_tokens += length;
  }
  std::vector<int64_t> scatter(layout.num_tokens);
  int64_t row = 0;
  for (const auto& members : group_by_length(lengths, padding)) {
    SegmentGroup group;
    group.sequences = members;
    group.length = lengths[members.front()];
    bool full = true;
    std::vector<int64_t> gather, sizes;
    for (const int64_t s : members) {
      full &= lengths[s] == group.length;
      sizes.push_back(lengths[s]);
      for (int64_t t = 0; t < group.length; ++t, ++row) {
        gather.push_back(starts[s] + std::min(t, lengths[s] - 1));
        if (t < lengths[s]) scatter[starts[s] + t] = row;
      }
    }
    group.gather = host_tensor(gather, device);
    if (!full) group.lengths = host_tensor(sizes, device);
    layout.groups.push_back(std::move(group));
  }
  layout.scatter = host_tensor(scatter, device);
  layout.uniform = layout.groups.size() == 1 && !layout.groups[0].lengths.defined();
  return layout;
}

at::Tensor to_padded(const at::Tensor& x, const SegmentLayout& layout, const SegmentGroup& group) {
  std::vector<int64_t> shape{int64_t(group.sequences.size()), group.length};
  shape.insert(shape.end(), x.sizes().begin() + 1, x.sizes().end());
  return (layout.uniform ? x : x.index_select(0, group.gather)).view(shape);
}

at::Tensor from_padded(const std::vector<at::Tensor>& blocks, const SegmentLayout& layout) {
  if (layout.uniform) return blocks[0].flatten(0, 1);
  std::vector<at::Tensor> rows;
  for (const auto& block : blocks) rows.push_back(block.flatten(0, 1));
  return (rows.size() == 1 ? rows[0] : at::cat(rows)).index_select(0, layout.scatter);
}

}  // namespace tptt
