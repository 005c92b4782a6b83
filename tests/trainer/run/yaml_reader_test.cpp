#include "trainer/yaml_reader.h"

#include <catch2/catch.hpp>

#include "models/formats/error.h"
#include "tests/temp_dir.h"

using namespace tptt;
using Catch::Contains;

namespace {
std::string refusal(const std::string& text) {
  return message_of<UsageError>([&] { parse_yaml(text, "f"); });
}
}  // namespace

TEST_CASE("a tree keeps text, quotes and places") {
  const YamlNode root = parse_yaml("a:\n  b: 'x y'\n  c: [1, two]\n", "f");
  const YamlNode* b = root.find("a")->find("b");
  CHECK(b->text == "x y");
  CHECK_FALSE(b->plain);
  CHECK(b->where == "f:2:6");
  CHECK(root.find("a")->find("c")->items.at(1).plain);
  CHECK(root.find("z") == nullptr);
  CHECK(parse_yaml("", "f").kind == YamlNode::Kind::Null);
}

TEST_CASE("anchors, aliases, tags and merge keys are refused") {
  CHECK_THAT(refusal("a: &x 1"), Contains("f:1:") && Contains("anchors"));
  CHECK_THAT(refusal("a: &x {b: *x}"), Contains("anchors"));
  CHECK_THAT(refusal("a: *x"), Contains("f:1:"));
  CHECK_THAT(refusal("a: !!binary aGk="), Contains("tags"));
  CHECK_THAT(refusal("a: !x [1]"), Contains("tags"));
}

TEST_CASE("documents of no use are refused with their place") {
  CHECK_THAT(refusal("a: 1\nb: [1, 2\nc: 3\n"), Contains("f:") && Contains("not valid YAML"));
  CHECK_THAT(refusal("a: 1\n---\nb: 2\n"), Contains("second document"));
  CHECK_THAT(refusal("a: 1\na: 2\n"), Contains("f:2:1: key 'a' is given twice (first at f:1:4)"));
  CHECK_THAT(refusal("? [a]\n: 1\n"), Contains("a key must be a name"));
  CHECK_THAT(refusal(std::string("a: 1\nb: 2\x04\n")), Contains("f:2: holds a control character"));
}

TEST_CASE("size, depth and number of keys are bounded") {
  CHECK_THAT(refusal(std::string((1 << 20) + 1, ' ')), Contains("1 MiB"));
  CHECK_THAT(refusal(std::string(33, '[') + std::string(33, ']')), Contains("deeper than 32"));
  CHECK(parse_yaml(std::string(32, '[') + std::string(32, ']'), "f").items.size() == 1);
  CHECK_THAT(refusal(std::string(10000, '[')), Contains("deeper than 32"));
  CHECK_THAT(refusal(std::string(100000, '[')), Contains("more than 40000 brackets and commas"));
  std::string keys, values;
  for (int i = 0; i < 60000; ++i) values += "- 1\n";
  CHECK_THAT(refusal(values), Contains("more than 50000 values"));
  for (int i = 0; i < 1000; ++i) keys += "k" + std::to_string(i) + ": 1\n";
  CHECK_THAT(refusal(keys), Contains("more than 256 keys"));
}

TEST_CASE("a missing file is named") {
  CHECK_THAT(message_of<UsageError>([] { read_yaml_file("/nonexistent.yaml"); }),
             Contains("/nonexistent.yaml: no such file"));
  CHECK_THAT(message_of<UsageError>([] { read_yaml_file("/tmp"); }), Contains("no such file"));
}
