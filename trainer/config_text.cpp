#include "trainer/config_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <type_traits>

#include "data/chat_templates.h"
#include "models/branch.h"
#include "trainer/config_keys.h"

namespace tptt {
namespace {

template <class T>
constexpr bool is_section_list = false;
template <Section Item>
constexpr bool is_section_list<std::vector<Item>> = true;

template <Section Item>
std::string sections_to_yaml(const std::vector<Item>& value) {
  std::string text;
  for (const Item& item : value) {
    std::string keys;
    const auto write = [&keys](const char* name, const auto& member, const Rule&, const char*) {
      keys += (keys.empty() ? "" : ", ") + std::string(name) + ": " + value_to_yaml(member);
    };
    visit_keys(item, write);
    text += (text.empty() ? "{" : ", {") + keys + "}";
  }
  return "[" + text + "]";
}

struct YamlWriter {
  std::string& out;
  std::string indent;

  template <class Value>
  void operator()(const char* name, const Value& value, const Rule& rule, const char*) const {
    if (rule.adapter_only) return;
    if constexpr (Section<Value>) {
      out += indent + name + ":\n";
      visit_keys(value, YamlWriter{out, indent + "  "});
    } else if constexpr (std::is_same_v<Value, std::optional<LizaConfig>>) {
      if (value) (*this)(name, *value, rule, "");
    } else {
      out += indent + name + ": " + value_to_yaml(value) + "\n";
    }
  }
};

template <class Value>
std::string type_name(const Rule& rule) {
  if constexpr (std::is_same_v<Value, std::string>) return rule.choices.empty() ? "text" : "choice";
  if constexpr (std::is_same_v<Value, int64_t>) return "whole number";
  if constexpr (std::is_same_v<Value, std::optional<int64_t>>) return "whole number or none";
  if constexpr (std::is_same_v<Value, double>) return "number";
  if constexpr (std::is_same_v<Value, bool>) return "true or false";
  if constexpr (std::is_same_v<Value, std::vector<std::string>>)
    return rule.any_of ? "list of choices" : "list of text";
  if constexpr (std::is_same_v<Value, std::vector<double>>) return "list of numbers";
  if constexpr (std::is_same_v<Value, std::vector<int64_t>>) return "list of whole numbers";
  if constexpr (std::is_same_v<Value, ModuleNames>) return "list of text, or text";
  if constexpr (std::is_same_v<Value, Patterns<int64_t>>) return "map of patterns to whole numbers";
  if constexpr (std::is_same_v<Value, Patterns<double>>) return "map of patterns to numbers";
  if constexpr (is_section_list<Value>) return "list of " + keys_of<typename Value::value_type>();
}

std::string limits(const Rule& rule, bool is_list) {
  std::string text;
  for (const std::string& choice : rule.choices) {
    if (is_list && !rule.any_of) break;  // the one word that stands for all names
    text += (!text.empty() ? ", `" : is_list ? " Any of `" : " One of `") + choice + "`";
  }
  if (rule.fits) text += std::string(", `") + rule.fits_text + "`";
  if (std::isfinite(rule.min)) {
    text += (rule.open_min ? " Above " : " At least ") + number_to_yaml(rule.min);
  }
  if (std::isfinite(rule.max)) {
    text += std::isfinite(rule.min) ? (rule.open_max ? ", below " : ", at most ")
                                    : (rule.open_max ? " Below " : " At most ");
    text += number_to_yaml(rule.max);
  }
  return text.empty() ? "" : text + ".";
}

struct ReferenceWriter {
  std::string& out;
  std::string prefix;
  bool top;  // at the sections, each of which is a table

  template <class Value>
  void operator()(const char* name, const Value& value, const Rule& rule, const char* doc) const {
    if (rule.adapter_only) return;
    if constexpr (Section<Value>) {
      if (top) table(name, doc);
      visit_keys(value, ReferenceWriter{out, top ? "" : prefix + name + ".", false});
    } else if constexpr (std::is_same_v<Value, std::optional<LizaConfig>>) {
      const LizaConfig defaults = value ? *value : LizaConfig();
      (*this)(name, defaults, rule, doc);
    } else {
      out += "| `" + prefix + name + "` | " + type_name<Value>(rule) + " | " +
             (rule.required ? "required" : "`" + value_to_yaml(value) + "`") + " | " + doc + "." +
             limits(rule, std::is_same_v<Value, std::vector<std::string>>) + " |\n";
      if constexpr (is_section_list<Value>) {
        const typename Value::value_type item;
        visit_keys(item, ReferenceWriter{out, prefix + name + "[].", false});
      }
    }
  }

