#pragma once

#include <vector>

#include "models/causal_lm.h"
#include "trainer/metrics.h"

namespace tptt {

/// The ledger of a forward as a row of metrics.
LizaMetrics liza_metrics(const CausalLM& model, const std::vector<LayerLedger>& ledger);

/// Throws Error that names the layer when a memory's state has exploded: its write gate is a
/// vector, which is no strict contraction.
void check_states(const CausalLM& model, const LizaMetrics& metrics);

}  // namespace tptt
