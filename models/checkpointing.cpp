#include "models/checkpointing.h"

#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/custom_class.h>

namespace tptt {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// What the layers are computed again with, held by the graph.
struct Again : torch::CustomClassHolder {
  const CausalLM* model = nullptr;
  AttentionContext context;
};

struct CheckpointedLayer : torch::autograd::Function<CheckpointedLayer> {
  // `anchor` asks for a gradient, so that the first layer's node, whose input does not, is run in
  // the backward: adapters get their gradients there, as leaves.
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& anchor,
                            int64_t i, const c10::intrusive_ptr<Again>& again,
                            const AttentionContext& context) {
    ctx->save_for_backward({x});
    ctx->saved_data["layer"] = i;
    ctx->saved_data["again"] = c10::IValue::make_capsule(again);
    return again->model->layer(i, x, context);
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto again =
        c10::static_intrusive_pointer_cast<Again>(ctx->saved_data["again"].toCapsule());
    const at::Tensor x = ctx->get_saved_variables()[0].detach();
    x.requires_grad_(ctx->needs_input_grad(0));
    c10::AutoGradMode with_grad(true);
    const at::Tensor y = again->model->layer(ctx->saved_data["layer"].toInt(), x, again->context);
    if (y.requires_grad()) torch::autograd::backward({y}, {grads[0]});
    return {x.grad(), {}, {}, {}, {}};
  }
};

}  // namespace

at::Tensor checkpointed_layers(const CausalLM& model, const at::Tensor& x,
                               const AttentionContext& context) {
  const auto again = c10::make_intrusive<Again>();
  again->model = &model;
  again->context = context;
  again->context.ledger = nullptr;
  const at::Tensor anchor = at::zeros({}, at::kFloat).requires_grad_(true);
  at::Tensor out = x;
  for (int64_t i = 0; i < model.config.num_hidden_layers; ++i)
    out = CheckpointedLayer::apply(out, anchor, i, again, context);
  return out;
}

}  // namespace tptt
