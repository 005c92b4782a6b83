#pragma once

#include <string>
#include <vector>

#include "trainer/config.h"

namespace tptt {

/// One line for each setting that was given a value and has no effect beside the others.
std::vector<std::string> settings_without_effect(const Config& config);

/// The same for `lora:` keys beside an adapter that is trained on: the adapter's own hold.
std::vector<std::string> settings_of_adapter_hold(const LoraConfig& given,
                                                  const LoraConfig& adapter);

}  // namespace tptt
