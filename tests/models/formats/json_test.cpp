#include "models/formats/json.h"

#include <catch2/catch.hpp>

#include "models/formats/error.h"

using namespace tptt;
using Catch::Matchers::Contains;

TEST_CASE("duplicate keys and deep nesting are refused") {
  CHECK_THROWS_WITH(parse_json(R"({"a": 1, "a": 2})", "f.json"), Contains("duplicate key 'a'"));
  CHECK_THROWS_WITH(parse_json(std::string(100, '['), "f.json"), Contains("f.json"));
  CHECK_THROWS_WITH(parse_json("{", "f.json:3"), Contains("f.json:3: no valid JSON"));
}

TEST_CASE("values of every kind are what the text says") {
  const std::string text = R"({"a":[1,-2,2.5,"x",true,null,[],{}],"b":{"c":[{"d":{}}]},"e":1e3})";
  CHECK(parse_json(text, "f") == Json::parse(text));
  CHECK(parse_json("3", "f") == 3);
  CHECK_THROWS_WITH(parse_json("{} {}", "f"), Contains("no valid JSON"));
  CHECK_THROWS_WITH(parse_json("[1e999]", "f"), Contains("no valid JSON: number overflow"));
  CHECK(parse_json(std::string(64, '[') + std::string(64, ']'), "f").size() == 1);
  CHECK_THROWS_WITH(parse_json(std::string(65, '[') + std::string(65, ']'), "f"),
                    Contains("nested deeper than 64"));
}

TEST_CASE("numbers are what they say") {
  const Json json = parse_json(R"({"half": 2.5, "big": 1e30, "minus": -1, "one": 1})", "f");
  CHECK(json_int(json, "one", "f") == 1);
  CHECK(json_int(json, "minus", "f") == -1);
  CHECK_THROWS_AS(json_int(json, "half", "f"), Error);
  CHECK_THROWS_AS(json_int(json, "big", "f"), Error);
  CHECK_THROWS_WITH(json_int(json, "none", "f"), Contains("'none' is missing"));
}
