#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/liza/liza_config.h"

namespace tptt {

/// Which pooled projections a gate is the sigmoid of; `learned`: one number a head and token, from
/// the key by weights of the memory's own, which also map q and k before they read and write.
enum class Gate { none, key, value, key_value, learned };

/// How one token becomes `order` virtual tokens: backward differences, rotations, their mean.
enum class Trick { none, dt, rot, rdt };

/// One row of the table of operator modes (docs/liza.md).
struct OperatorMode {
  const char* name;
  int64_t order;  // virtual tokens a token
  Gate alpha, beta;
  bool gelu;  // state activation after every 64th token
  Trick trick;
};

/// Throws std::logic_error for a name that is not in operator_modes().
const OperatorMode& find_operator_mode(const std::string& name);

std::vector<std::string> operator_modes();

/// Those of them that the Python package has.
std::vector<std::string> package_modes();

/// Whether a memory of this configuration has tensors that learn, and lie in files.
bool memory_learns(const LizaConfig& config);

}  // namespace tptt
