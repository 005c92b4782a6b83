#include "trainer/config.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "models/formats/error.h"

using namespace tptt;
using Catch::Matchers::Contains;

namespace {

constexpr const char* kMinimal =
    "model: {name_or_path: m}\ndata: {train: [{path: a.jsonl}]}\ntraining: {output_dir: out}\n";

Config load(const std::string& text, const std::vector<std::string>& overrides = {}) {
  const auto path = std::filesystem::temp_directory_path() /
                    ("tptt_config_" + std::to_string(getpid()) + ".yaml");
  std::ofstream(path) << text;
  return load_config(path.string(), overrides);
}

}  // namespace

TEST_CASE("an unknown key is named with its place and the nearest known one") {
  CHECK_THROWS_WITH(load(std::string(kMinimal) + "lora: {lora_alfa: 4}\n"),
                    Contains(":4:8") && Contains("lora.lora_alfa") && Contains("'lora_alpha'"));
}

TEST_CASE("wrong types, ranges, duplicates and aliases are refused") {
  const std::string minimal = kMinimal;
  for (const char* bad :
       {"lora: {r: four}", "lora: {r: 4.5}", "lora: {r: 010}", "lora: {r: 0}", "lora: {r: \"4\"}",
        "lora: {r: [4]}", "lora: {lora_dropout: 1}", "lora: {lora_alpha: .inf}",
        "lora: {r: 4, r: 5}", "lora: &a {r: 4}", "liza: {operator_mode: delta}",
        "liza: {implementation: tptt}", "liza: {mag: {mag_weight: 0}}"}) {
    INFO(bad);
    CHECK_THROWS_AS(load(minimal + bad), UsageError);
  }
  CHECK_THROWS_WITH(load("model: {name_or_path: m}\n"), Contains("data"));
}

TEST_CASE("what is written reads back the same") {
  Config config = load(std::string(kMinimal) + "liza: {mag: {mode: gradual}}\n",
                       {"training.max_steps=20", "lora.target_modules=all-linear"});
  CHECK(config.training.max_steps == 20);
  CHECK(config.lora.target_modules == std::vector<std::string>{"all-linear"});
  const Config again = load(to_yaml(config));
  CHECK(to_yaml(again) == to_yaml(config));
  CHECK(resume_conflicts(config, again).empty());
  config.training.learning_rate *= 2;
  CHECK(resume_conflicts(config, again) == std::vector<std::string>{"training.learning_rate"});
  config.training.learning_rate = again.training.learning_rate;
  config.training.max_steps = 40;
  CHECK(resume_conflicts(config, again).empty());
}

TEST_CASE("liza_config.json travels and refuses unknown keys") {
  LizaConfig liza;
  liza.mag.effective_weight = 0.25;
  CHECK(liza_from_json(liza_to_json(liza), "f").mag.effective_weight == 0.25);
  CHECK_THROWS_WITH(liza_from_json(R"({"operator": "x"})", "liza_config.json"),
                    Contains("liza_config.json"));
}

TEST_CASE("configs/README.md holds the reference made from the code") {
  std::ifstream in(TPTT_SOURCE_DIR "/configs/README.md");
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  CHECK(text.find(config_reference()) != std::string::npos);
}
