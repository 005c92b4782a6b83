#include "trainer/loss.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_log_softmax.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

namespace tptt {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t kChunkRows = 128;

struct SumCrossEntropy : torch::autograd::Function<SumCrossEntropy> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& rows, const at::Tensor& weight,
                            const at::Tensor& targets, double softcapping, bool need_grad) {
    at::Tensor total = at::zeros({}, rows.options().dtype(at::kFloat));
    at::Tensor grad = need_grad ? at::empty_like(rows) : at::Tensor();
    for (int64_t begin = 0; begin < rows.size(0); begin += kChunkRows) {
      const int64_t count = std::min(kChunkRows, rows.size(0) - begin);
      const at::Tensor target = targets.narrow(0, begin, count).unsqueeze(1);  // [C, 1]
      at::Tensor logits =
          at::mm(rows.narrow(0, begin, count), weight.t()).to(at::kFloat);  // [C, V]
      at::Tensor slope;  // of the soft cap: 1 - tanh^2
      if (softcapping > 0) {
        logits.div_(softcapping).tanh_();
        if (need_grad) slope = 1 - logits.square();
        logits.mul_(softcapping);
      }
      at::Tensor log_p = at::_log_softmax(std::move(logits), 1, false);
      logits.reset();
      total.sub_(log_p.gather(1, target).sum());
      if (!need_grad) continue;
      at::Tensor p = log_p.exp_();  // becomes d loss / d logits = p - onehot
      p.scatter_add_(1, target, at::ones({count, 1}, p.options()).neg_());
      if (slope.defined()) p.mul_(slope);
      grad.narrow(0, begin, count).copy_(at::mm(p.to(weight.scalar_type()), weight));
    }
    if (need_grad) ctx->save_for_backward({grad});
    return total;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const at::Tensor grad = ctx->get_saved_variables()[0];
    return {grad * grads[0].to(grad.scalar_type()), {}, {}, {}, {}};
  }
};

}  // namespace

at::Tensor sum_cross_entropy(const CausalLM& model, const at::Tensor& rows,
                             const at::Tensor& targets) {
  const bool need_grad = c10::GradMode::is_enabled() && rows.requires_grad();
  return SumCrossEntropy::apply(rows, model.head().weight, targets,
                                model.config.final_logit_softcapping, need_grad);
}

at::Tensor batch_loss(const CausalLM& model, const Batch& batch, const ForwardOptions& options) {
  const AttentionContext context = model.context(batch.lengths, options);
  const at::Tensor hidden = model.hidden(batch.ids, context);
  return sum_cross_entropy(model, hidden.index_select(0, batch.target_rows), batch.targets);
}

}  // namespace tptt
