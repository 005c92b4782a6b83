#include <catch2/catch.hpp>
#include <filesystem>

#include "models/formats/json.h"
#include "tests/temp_dir.h"
#include "tests/trainer/tiny_run.h"

using namespace tptt;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;

TEST_CASE("benchmarks run before and after training, and are compared") {
  const TempDir dir;
  write_tiny_model(dir.path);
  const std::string data = std::string(TPTT_SOURCE_DIR) + "/tests/golden/benchmarks";
  const std::string config =
      write_tiny_config(dir.path, 12,
                        "liza: {operator_mode: gated_delta_rule}\nevaluation:\n  tasks:\n    - "
                        "{name: mmlu_virology, data: " +
                            data + "/mmlu, num_fewshot: 2}\n    - {name: piqa, data: " + data +
                            "/eval/piqa.jsonl, limit: 4}\n");
  const Outcome outcome = run_tptt("train " + config);
  INFO(outcome.text);
  REQUIRE(outcome.code == 0);
  const fs::path run = dir.path / "run";
  const Json benchmarks = read_json_file(run / "results.json")["benchmarks"];
  CHECK(benchmarks["before"]["mmlu_virology"]["sample_len"] == 10);
  CHECK(benchmarks["after"]["piqa"]["sample_len"] == 4);
  REQUIRE(benchmarks["changes"].size() == 4);  // acc; acc and acc_norm; acc of both
  CHECK_THAT(read_text(run / "report.html"), Contains("mmlu_virology") && Contains("95% interval"));
  // The base model's scores are those of `tptt eval` without the adapter.
  const Outcome base =
      run_tptt("eval " + (dir.path / "model").string() +
               " --task mmlu_virology --num-fewshot 2 --data " + data + "/mmlu --json");
  REQUIRE(base.code == 0);
  CHECK(parse_json(base.text, "eval")["results"]["mmlu_virology"]["acc,none"] ==
        benchmarks["before"]["mmlu_virology"]["acc,none"]);
  const std::string linear = "train " + config + " 'evaluation.branches=[mixed, linear]'";
  REQUIRE(run_tptt(linear).code == 0);  // asks what was not asked
  const Json more = read_json_file(run / "results.json")["benchmarks"];
  CHECK(more["after"] == benchmarks["after"]);
  CHECK(more["branches"]["linear"]["changes"][0]["first"] ==
        benchmarks["after"]["mmlu_virology"]["acc,none"]);
  REQUIRE(std::distance(fs::directory_iterator(run / "evaluation"), {}) == 1);
  const fs::path asked = *fs::directory_iterator(run / "evaluation");
  CHECK(fs::exists(asked / "step_000006.linear.samples.jsonl"));
  CHECK_THAT(run_tptt("train " + config + " 'evaluation.branches=[mixed, window]'").text,
             Contains("needs liza.max_self_attn_length"));
  CHECK_THAT(run_tptt("train " + config + " evaluation.branches=[linear]").text,
             Contains("must have mixed"));
  fs::remove_all(run / "evaluation");
  const Outcome again = run_tptt("train " + config + " evaluation.before=false");
  INFO(again.text);
  REQUIRE(again.code == 0);
  CHECK_FALSE(read_json_file(run / "results.json")["benchmarks"].contains("before"));
}

TEST_CASE("a benchmark that cannot be read ends a run before it begins") {
  const TempDir dir;
  write_tiny_model(dir.path);
  const std::string config = write_tiny_config(dir.path);
  const auto with = [&](const std::string& task) {
    return run_tptt("train " + config + " 'evaluation.tasks=[" + task + "]'");
  };
  CHECK_THAT(with("{name: chess, data: x}").text, Contains("task 'chess': expected"));
  CHECK_THAT(with("{name: piqa, data: nowhere.jsonl}").text, Contains("nowhere.jsonl"));
  CHECK_THAT(with("{name: piqa}").text, Contains("evaluation.tasks.data"));
  CHECK_FALSE(fs::exists(dir.path / "run/metrics.jsonl"));
}
