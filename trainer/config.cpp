#include "trainer/config.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "data/chat_templates.h"
#include "models/formats/error.h"
#include "models/formats/json.h"
#include "trainer/config_keys.h"
#include "trainer/nearest.h"
#include "trainer/yaml_reader.h"

namespace tptt {

std::vector<std::string> chat_template_choices() {
  std::vector<std::string> names = chat_template_names();
  names.insert(names.begin(), "auto");
  return names;
}

bool is_cuda_device(const std::string& text) {
  return text.starts_with("cuda:") && text.size() > 5 && text.size() < 9 &&
         text.find_first_not_of("0123456789", 5) == std::string::npos;
}

namespace {

[[noreturn]] void wrong(const YamlNode& node, const std::string& path,
                        const std::string& expected) {
  throw UsageError(node.where + ": '" + path + "' must be " + expected + ", got " + describe(node));
}

template <class Number>
bool parse_whole(const std::string& text, Number& value) {
  const char* begin = text.data() + (text.size() > 1 && text[0] == '+');
  const auto [end, error] = std::from_chars(begin, text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

bool has_leading_zero(const std::string& text) {
  const size_t at = text.find_first_not_of("+-");
  return at != std::string::npos && text[at] == '0' && at + 1 < text.size() &&
         text[at + 1] >= '0' && text[at + 1] <= '9';
}

std::string short_number(double value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

std::string range_text(const Rule& rule) {
  std::string text;
  if (std::isfinite(rule.min))
    text += std::string(rule.open_min ? " above " : " from ") + short_number(rule.min);
  if (std::isfinite(rule.max))
    text += std::string(rule.open_max ? " below " : " up to ") + short_number(rule.max);
  return text;
}

void check_range(const YamlNode& node, const std::string& path, const Rule& rule, double value,
                 const char* kind) {
  const bool low = rule.open_min ? value <= rule.min : value < rule.min;
  const bool high = rule.open_max ? value >= rule.max : value > rule.max;
  if (low || high) wrong(node, path, kind + range_text(rule));
}

void read_value(const YamlNode& node, const std::string& path, const Rule& rule, int64_t& out) {
  if (node.kind != YamlNode::Kind::Scalar || !node.plain || has_leading_zero(node.text) ||
      !parse_whole(node.text, out))
    wrong(node, path, "a whole number" + range_text(rule));
  check_range(node, path, rule, double(out), "a whole number");
}

void read_value(const YamlNode& node, const std::string& path, const Rule& rule, double& out) {
  if (node.kind != YamlNode::Kind::Scalar || !node.plain || has_leading_zero(node.text) ||
      !parse_whole(node.text, out) || !std::isfinite(out))
    wrong(node, path, "a number" + range_text(rule));
  check_range(node, path, rule, out, "a number");
}

void read_value(const YamlNode& node, const std::string& path, const Rule&, bool& out) {
  if (node.kind != YamlNode::Kind::Scalar || !node.plain ||
      (node.text != "true" && node.text != "false"))
    wrong(node, path, "true or false");
  out = node.text == "true";
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

void read_value(const YamlNode& node, const std::string& path, const Rule& rule, std::string& out) {
  if (node.kind != YamlNode::Kind::Scalar) wrong(node, path, "a text");
  out = node.text;
  if (rule.choices.empty()) return;
  for (const auto& choice : rule.choices)
    if (out == choice) return;
  if (rule.fits && rule.fits(out)) return;
  const std::string expected =
      "one of: " + joined(rule.choices) + (rule.fits ? std::string(", ") + rule.fits_text : "");
  for (const auto& later : rule.not_yet)
    if (out == later)
      throw UsageError(node.where + ": '" + path + "': " + out +
                       " is not supported yet; expected " + expected);
  wrong(node, path, expected);
}

void read_value(const YamlNode& node, const std::string& path, const Rule&,
                std::vector<std::string>& out) {
  out.clear();
  if (node.kind == YamlNode::Kind::Scalar) out.push_back(node.text);
  if (node.kind == YamlNode::Kind::List)
    for (const YamlNode& item : node.items) {
      if (item.kind != YamlNode::Kind::Scalar) wrong(item, path, "a list of names");
      out.push_back(item.text);
    }
  for (const std::string& name : out)
    if (name.empty()) wrong(node, path, "a list of names or all-linear");
  if (out.empty()) wrong(node, path, "a list of names or all-linear");
}

template <Section T>
void read_section(const YamlNode& node, const std::string& path, T& out, bool adapter);

void read_value(const YamlNode& node, const std::string& path, const Rule&,
                std::vector<DataFile>& out) {
  if (node.kind != YamlNode::Kind::List) wrong(node, path, "a list of {path, format, limit}");
  out.clear();
  for (const YamlNode& item : node.items)
    read_section(item, path + "[" + std::to_string(out.size()) + "]", out.emplace_back(), false);
}

template <Section T>
void read_value(const YamlNode& node, const std::string& path, const Rule&, T& out, bool adapter) {
  read_section(node, path, out, adapter);
}

void read_value(const YamlNode& node, const std::string& path, const Rule&,
                std::optional<LizaConfig>& out, bool adapter) {
  if (node.kind == YamlNode::Kind::Scalar && node.text == "none") return out.reset();
  read_section(node, path, out.emplace(), adapter);
}

template <Section T>
void read_section(const YamlNode& node, const std::string& path, T& out, bool adapter) {
  if (node.kind == YamlNode::Kind::Null) return;
  if (node.kind != YamlNode::Kind::Map)
    wrong(node, path.empty() ? "the configuration" : path, "a map of keys");
  std::vector<std::string> known;
  visit_keys(out, [&](const char* name, auto& member, const Rule& rule, const char*) {
    if (rule.adapter_only && !adapter) return;
    known.push_back(name);
    const YamlNode* value = node.find(name);
    const std::string full = path.empty() ? name : path + "." + name;
    if (!value) {
      if (rule.required)
        throw UsageError(node.where + ": key '" + full + "' is missing; it is required");
      return;
    }
    if constexpr (requires { read_value(*value, full, rule, member, adapter); }) {
      read_value(*value, full, rule, member, adapter);
    } else {
      read_value(*value, full, rule, member);
    }
  });
  for (const YamlNode& key : node.keys) {
    if (std::find(known.begin(), known.end(), key.text) != known.end()) continue;
    throw UsageError(key.where + ": key '" + (path.empty() ? "" : path + ".") + key.text +
                     "' is unknown; did you mean '" + nearest(key.text, known) + "'?");
  }
}

void check_together(const Config& c, const std::string& path) {
  if (c.data.train.empty()) throw UsageError(path + ": data.train must list at least one file");
  if (c.liza && c.liza->mag.mode == "learned" &&
      (c.liza->mag.mag_weight <= 0 || c.liza->mag.mag_weight >= 1))
    throw UsageError(path + ": liza.mag.mag_weight must be above 0 and below 1 with mode learned");
}

}  // namespace

Config load_config(const std::string& path, const std::vector<std::string>& overrides) {
  YamlNode root = read_yaml_file(path);
  for (const std::string& override : overrides) apply_override(root, override);
  if (root.where.empty()) root.where = path;
  Config config;
  if (root.kind == YamlNode::Kind::Null)
    throw UsageError(path + ": is empty; see configs/README.md");
  read_section(root, "", config, false);
  for (const char* section : {"model", "data", "training"})
    if (!root.find(section))
      throw UsageError(path + ": section '" + section + "' is missing; it is required");
  check_together(config, path);
  return config;
}

LizaConfig liza_from_json(const std::string& text, const std::string& where) {
  parse_json(text, where);  // JSON, not the YAML superset; duplicate keys refused
  LizaConfig liza;
  read_section(parse_yaml(text, where, false), "liza", liza, true);
  return liza;
}

}  // namespace tptt
