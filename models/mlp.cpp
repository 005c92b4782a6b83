#include "models/mlp.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/gelu_backward.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/silu_backward.h>
#include <torch/csrc/autograd/custom_function.h>

namespace tptt {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

const char* gelu_approximation(const std::string& name) {
  return name == "gelu" ? "none" : "tanh";  // gelu_new, gelu_pytorch_tanh
}

at::Tensor activate(const at::Tensor& x, const std::string& name) {
  if (name == "silu" || name == "swish") return at::silu(x);
  return name == "relu" ? at::relu(x) : at::gelu(x, gelu_approximation(name));
}

at::Tensor activate_backward(const at::Tensor& g, const at::Tensor& x, const std::string& name) {
  if (name == "silu" || name == "swish") return at::silu_backward(g, x);
  if (name == "relu") return g * x.gt(0);
  return at::gelu_backward(g, x, gelu_approximation(name));
}

// act(gate) * up; saves gate and up only, act(gate) is computed again in the backward.
struct GatedActivation : torch::autograd::Function<GatedActivation> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& gate, const at::Tensor& up,
                            const std::string& act) {
    ctx->save_for_backward({gate, up});
    ctx->saved_data["act"] = act;
    return activate(gate, act).mul_(up);
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const std::string act = ctx->saved_data["act"].toStringRef();
    const at::Tensor& g = grads[0];
    return {activate_backward(g * saved[1], saved[0], act), activate(saved[0], act).mul_(g), {}};
  }
};

}  // namespace

at::Tensor Mlp::forward(const at::Tensor& x, const Dropout& dropout) const {
  if (gate_up_proj) {
    const auto parts = gate_up_proj->forward(x, dropout).chunk(2, -1);
    return down_proj.forward(GatedActivation::apply(parts[0], parts[1], hidden_act), dropout);
  }
  const at::Tensor up = up_proj->forward(x, dropout);
  if (!gate_proj) return down_proj.forward(activate(up, hidden_act), dropout);
  const at::Tensor gate = gate_proj->forward(x, dropout);
  return down_proj.forward(GatedActivation::apply(gate, up, hidden_act), dropout);
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
