#include "trainer/evaluate/targets.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_log_softmax.h>
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>

#include <algorithm>

namespace tptt {
namespace {

constexpr int64_t kChunkRows = 128;

}  // namespace

std::vector<TokenScore> score_rows(const CausalLM& model, const at::Tensor& hidden,
                                   const at::Tensor& targets) {
  std::vector<TokenScore> scores;
  for (int64_t begin = 0; begin < hidden.size(0); begin += kChunkRows) {
    const int64_t count = std::min(kChunkRows, hidden.size(0) - begin);
    const at::Tensor target = targets.narrow(0, begin, count);  // [C]
    const at::Tensor logits =
        model.logits(hidden.narrow(0, begin, count)).to(at::kFloat);  // [C, V]
    const at::Tensor log_p = at::_log_softmax(logits, 1, false)
                                 .gather(1, target.unsqueeze(1))
                                 .squeeze(1)
                                 .to(at::kCPU, at::kDouble);
    const at::Tensor greedy = logits.argmax(1).eq(target).to(at::kCPU);
    for (int64_t i = 0; i < count; ++i)
      scores.push_back({log_p.const_data_ptr<double>()[i], greedy.const_data_ptr<bool>()[i]});
  }
  return scores;
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
