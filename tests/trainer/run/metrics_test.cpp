#include "trainer/metrics.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "models/formats/error.h"
#include "tests/temp_dir.h"

using namespace tptt;

TEST_CASE("a row is one line with the fields that are set") {
  CHECK(to_json_line({.step = 3, .epoch = 0.5, .loss = 2.25, .target_tokens = 10}) ==
        R"({"step":3,"epoch":0.5,"loss":2.25,"target_tokens":10})");
  CHECK(to_json_line({.step = 1, .loss = std::numeric_limits<double>::quiet_NaN()}) ==
        R"({"step":1,"epoch":0.0,"loss":null})");
  const LizaMetrics liza{{0.5, std::nullopt}, {1.5, std::nullopt}, {2, std::nullopt}, {3, {}}};
  CHECK(to_json_line({.step = 1, .liza = liza}) ==
        R"({"step":1,"epoch":0.0,"liza":{"mag_weight":[0.5,null],"softmax_rms":[1.5,null],)"
        R"("linear_rms":[2.0,null],"state_norm":[3.0,null]}})");
}

TEST_CASE("resuming drops later rows and a cut last line") {
  const TempDir dir;
  const auto path = dir.path / "metrics.jsonl";
  truncate_metrics(path, 0);
  CHECK_FALSE(std::filesystem::exists(path));
  for (const int64_t step : {1, 2, 3}) append_metrics(path, {.step = step, .loss = 1.0});
  const std::string whole = read_text(path);
  write_text(path, whole + R"({"step":4,"lo)");
  truncate_metrics(path, 9);
  CHECK(read_text(path) == whole);
  truncate_metrics(path, 2);
  append_metrics(path, {.step = 3, .eval_loss = 0.5});
  CHECK(read_text(path) ==
        "{\"step\":1,\"epoch\":0.0,\"loss\":1.0}\n"
        "{\"step\":2,\"epoch\":0.0,\"loss\":1.0}\n"
        "{\"step\":3,\"epoch\":0.0,\"eval_loss\":0.5}\n");
}

TEST_CASE("metrics that cannot be written are an error") {
  CHECK_THROWS_AS(append_metrics("/nonexistent/metrics.jsonl", {.step = 1}), Error);
}

TEST_CASE("rows are read back as they were written") {
  const TempDir dir;
  const auto path = dir.path / "metrics.jsonl";
  CHECK(read_metrics(path).empty());
  const MetricsRow train{.step = 3,
                         .epoch = 0.5,
                         .loss = 2.25,
                         .target_tokens = 10,
                         .liza = LizaMetrics{{0.5, std::nullopt}, {1.5, 1}, {2, 2}, {3, {}}}};
  append_metrics(path, train);
  append_metrics(path, {.step = 4, .loss = std::numeric_limits<double>::quiet_NaN()});
  const auto rows = read_metrics(path);
  REQUIRE(rows.size() == 2);
  CHECK(to_json_line(rows[0]) == to_json_line(train));
  CHECK(std::isnan(rows[1].loss.value()));
  for (const char* bad : {"{", "{}", R"({"step":1,"epoch":0,"loss":"x"})",
                          R"({"step":1,"epoch":0,"liza":{"mag_weight":3}})",
                          R"({"step":1,"epoch":0,"liza":{"mag_weight":["3"]}})"}) {
    write_text(path, std::string(bad) + "\n");
    CHECK_THAT(message_of<Error>([&] { read_metrics(path); }), Catch::Contains("metrics.jsonl:1"));
  }
}
