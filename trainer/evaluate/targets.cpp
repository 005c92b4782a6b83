#include "trainer/evaluate/targets.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "models/host_tensor.h"

namespace tptt {
namespace {

// Of logits at a time: few enough that memory does not depend on how many rows are scored.
constexpr int64_t kChunkBytes = 12 << 20;
constexpr int64_t kFewestRows = 32;  // the head is read once for each chunk
constexpr int64_t kFloatRows = 16;   // of a chunk that are looked at in float32 at a time

int64_t chunk_rows(const CausalLM& model, const at::Tensor& hidden) {
  const int64_t row = model.config.vocab_size * hidden.element_size();
  return std::max(kFewestRows, kChunkBytes / row / kFloatRows * kFloatRows);
}

// Of rows on the model's device.
struct RowScores {
  std::vector<at::Tensor> sums, best;  // [R] each: log of the sum of exp, the greatest's index
  std::vector<at::Tensor> chosen;      // [R's targets]

  // Logits [R, V] and where in them, row by row, the targets are.
  void add(const at::Tensor& logits, const std::vector<int64_t>& places) {
    const at::Tensor wide = logits.to(at::kFloat);
    chosen.push_back(wide.view(-1).index_select(0, host_tensor(places, logits.device())));
    sums.push_back(at::logsumexp(wide, 1));
    best.push_back(wide.argmax(1));
  }
};

at::Tensor on_host(const std::vector<at::Tensor>& parts, at::ScalarType type) {
  return at::cat(parts).to(at::kCPU, type).contiguous();
}

}  // namespace

std::vector<TokenScore> score_targets(const CausalLM& model, const at::Tensor& hidden,
                                      const std::vector<Target>& targets) {
  if (targets.empty()) return {};
  RowScores rows;
  auto target = targets.begin();
  int64_t row = 0;
  for (const at::Tensor& chunk : hidden.split(chunk_rows(model, hidden))) {
    for (const at::Tensor& part : model.logits(chunk).split(kFloatRows)) {  // [R, V]
      std::vector<int64_t> places;
      for (; target != targets.end() && target->row < row + part.size(0); ++target)
        places.push_back((target->row - row) * part.size(1) + target->token);
      rows.add(part, places);
      row += part.size(0);
    }
  }
  const at::Tensor chosen = on_host(rows.chosen, at::kDouble),
                   sums = on_host(rows.sums, at::kDouble), best = on_host(rows.best, at::kLong);
  std::vector<TokenScore> scores;
  for (size_t i = 0; i < targets.size(); ++i) {
    const auto [row, token] = targets[i];
    scores.push_back({chosen.const_data_ptr<double>()[i] - sums.const_data_ptr<double>()[row],
                      best.const_data_ptr<int64_t>()[row] == token});
  }
  return scores;
}

std::vector<TokenScore> score_rows(const CausalLM& model, const at::Tensor& hidden,
                                   const at::Tensor& targets) {
  const at::Tensor tokens = targets.to(at::kCPU, at::kLong).contiguous();
  std::vector<Target> all;
  for (int64_t i = 0; i < tokens.numel(); ++i)
    all.push_back({i, tokens.const_data_ptr<int64_t>()[i]});
  return score_targets(model, hidden, all);
}

std::vector<TokenScore> score_tokens(const CausalLM& model, const std::vector<int32_t>& ids,
                                     const std::vector<int64_t>& positions, Branch branch) {
  c10::AutoGradMode no_grad(false);
  const auto index = at::TensorOptions().dtype(at::kLong).device(model.device());
  const std::vector<int64_t> wide(ids.begin(), ids.end());
  std::vector<int64_t> rows, targets;
  for (const int64_t t : positions) {
    rows.push_back(t - 1);
    targets.push_back(wide[size_t(t)]);
  }
  const AttentionContext context = model.context({int64_t(ids.size())}, {.branch = branch});
  const at::Tensor hidden =
      model.hidden(at::tensor(wide, index), context).index_select(0, at::tensor(rows, index));
  return score_rows(model, hidden, at::tensor(targets, index));
}

}  // namespace tptt
