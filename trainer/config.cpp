#include "trainer/config.h"

#include <algorithm>

#include "models/formats/error.h"
#include "models/formats/json.h"
#include "trainer/config_keys.h"
#include "trainer/config_reader.h"

namespace tptt {
namespace {

using OrderedJson = nlohmann::ordered_json;

struct JsonWriter {
  OrderedJson& out;

  template <class Value>
  void operator()(const char* name, const Value& value, const Rule& rule, const char*) const {
    if constexpr (Section<Value>) {
      visit_keys(value, JsonWriter{out[name]});
    } else {
      if constexpr (std::is_same_v<Value, double>) {
        if (rule.adapter_only && value < 0) return;  // not known
      }
      if constexpr (std::is_same_v<Value, std::optional<int64_t>>) {
        if (value) out[name] = *value;
      } else {
        out[name] = value;
      }
    }
  }
};

/// JSON as the tree that the YAML gives, so that one reader checks both.
YamlNode tree_from_json(const Json& json, const std::string& where) {
  YamlNode node;
  node.where = where;
  if (json.is_object()) {
    node.kind = YamlNode::Kind::Map;
    for (const auto& [key, value] : json.items()) {
      YamlNode& name = node.keys.emplace_back();
      name.kind = YamlNode::Kind::Scalar;
      name.text = key;
      name.where = where;
      node.items.push_back(tree_from_json(value, where));
    }
  } else if (json.is_array()) {
    node.kind = YamlNode::Kind::List;
    for (const Json& item : json) node.items.push_back(tree_from_json(item, where));
  } else if (!json.is_null()) {
    node.kind = YamlNode::Kind::Scalar;
    node.plain = !json.is_string();
    node.text = json.is_string() ? json.get<std::string>() : json.dump();
  }
  return node;
}

}  // namespace

bool reports_to(const TrainingSection& training, const std::string& name) {
  const auto& names = training.report_to;
  return std::find(names.begin(), names.end(), name) != names.end();
}

Config load_config(const std::string& path, const std::vector<std::string>& overrides) {
  YamlNode root = read_yaml_file(path);
  if (root.kind == YamlNode::Kind::Null) {
    root.kind = YamlNode::Kind::Map;
    root.where = path;
  }
  for (const std::string& assignment : overrides) apply_override(root, assignment);
  return config_from_tree(root);
}

Config config_from_yaml(const std::string& text, const std::string& source) {
  return config_from_tree(parse_yaml(text, source));
}

std::string liza_to_json(const LizaConfig& liza) {
  OrderedJson json;
  visit_keys(liza, JsonWriter{json});
  return json.dump(2) + "\n";
}

LizaConfig liza_from_json(const std::string& text, const std::string& where) {
  const YamlNode root = tree_from_json(parse_json(text, where), where);
  try {
    return liza_from_tree(root);
  } catch (const UsageError& error) {
    throw Error(error.what());  // a wrong file, not a wrong command line
  }
}

}  // namespace tptt
