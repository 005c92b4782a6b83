#include "trainer/loss.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "models/kernels/cross_entropy.h"

namespace tptt {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t kMostRows = 384;

struct Chunk {
  int64_t begin, count;
};

std::vector<Chunk> chunks_of(int64_t all) {
  std::vector<Chunk> chunks;
  const int64_t rows = loss_rows(all);
  for (int64_t begin = 0; begin < all; begin += rows)
    chunks.push_back({begin, std::min(rows, all - begin)});
  return chunks;
}

struct SumCrossEntropy : torch::autograd::Function<SumCrossEntropy> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& rows,
                            const FrozenWeight& weight, const at::Tensor& targets,
                            double softcapping, bool need_grad) {
    at::Tensor total = at::zeros({}, rows.options().dtype(at::kFloat));
    at::Tensor grad = need_grad ? at::empty_like(rows) : at::Tensor();
    for (const auto [begin, count] : chunks_of(rows.size(0))) {
      at::Tensor logits = times_transposed(rows.narrow(0, begin, count), weight);  // [C, V]
      total.add_(
          cross_entropy_rows_(logits, targets.narrow(0, begin, count), softcapping, need_grad)
              .sum());
      if (need_grad) grad.narrow(0, begin, count).copy_(times(logits, weight));
    }
    if (need_grad) ctx->save_for_backward({grad});
    return total;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const at::Tensor grad = ctx->get_saved_variables()[0];
    return {grad * grads[0].to(grad.scalar_type()), {}, {}, {}, {}};
  }
};

at::Tensor soft_capped(const at::Tensor& logits, double softcapping) {
  return softcapping > 0 ? at::tanh(logits / softcapping) * softcapping : logits;
}

// The summed loss of rows by the head as it is, with whatever learns in it.
at::Tensor chunk_loss(const CausalLM& model, const at::Tensor& rows, const at::Tensor& targets,
                      const Dropout& dropout) {
  const at::Tensor raw = model.head().forward(rows, dropout).to(at::kFloat);  // [C, V]
  const at::Tensor log_p =
      at::log_softmax(soft_capped(raw, model.config.final_logit_softcapping), 1);
  return log_p.gather(1, targets.unsqueeze(1)).sum().neg();
}

// Each chunk of rows has masks of its own.
Dropout chunk_dropout(Dropout dropout, int64_t chunk) {
  if (dropout) dropout->seed += uint64_t(chunk) * 0xD1B54A32D192ED03ull;
  return dropout;
}

std::vector<at::Tensor> head_parameters(const Linear& head) {
  std::vector<at::Tensor> all;
  if (head.trained) all = {head.weight.dense};
  if (head.lora) all = {head.lora->a, head.lora->b};
  if (head.lora && head.lora->magnitude.defined()) all.push_back(head.lora->magnitude);
  return all;
}

// The same sum with a head that learns: each chunk's own small graph is gone before the next
// chunk's, so that the logits are never whole here either.
struct AdaptedCrossEntropy : torch::autograd::Function<AdaptedCrossEntropy> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& rows, const at::Tensor& first,
                            const std::optional<at::Tensor>& second,
                            const std::optional<at::Tensor>& third, const CausalLM* model,
                            const at::Tensor& targets, const Dropout& dropout) {
    at::Tensor total = at::zeros({}, rows.options().dtype(at::kFloat));
    std::vector<at::Tensor> sums;  // of the gradients: rows, then the head's parameters
    const std::vector<at::Tensor> parameters = head_parameters(model->head());
    int64_t chunk = 0;
    for (const auto [begin, count] : chunks_of(rows.size(0))) {
      c10::AutoGradMode with_grad(true);
      std::vector<at::Tensor> inputs{rows.narrow(0, begin, count).detach().requires_grad_(true)};
      inputs.insert(inputs.end(), parameters.begin(), parameters.end());
      const at::Tensor loss = chunk_loss(*model, inputs[0], targets.narrow(0, begin, count),
                                         chunk_dropout(dropout, chunk++));
      const auto grads = torch::autograd::grad({loss}, inputs);
      c10::AutoGradMode no_grad(false);
      total.add_(loss.detach());
      if (sums.empty()) {
        sums.push_back(at::empty_like(rows));
        for (size_t i = 1; i < grads.size(); ++i) sums.push_back(at::zeros_like(grads[i]));
      }
      sums[0].narrow(0, begin, count).copy_(grads[0]);
      for (size_t i = 1; i < grads.size(); ++i) sums[i].add_(grads[i]);
    }
    ctx->save_for_backward(sums);
    return total;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    variable_list out = ctx->get_saved_variables();
    for (at::Tensor& grad : out) grad = grad * grads[0].to(grad.scalar_type());
    out.resize(7);
    return out;
  }
};

at::Tensor adapted_cross_entropy(const CausalLM& model, const at::Tensor& rows,
                                 const at::Tensor& targets, const Dropout& dropout) {
  if (c10::GradMode::is_enabled()) {
    const auto parameters = head_parameters(model.head());
    const auto at_or_none = [&](size_t i) {
      return i < parameters.size() ? std::optional(parameters[i]) : std::nullopt;
    };
    return AdaptedCrossEntropy::apply(rows, parameters[0], at_or_none(1), at_or_none(2), &model,
                                      targets, dropout);
  }
  at::Tensor total = at::zeros({}, rows.options().dtype(at::kFloat));
  for (const auto [begin, count] : chunks_of(rows.size(0)))
    total.add_(
        chunk_loss(model, rows.narrow(0, begin, count), targets.narrow(0, begin, count), dropout));
  return total;
}

}  // namespace

int64_t loss_rows(int64_t all) {
  const int64_t chunks = std::max<int64_t>(1, (all + kMostRows - 1) / kMostRows);
  return (all + chunks - 1) / chunks;
}

at::Tensor sum_cross_entropy(const CausalLM& model, const at::Tensor& rows,
                             const at::Tensor& targets, const Dropout& dropout) {
  if (model.head().adapted()) return adapted_cross_entropy(model, rows, targets, dropout);
  const bool need_grad = c10::GradMode::is_enabled() && rows.requires_grad();
  return SumCrossEntropy::apply(rows, model.head().weight, targets,
                                model.config.final_logit_softcapping, need_grad);
}

at::Tensor transfer_loss(const CausalLM& model, const Batch& batch, double weight) {
  c10::AutoGradMode no_grad(false);
  int64_t layers = 0;
  for (int64_t i = 0; i < model.config.num_hidden_layers; ++i)
    layers += model.attention(i).transfers();
  if (layers == 0) return at::zeros({}, at::TensorOptions(at::kFloat).device(model.device()));
  Transfer transfer{weight / double(layers), {}};
  ForwardOptions options;
  options.transfer = &transfer;
  model.hidden(batch.ids, model.context(batch.lengths, options));
  return transfer.share * transfer.weight;
}

at::Tensor batch_loss(const CausalLM& model, const Batch& batch, const ForwardOptions& options) {
  const AttentionContext context = model.context(batch.lengths, options);
  const at::Tensor hidden = model.hidden(batch.ids, context);
  return sum_cross_entropy(model, hidden.index_select(0, batch.target_rows), batch.targets,
                           options.dropout);
}

}  // namespace tptt
