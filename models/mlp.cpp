#include "models/mlp.h"

#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include "models/kernels/gated.h"

namespace tptt {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// act(gate) * up; saves gate and up only, act(gate) is computed again in the backward.
struct GatedActivation : torch::autograd::Function<GatedActivation> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& gate, const at::Tensor& up,
                            const std::string& act) {
    ctx->save_for_backward({gate, up});
    ctx->saved_data["act"] = act;
    return gated_forward(gate, up, act);
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const std::string act = ctx->saved_data["act"].toStringRef();
    const auto [gate, up] = gated_backward(grads[0], saved[0], saved[1], act);
    return {gate, up, {}};
  }
};

at::Tensor gated(const at::Tensor& gate, const at::Tensor& up, const std::string& act) {
  if (!c10::GradMode::is_enabled()) return gated_forward(gate, up, act);
  return GatedActivation::apply(gate, up, act);
}

}  // namespace

at::Tensor Mlp::forward(const at::Tensor& x, const Dropout& dropout) const {
  if (gate_up_proj) {
    const auto parts = gate_up_proj->forward(x, dropout).chunk(2, -1);
    return down_proj.forward(gated(parts[0], parts[1], hidden_act), dropout);
  }
  if (!gate_proj)
    return down_proj.forward(activate(up_proj->forward(x, dropout), hidden_act), dropout);
  const auto parts = forward_all({&*gate_proj, &*up_proj}, x, dropout);
  return down_proj.forward(gated(parts[0], parts[1], hidden_act), dropout);
}

std::vector<Linear*> Mlp::linears() {
  std::vector<Linear*> all;
  for (auto* linear : {&gate_proj, &up_proj, &gate_up_proj})
    if (*linear) all.push_back(&**linear);
  all.push_back(&down_proj);
  return all;
}

Mlp make_mlp(const MlpConfig& config, const std::string& name, int64_t hidden_size) {
  const int64_t size = config.intermediate_size;
  const auto linear = [&](const std::string& part, int64_t in, int64_t out) {
    return make_linear(name + "." + part, in, out, config.bias);
  };
  Mlp mlp;
  mlp.hidden_act = config.hidden_act;
  if (!config.gate_up_proj.empty()) {
    mlp.gate_up_proj = linear(config.gate_up_proj, hidden_size, 2 * size);
  } else {
    if (!config.gate_proj.empty()) mlp.gate_proj = linear(config.gate_proj, hidden_size, size);
    mlp.up_proj = linear(config.up_proj, hidden_size, size);
  }
  mlp.down_proj = linear(config.down_proj, size, hidden_size);
  return mlp;
}

}  // namespace tptt
