#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tptt {

/// A parsed YAML value. Scalars keep their text: what type it is, the reader of a key decides.
struct YamlNode {
  enum class Kind { Null, Scalar, List, Map };
  Kind kind = Kind::Null;
  std::string text;             // Scalar
  bool plain = false;           // Scalar without quotes
  std::string where;            // "file:line:column", or the override it came from
  std::vector<YamlNode> keys;   // Map: Scalar nodes, in file order, no two alike
  std::vector<YamlNode> items;  // List: elements; Map: values, beside keys

  /// The value of `key` in a Map, or null.
  const YamlNode* find(std::string_view key) const;
};

/// Parses one YAML document of at most 1 MiB, 32 levels and 50,000 values. Anchors, aliases, tags,
/// duplicate keys, control characters and a second document are refused. Without `positions` every
/// node's `where` is `source` itself. Throws UsageError.
YamlNode parse_yaml(const std::string& text, const std::string& source, bool positions = true);

/// Reads and parses a YAML file. Throws UsageError.
YamlNode read_yaml_file(const std::string& path);

/// Sets the value at the dotted path of `assignment` ("training.max_steps=20"; the value is a YAML
/// scalar or flow collection), making sections on the way. Throws UsageError.
void apply_override(YamlNode& root, const std::string& assignment);

/// What the node is, for messages: "the text 'abc'", "a list", "nothing".
std::string describe(const YamlNode& node);

}  // namespace tptt
