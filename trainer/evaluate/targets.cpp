#include "trainer/evaluate/targets.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "models/host_tensor.h"

namespace tptt {
namespace {

constexpr int64_t kChunkRows = 128;

}  // namespace

std::vector<TokenScore> score_targets(const CausalLM& model, const at::Tensor& hidden,
                                      const std::vector<Target>& targets) {
  std::vector<TokenScore> scores;
  auto target = targets.begin();
  for (int64_t begin = 0; begin < hidden.size(0); begin += kChunkRows) {
    const int64_t count = std::min(kChunkRows, hidden.size(0) - begin);
    const at::Tensor logits =
        model.logits(hidden.narrow(0, begin, count)).to(at::kFloat);  // [C, V]
    const auto first = target;
    std::vector<int64_t> places;  // of the chunk's logits, row by row
    for (; target != targets.end() && target->row < begin + count; ++target)
      places.push_back((target->row - begin) * logits.size(1) + target->token);
    const auto on_host = [](const at::Tensor& x, at::ScalarType type) {
      return x.to(at::kCPU, type).contiguous();
    };
    const at::Tensor chosen =
        on_host(logits.view(-1).index_select(0, host_tensor(places, hidden.device())), at::kDouble);
    const at::Tensor sums = on_host(at::logsumexp(logits, 1), at::kDouble);  // [C]
    const at::Tensor best = on_host(logits.argmax(1), at::kLong);            // [C]
    for (auto t = first; t != target; ++t) {
      const int64_t row = t->row - begin;
      scores.push_back(
          {chosen.const_data_ptr<double>()[t - first] - sums.const_data_ptr<double>()[row],
           best.const_data_ptr<int64_t>()[row] == t->token});
    }
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
