#pragma once

#include <set>
#include <string>

#include "models/lora_config.h"

namespace tptt {

/// True when a name of a list names the module: exactly, or by what follows a dot.
bool names_module(const std::string& name, const std::string& module);

/// Chooses modules by name as PEFT's check_target_module_exists does, and remembers which names
/// fitted none.
class ModuleSelector {
 public:
  /// `key` is the configuration key, for messages. Throws Error for text that is no regular
  /// expression.
  ModuleSelector(const ModuleNames& names, std::string key);

  bool fits(const std::string& module);
  /// Throws UsageError that names what fitted no module and the last parts of those there are.
  void check_all_fitted(const std::vector<std::string>& modules) const;

 private:
  ModuleNames names_;
  std::string key_;
  std::set<std::string> fitted_;
};

/// The number of the layer that a module is in (the first number in its name), or -1.
int64_t layer_of_module(const std::string& module);

}  // namespace tptt
