#include "models/kv_cache.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

#include <algorithm>

#include "models/host_tensor.h"

namespace tptt {
namespace {

// Rows `from` .. `end` of x [G, rows, D] to the slots from `slot` on.
void copy_rows(const at::Tensor& slots, int64_t slot, const at::Tensor& x, int64_t from,
               int64_t end) {
  if (from < end) slots.narrow(1, slot, end - from).copy_(x.narrow(1, from, end - from));
}

// What a sequence of `length` tokens keeps in slots [G, slots, D], oldest first.
at::Tensor in_order(const at::Tensor& slots, int64_t length, const AttentionWindow& window) {
  const int64_t count = slots.size(1);
  if (length <= count) return slots.narrow(1, 0, length);
  const int64_t oldest = next_slot(length, window);
  return at::cat({slots.narrow(1, 0, window.sinks), slots.narrow(1, oldest, count - oldest),
                  slots.narrow(1, window.sinks, oldest - window.sinks)},
                 1);
}

}  // namespace

void keep_sequences(DecodeCache& cache, const std::vector<int64_t>& sequences) {
  if (cache.layers.empty()) return;
  const at::Tensor index = host_tensor(sequences, cache.layers[0].k.device());
  for (LayerCache& layer : cache.layers)
    for (at::Tensor* kept : {&layer.k, &layer.v, &layer.liza.memory, &layer.liza.last_q,
                             &layer.liza.last_k, &layer.liza.last_v})
      if (kept->defined()) *kept = kept->index_select(0, index);
  std::vector<int64_t> lengths;
  for (const int64_t s : sequences) lengths.push_back(cache.lengths[size_t(s)]);
  cache.lengths = std::move(lengths);
}

int64_t next_slot(int64_t length, const AttentionWindow& window) {
  if (window.length == 0 || length < window.sinks) return length;
  return window.sinks + (length - window.sinks) % window.length;
}

WithPast with_past(const at::Tensor& slots, const at::Tensor& x, const AttentionWindow& window,
                   const Past& past, const SegmentGroup& group) {
  std::vector<at::Tensor> kept;
  WithPast out;
  for (const int64_t s : group.sequences) {
    const int64_t row = past.sequences[size_t(s)];
    kept.push_back(in_order(slots[row], past.cache->lengths[size_t(row)], window));
    out.before.push_back(kept.back().size(1));
  }
  const int64_t most = *std::max_element(out.before.begin(), out.before.end());
  out.x = at::empty({x.size(0), x.size(1), most + x.size(2), x.size(3)}, x.options());
  for (size_t i = 0; i < kept.size(); ++i) {
    const at::Tensor row = out.x[int64_t(i)];
    copy_rows(row, 0, kept[i], 0, out.before[i]);
    copy_rows(row, out.before[i], x[int64_t(i)], 0, x.size(2));
    row.narrow(1, out.before[i] + x.size(2), most - out.before[i]).zero_();
  }
  return out;
}

void store_sequence(const at::Tensor& slots, const at::Tensor& x, int64_t rows, int64_t length,
                    const AttentionWindow& window) {
  if (window.length == 0) return copy_rows(slots, 0, x, 0, length);
  const int64_t missing = length - rows;
  copy_rows(slots, 0, x, 0, std::min(length, window.sinks));
  for (int64_t p = std::max(window.sinks, length - window.length); p < length;) {
    const int64_t slot = (p - window.sinks) % window.length;
    const int64_t end = std::min(length, p + window.length - slot);
    copy_rows(slots, window.sinks + slot, x, p - missing, end - missing);
    p = end;
  }
}

}  // namespace tptt
