#include "models/liza/operator_mode.h"

#include <stdexcept>

namespace tptt {
namespace {

constexpr OperatorMode kModes[] = {
    {"delta_rule", 1, Gate::none, Gate::key, false, Trick::none},
    {"learned_delta_rule", 1, Gate::none, Gate::learned, false, Trick::none},
    {"delta_rule_v", 1, Gate::none, Gate::value, false, Trick::none},
    {"delta_rule_kv", 1, Gate::none, Gate::key_value, false, Trick::none},
    {"delta_rule_gelu", 1, Gate::none, Gate::key, true, Trick::none},
    {"gated_delta_rule", 1, Gate::key, Gate::key, false, Trick::none},
    {"delta_product", 2, Gate::none, Gate::key, false, Trick::dt},
    {"delta_product_r", 2, Gate::none, Gate::key, false, Trick::rot},
    {"delta_product_c", 2, Gate::none, Gate::key, false, Trick::rdt},
    {"gated_delta_product", 2, Gate::key, Gate::key, false, Trick::dt},
};

}  // namespace

const OperatorMode& find_operator_mode(const std::string& name) {
  for (const OperatorMode& mode : kModes)
    if (name == mode.name) return mode;
  throw std::logic_error("unknown operator_mode " + name);  // the configuration was checked
}

std::vector<std::string> operator_modes() {
  std::vector<std::string> names;
  for (const OperatorMode& mode : kModes) names.push_back(mode.name);
  return names;
}

std::vector<std::string> package_modes() {
  std::vector<std::string> names = operator_modes();
  std::erase(names, "learned_delta_rule");
  return names;
}

bool memory_learns(const LizaConfig& config) {
  return has_learned_gate(config.mag) || config.branch_scale == "learned" ||
         find_operator_mode(config.operator_mode).beta == Gate::learned;
}

}  // namespace tptt
