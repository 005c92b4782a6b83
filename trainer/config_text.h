#pragma once

#include <string>
#include <vector>

#include "trainer/config.h"

namespace tptt {

/// A number as YAML that reads back to the same double ("0.001", "5e-4").
std::string number_to_yaml(double value);

/// Text as a YAML scalar, quoted where a reader could take it for something else.
std::string string_to_yaml(const std::string& text);

/// True when some YAML reader takes these plain characters for a number, a truth value or null.
bool is_ambiguous_plain(const std::string& text);

std::string value_to_yaml(const std::string& value);
std::string value_to_yaml(double value);
std::string value_to_yaml(int64_t value);
std::string value_to_yaml(const std::optional<int64_t>& value);
std::string value_to_yaml(bool value);
std::string value_to_yaml(const std::vector<std::string>& value);
std::string value_to_yaml(const std::vector<double>& value);
std::string value_to_yaml(const std::vector<int64_t>& value);
std::string value_to_yaml(const ModuleNames& value);
template <class Number>
using Patterns = std::vector<std::pair<std::string, Number>>;
std::string value_to_yaml(const Patterns<int64_t>& value);
std::string value_to_yaml(const Patterns<double>& value);
std::string value_to_yaml(const std::vector<DataFile>& value);
std::string value_to_yaml(const std::vector<BenchmarkTask>& value);

/// Keys of `resume_conflicts` with both values, for messages.
struct Conflict {
  std::string key;
  std::string before;
  std::string now;
};
std::vector<Conflict> list_conflicts(const Config& before, const Config& now);

/// "lora.r (8 there, 16 now); ..." of them, or ""; `word` stands for the second: now, here.
std::string conflicts_text(const Config& before, const Config& now, const std::string& word);

/// Replaces each `auto` of `now` by what the earlier run resolved it to.
void adopt_resolved(const Config& before, Config& now);

}  // namespace tptt