  void table(const char* name, const char* doc) const {
    out += std::string(out.empty() ? "" : "\n") + "## `" + name + "`\n\n" + doc +
           ".\n\n| key | type | default | meaning |\n|---|---|---|---|\n";
  }
};

struct Flattened {
  std::string key;
  std::string value;
  bool may_change;
};

struct Flattener {
  std::vector<Flattened>& out;
  std::string prefix;

  template <class Value>
  void operator()(const char* name, const Value& value, const Rule& rule, const char*) const {
    if (rule.adapter_only) return;
    const std::string key = prefix + name;
    if constexpr (Section<Value>) {
      visit_keys(value, Flattener{out, key + "."});
    } else if constexpr (std::is_same_v<Value, std::optional<LizaConfig>>) {
      if (value) visit_keys(*value, Flattener{out, key + "."});
    } else {
      out.push_back({key, value_to_yaml(value), rule.may_change});
    }
  }
};

std::vector<Flattened> flatten(const Config& config) {
  std::vector<Flattened> keys;
  visit_keys(config, Flattener{keys, ""});
  return keys;
}

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return text;
}

}  // namespace

std::vector<std::string> branch_choices() {
  std::vector<std::string> names;
  for (const auto& [name, branch] : kBranches) names.emplace_back(name);
  return names;
}

std::vector<std::string> chat_template_choices() {
  std::vector<std::string> names = chat_template_names();
  names.insert(names.begin(), "auto");
  return names;
}

bool is_cuda_device(const std::string& text) {
  const std::string start = "cuda:";
  return text.size() > start.size() && text.size() <= start.size() + 2 &&
         text.compare(0, start.size(), start) == 0 &&
         text.find_first_not_of("0123456789", start.size()) == std::string::npos;
}

bool is_pissa_niter(const std::string& text) {
  const std::string start = "pissa_niter_";
  return text.starts_with(start) && text.size() > start.size() && text.size() <= start.size() + 3 &&
         text.find_first_not_of("0123456789", start.size()) == std::string::npos;
}

bool is_ambiguous_plain(const std::string& text) {
  static constexpr std::array kWords = {"true", "false", "yes", "no",   "on",    "off",   "y",
                                        "n",    "null",  "~",   ".inf", "-.inf", "+.inf", ".nan"};
  const std::string word = lower(text);
  if (std::find(kWords.begin(), kWords.end(), word) != kWords.end()) return true;
  const size_t digit = word.find_first_not_of("+-.");
  if (digit == std::string::npos || word[digit] < '0' || word[digit] > '9') return false;
  const bool based = word.compare(digit, 2, "0x") == 0 || word.compare(digit, 2, "0o") == 0;
  const char* const digits = based ? "0123456789abcdefxo_" : "0123456789_.e+-:";
  return word.find_first_not_of(digits, digit) == std::string::npos;
}

std::string number_to_yaml(double value) {
  std::array<char, 32> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
  std::string text(buffer.data(), end);
  const size_t exponent = text.find('e');  // "5e-04" -> "5e-4"
  if (exponent != std::string::npos) {
    size_t at = exponent + 1;
    if (text[at] == '+') text.erase(at, 1);
    if (text[at] == '-') ++at;
    while (at + 1 < text.size() && text[at] == '0') text.erase(at, 1);
  }
  return text;
}

