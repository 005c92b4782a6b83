#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

#include "data/dataset.h"
#include "models/formats/json.h"

using namespace tptt;

namespace {

std::vector<Row> sample_rows(const std::string& name) {
  return read_rows(std::string(TPTT_SOURCE_DIR) + "/data/samples/" + name, "auto", 0);
}

Json answer_of(const Row& row) {
  return parse_json(row.messages.back().content, row.where);
}

// What is said of an item but its quantity.
std::set<Json> combinations(const std::vector<Row>& rows) {
  std::set<Json> out;
  for (const Row& row : rows) {
    const Json answer = answer_of(row);
    for (const Json& item : answer["items"]) out.insert(Json::array({item[1], item[2], item[3]}));
  }
  return out;
}

}  // namespace

TEST_CASE("the sample task's files hold what their README says") {
  const auto train = sample_rows("train.jsonl"), heldout = sample_rows("heldout.jsonl");
  CHECK(train.size() == 500);
  CHECK(heldout.size() == 100);
  for (const auto& rows : {train, heldout}) {
    for (const Row& row : rows) {
      INFO(row.where);
      REQUIRE(row.messages.size() == 2);
      const Json answer = answer_of(row);
      CHECK(answer.size() == 1 + answer.count("note"));
      REQUIRE((answer["items"].size() == 1 || answer["items"].size() == 2));
      for (const Json& item : answer["items"]) {
        REQUIRE(item.size() == 4);
        CHECK((item[0] >= 1 && item[0] <= 12));
        CHECK((item[1].is_string() || item[1].is_null()));
        CHECK((item[2].is_string() || item[2].is_null()));
        CHECK(item[3].is_string());
      }
    }
  }
}

TEST_CASE("no held-out combination of size, color and item is in the training rows") {
  const auto train = combinations(sample_rows("train.jsonl"));
  for (const Json& combination : combinations(sample_rows("heldout.jsonl"))) {
    INFO(combination.dump());
    CHECK(train.count(combination) == 0);
  }
}
