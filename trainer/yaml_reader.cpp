#include "trainer/yaml_reader.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "models/formats/error.h"

namespace tptt {
namespace {

constexpr size_t kMaxBytes = 1 << 20;
constexpr size_t kMaxDepth = 32;
constexpr size_t kMaxKeys = 256;  // bounds the search for duplicates
constexpr size_t kMaxNodes = 50'000;
constexpr std::ptrdiff_t kMaxFlow = 40'000;  // brackets and commas: yaml-cpp holds their tokens

/// Builds YamlNodes from yaml-cpp's events; its own Node type would follow aliases and keep
/// duplicate keys silently.
class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(const std::string& source, bool positions) : source_(source), positions_(positions) {}

  YamlNode root;

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    fail(mark, "aliases (*name) are not allowed: write the value out");
  }
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(make(YamlNode::Kind::Null, mark, "", anchor));
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    YamlNode node = make(YamlNode::Kind::Scalar, mark, tag, anchor);
    node.text = value;
    node.plain = tag == "?";
    add(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(make(YamlNode::Kind::List, mark, tag, anchor), mark);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(make(YamlNode::Kind::Map, mark, tag, anchor), mark);
  }
  void OnMapEnd() override { close(); }

 private:
  const std::string& source_;
  const bool positions_;
  size_t num_nodes_ = 0;
  std::vector<YamlNode> open_;  // collections that the current event lies in

  std::string where(const YAML::Mark& mark) const {
    if (!positions_) return source_;
    return source_ + ":" + std::to_string(mark.line + 1) + ":" + std::to_string(mark.column + 1);
  }

  [[noreturn]] void fail(const YAML::Mark& mark, const std::string& what) const {
    throw UsageError(where(mark) + ": " + what);
  }

  YamlNode make(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag,
                YAML::anchor_t anchor) {
    if (++num_nodes_ > kMaxNodes)
      fail(mark, "more than " + std::to_string(kMaxNodes) + " values: this is no configuration");
    if (anchor != 0) fail(mark, "anchors (&name) are not allowed: write the value out");
    if (!tag.empty() && tag != "?" && tag != "!") fail(mark, "tags (!" + tag + ") are not allowed");
    YamlNode node;
    node.kind = kind;
    node.where = where(mark);
    return node;
  }

  void open(YamlNode node, const YAML::Mark& mark) {
    if (open_.size() >= kMaxDepth) {
      fail(mark, "nested deeper than " + std::to_string(kMaxDepth) + " levels");
    }
    open_.push_back(std::move(node));
  }

  void close() {
    YamlNode node = std::move(open_.back());
    open_.pop_back();
    add(std::move(node));
  }

  void add(YamlNode node) {
    if (open_.empty()) {
      root = std::move(node);
      return;
    }
    YamlNode& parent = open_.back();
    if (parent.kind == YamlNode::Kind::Map && parent.keys.size() == parent.items.size()) {
      if (node.kind != YamlNode::Kind::Scalar) {
        throw UsageError(node.where + ": a key must be a name, got " + describe(node));
      }
      if (const YamlNode* first = parent.find(node.text)) {
        throw UsageError(node.where + ": key '" + node.text + "' is given twice (first at " +
                         first->where + "): remove one");
      }
      if (parent.keys.size() >= kMaxKeys) {
        throw UsageError(node.where + ": more than " + std::to_string(kMaxKeys) + " keys in a map");
      }
      parent.keys.push_back(std::move(node));
    } else {
      // yaml-cpp notices an empty value only at what follows it.
      const bool empty = node.kind == YamlNode::Kind::Null;
      if (empty && parent.kind == YamlNode::Kind::Map) node.where = parent.keys.back().where;
      parent.items.push_back(std::move(node));
    }
  }
};

