#include "models/module_names.h"

#include <algorithm>
#include <charconv>

#include "models/formats/error.h"
#include "models/formats/regex.h"

namespace tptt {

bool names_module(const std::string& name, const std::string& module) {
  return module == name || module.ends_with("." + name);
}

ModuleSelector::ModuleSelector(const ModuleNames& names, std::string key)
    : names_(names), key_(std::move(key)) {
  if (!names_.text.empty()) Regex("^(?:" + names_.text + ")$", key_);
}

bool ModuleSelector::fits(const std::string& module) {
  if (!names_.text.empty()) {
    size_t begin = 0, end = 0;
    if (!Regex("^(?:" + names_.text + ")$", key_).find(module, 0, &begin, &end)) return false;
    fitted_.insert(names_.text);
    return true;
  }
  bool found = false;
  for (const std::string& name : names_.names) {
    if (!names_module(name, module)) continue;
    found = true;
    fitted_.insert(name);
  }
  return found;
}

void ModuleSelector::check_all_fitted(const std::vector<std::string>& modules) const {
  std::vector<std::string> wanted = names_.names;
  if (!names_.text.empty()) wanted = {names_.text};
  for (const std::string& name : wanted) {
    if (fitted_.count(name)) continue;
    std::vector<std::string> known;
    for (const std::string& module : modules) {
      const std::string last = module.substr(module.rfind('.') + 1);
      if (std::find(known.begin(), known.end(), last) == known.end()) known.push_back(last);
    }
    std::string list;
    for (const std::string& last : known) list += (list.empty() ? "" : ", ") + last;
    throw UsageError(key_ + ": no module of this model is named '" + name +
                     "'; expected some of: " + list);
  }
}

int64_t layer_of_module(const std::string& module) {
  for (size_t at = module.find('.'); at != std::string::npos; at = module.find('.', at + 1)) {
    int64_t number = 0;
    const char* begin = module.data() + at + 1;
    const char* end = module.data() + module.size();
    const auto [stop, error] = std::from_chars(begin, end, number);
    if (error == std::errc() && number >= 0 && stop != end && *stop == '.') return number;
  }
  return -1;
}

}  // namespace tptt
