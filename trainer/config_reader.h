#pragma once

#include <string>

#include "trainer/config.h"
#include "trainer/yaml_reader.h"

namespace tptt {

/// Reads a whole configuration out of a parsed tree, key by key. Throws UsageError with the node's
/// place and the dotted name of the key.
Config config_from_tree(const YamlNode& root);

/// Reads `liza:` as liza_config.json has it (mag.effective_weight included). Throws UsageError.
LizaConfig liza_from_tree(const YamlNode& root);

}  // namespace tptt
