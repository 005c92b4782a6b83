#include "trainer/ledger.h"

#include <ATen/core/Tensor.h>

#include <string>

#include "models/formats/error.h"

namespace tptt {
namespace {

// A healthy state's norm is that of a few values: below 100.
constexpr double kExploded = 1e6;

std::optional<double> number(const at::Tensor& x) {
  return x.defined() ? std::optional(x.item<double>()) : std::nullopt;
}

}  // namespace

LizaMetrics liza_metrics(const CausalLM& model, const std::vector<LayerLedger>& ledger) {
  LizaMetrics out;
  for (int64_t i = 0; i < int64_t(ledger.size()); ++i) {
    const Attention& attention = model.attention(i);
    out.mag_weight.push_back(attention.liza ? std::optional(attention.liza->mean_weight())
                                            : std::nullopt);
    out.softmax_rms.push_back(number(ledger[i].softmax_rms));
    out.linear_rms.push_back(number(ledger[i].linear_rms));
    out.state_norm.push_back(number(ledger[i].state_norm));
    if (out.state_norm.back() && !(*out.state_norm.back() < kExploded))
      throw Error(attention.name + ": the memory's state has grown to a norm of " +
                  std::to_string(*out.state_norm.back()) +
                  "; go on from the last checkpoint with a lower training.learning_rate or "
                  "another liza.operator_mode (gated ones forget)");
  }
  return out;
}

}  // namespace tptt
