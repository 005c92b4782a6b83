#pragma once

#include <ATen/core/Generator.h>

#include "models/linear.h"
#include "models/lora_config.h"

namespace tptt {

/// A and B as PEFT's init_lora_weights begins them; `weight` [out, in] is what PiSSA divides.
/// Throws UsageError for orthogonal with an odd rank and for PiSSA with a rank above the weight's.
void init_lora(Lora& lora, int64_t r, const LoraConfig& config, const Linear& linear,
               at::Generator& generator);

}  // namespace tptt