std::string string_to_yaml(const std::string& text) {
  static constexpr const char* kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-";
  const bool plain = !text.empty() && text[0] != '-' &&
                     text.find_first_not_of(kPlain) == std::string::npos &&
                     !is_ambiguous_plain(text);
  if (plain) return text;
  static constexpr const char* kHex = "0123456789abcdef";
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted += {'\\', c};
    } else if (byte < 0x20 || byte == 0x7f) {
      quoted += {'\\', 'x', kHex[byte / 16], kHex[byte % 16]};
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

std::string value_to_yaml(const std::string& value) {
  return string_to_yaml(value);
}
std::string value_to_yaml(double value) {
  return number_to_yaml(value);
}
std::string value_to_yaml(int64_t value) {
  return std::to_string(value);
}
std::string value_to_yaml(const std::optional<int64_t>& value) {
  return value ? std::to_string(*value) : "none";
}
std::string value_to_yaml(bool value) {
  return value ? "true" : "false";
}

std::string value_to_yaml(const std::vector<double>& value) {
  std::string text;
  for (const double number : value) text += (text.empty() ? "" : ", ") + number_to_yaml(number);
  return "[" + text + "]";
}

std::string value_to_yaml(const std::vector<std::string>& value) {
  if (value.size() == 1 && value[0] == "all") return value[0];
  std::string text;
  for (const std::string& item : value) text += (text.empty() ? "" : ", ") + string_to_yaml(item);
  return "[" + text + "]";
}

std::string value_to_yaml(const std::vector<int64_t>& value) {
  std::string text;
  for (const int64_t number : value) text += (text.empty() ? "" : ", ") + std::to_string(number);
  return "[" + text + "]";
}

std::string value_to_yaml(const ModuleNames& value) {
  return value.text.empty() ? value_to_yaml(value.names) : string_to_yaml(value.text);
}

template <class Number>
static std::string patterns_to_yaml(const Patterns<Number>& value) {
  std::string text;
  for (const auto& [pattern, number] : value)
    text += (text.empty() ? "" : ", ") + string_to_yaml(pattern) + ": " + value_to_yaml(number);
  return "{" + text + "}";
}
std::string value_to_yaml(const Patterns<int64_t>& value) {
  return patterns_to_yaml(value);
}
std::string value_to_yaml(const Patterns<double>& value) {
  return patterns_to_yaml(value);
}

std::string value_to_yaml(const std::vector<DataFile>& value) {
  return sections_to_yaml(value);
}

std::string value_to_yaml(const std::vector<BenchmarkTask>& value) {
  return sections_to_yaml(value);
}

std::string to_yaml(const Config& config) {
  std::string out;
  visit_keys(config, YamlWriter{out, ""});
  return out;
}

std::string config_reference() {
  std::string out;
  const Config defaults;
  visit_keys(defaults, ReferenceWriter{out, "", true});
  return out;
}

std::vector<Conflict> list_conflicts(const Config& before, const Config& now) {
  std::vector<Conflict> conflicts;
  Config old_config = before, new_config = now;
  if (before.liza.has_value() != now.liza.has_value()) {
    const auto state = [](const Config& config) { return config.liza ? "given" : "none"; };
    conflicts.push_back({"liza", state(before), state(now)});
    old_config.liza = new_config.liza = std::nullopt;
  }
  const std::vector<Flattened> old_keys = flatten(old_config), new_keys = flatten(new_config);
  for (size_t i = 0; i < old_keys.size(); ++i) {
    const std::string& was = old_keys[i].value;
    const std::string& is = new_keys[i].value;
    // `auto` asks for what the earlier run chose.
    if (was != is && is != "auto" && !old_keys[i].may_change) {
      conflicts.push_back({old_keys[i].key, was, is});
    }
  }
  return conflicts;
}

std::string conflicts_text(const Config& before, const Config& now, const std::string& word) {
  std::string text;
  for (const Conflict& c : list_conflicts(before, now))
    text += (text.empty() ? "" : "; ") + c.key + " (" + c.before + " there, " + c.now + " " + word +
            ")";
  return text;
}

std::vector<std::string> resume_conflicts(const Config& before, const Config& now) {
  std::vector<std::string> keys;
  for (const Conflict& conflict : list_conflicts(before, now)) keys.push_back(conflict.key);
  return keys;
}

void adopt_resolved(const Config& before, Config& now) {
  const auto adopt = [](const std::string& was, std::string& is) {
    if (is == "auto") is = was;
  };
  adopt(before.model.dtype, now.model.dtype);
  adopt(before.model.device, now.model.device);
  adopt(before.data.chat_template, now.data.chat_template);
  adopt(before.training.gradient_checkpointing, now.training.gradient_checkpointing);
}

}  // namespace tptt
