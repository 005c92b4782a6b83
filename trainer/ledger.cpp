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
    const auto alike = attention.liza ? std::optional(attention.liza->mean_weight()) : std::nullopt;
    out.mag_weight.push_back(ledger[i].mag_weight.defined() ? number(ledger[i].mag_weight) : alike);
    out.softmax_rms.push_back(number(ledger[i].softmax_rms));
    out.linear_rms.push_back(number(ledger[i].linear_rms));
    out.state_norm.push_back(number(ledger[i].state_norm));
  }
  return out;
}

void check_states(const CausalLM& model, const LizaMetrics& metrics) {
  for (size_t i = 0; i < metrics.state_norm.size(); ++i) {
    const double norm = metrics.state_norm[i].value_or(0);  // NaN: the loss's guard is for that
    if (norm >= kExploded)
      throw Error(model.attention(int64_t(i)).name +
                  ": the memory's state has grown to a norm of " + std::to_string(norm) +
                  "; lower training.learning_rate or take another liza.operator_mode (gated ones "
                  "forget)");
  }
}

}  // namespace tptt