void check_text(const std::string& text, const std::string& source) {
  if (text.size() > kMaxBytes) {
    throw UsageError(source + ": larger than 1 MiB: this is no configuration file");
  }
  const auto is_flow = [](char c) {
    return std::string_view("[]{},").find(c) != std::string::npos;
  };
  if (std::count_if(text.begin(), text.end(), is_flow) > kMaxFlow)
    throw UsageError(source + ": more than " + std::to_string(kMaxFlow) +
                     " brackets and commas: this is no configuration file");
  // yaml-cpp takes byte 4 for the end of the file and would silently drop what follows.
  const auto bad = std::find_if(text.begin(), text.end(), [](unsigned char c) {
    return c < 0x20 && c != '\n' && c != '\r' && c != '\t';
  });
  if (bad == text.end()) return;
  const auto line = 1 + std::count(text.begin(), bad, '\n');
  throw UsageError(source + ":" + std::to_string(line) +
                   ": holds a control character: a configuration is plain UTF-8 text");
}

}  // namespace

const YamlNode* YamlNode::find(std::string_view key) const {
  for (size_t i = 0; i < items.size() && i < keys.size(); ++i) {
    if (keys[i].text == key) return &items[i];
  }
  return nullptr;
}

std::string describe(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::Null:
      return "nothing";
    case YamlNode::Kind::List:
      return "a list";
    case YamlNode::Kind::Map:
      return "a map";
    case YamlNode::Kind::Scalar:
      break;
  }
  constexpr size_t kShown = 60;
  const std::string shown =
      node.text.size() > kShown ? node.text.substr(0, kShown) + "..." : node.text;
  return node.plain ? shown : "the text \"" + shown + "\"";
}

YamlNode parse_yaml(const std::string& text, const std::string& source, bool positions) {
  check_text(text, source);
  TreeBuilder builder(source, positions);
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    parser.HandleNextDocument(builder);
    TreeBuilder rest(source, positions);
    if (parser.HandleNextDocument(rest)) {
      throw UsageError(rest.root.where + ": a second document starts here: keep only one");
    }
  } catch (const YAML::Exception& error) {
    std::string where = source;
    if (positions && !error.mark.is_null()) {
      where +=
          ":" + std::to_string(error.mark.line + 1) + ":" + std::to_string(error.mark.column + 1);
    }
    throw UsageError(where + ": not valid YAML: " + error.msg);
  }
  return std::move(builder.root);
}

YamlNode read_yaml_file(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    throw UsageError(path + ": no such file: expected a YAML configuration (see configs/)");
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) throw UsageError(path + ": cannot be opened for reading");
  const auto size = std::filesystem::file_size(path, error);
  std::string text(std::min<uintmax_t>(error ? 0 : size, kMaxBytes + 1), '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(file.gcount()));
  return parse_yaml(text, path);
}

void apply_override(YamlNode& root, const std::string& assignment) {
  const std::string source = "override '" + assignment + "'";
  const size_t equals = assignment.find('=');
  if (equals == std::string::npos || equals == 0) {
    throw UsageError(source + ": expected key=value, such as training.max_steps=20");
  }
  YamlNode value = parse_yaml(assignment.substr(equals + 1), source, false);
  value.where = source;
  YamlNode* node = &root;
  std::istringstream path(assignment.substr(0, equals) + ".");
  for (std::string key; std::getline(path, key, '.');) {
    if (node->kind == YamlNode::Kind::Null) {
      node->kind = YamlNode::Kind::Map;
      node->where = source;
    }
    if (node->kind != YamlNode::Kind::Map) {
      throw UsageError(source + ": '" + key + "' cannot be set inside " + describe(*node));
    }
    if (const YamlNode* found = node->find(key)) {
      node = const_cast<YamlNode*>(found);
      continue;
    }
    YamlNode& name = node->keys.emplace_back();
    name.kind = YamlNode::Kind::Scalar;
    name.text = key;
    name.where = source;
    node = &node->items.emplace_back();
    node->where = source;
  }
  *node = std::move(value);
}

}  // namespace tptt
