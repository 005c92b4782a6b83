#include "trainer/train.h"

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <csignal>
#include <sstream>
#include <thread>

#include "models/formats/json.h"
#include "tests/temp_dir.h"
#include "tests/trainer/tiny_run.h"

using namespace tptt;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;

namespace {

std::vector<double> losses_of(const fs::path& run) {
  std::vector<double> losses;
  for (const Json& row : metrics_of(run))
    if (row.contains("loss")) losses.push_back(row["loss"]);
  return losses;
}

std::string output(const fs::path& run) {
  return " training.output_dir=" + run.string();
}

/// `tptt eval` of the run's adapter on its own evaluation rows.
Outcome eval_loss(const fs::path& dir, const fs::path& run) {
  std::istringstream all(read_text(dir / "rows.jsonl"));
  std::string rows;
  int count = 0;
  for (std::string line; count < 4 && std::getline(all, line); ++count) rows += line + "\n";
  write_text(dir / "eval.jsonl", rows);
  return run_tptt("eval " + (dir / "model").string() + " --adapter " + (run / "adapter").string() +
                  " --task perplexity --num-threads 1 --json --data " +
                  (dir / "eval.jsonl").string());
}

constexpr const char* kLiza = "liza: {operator_mode: gated_delta_rule}\n";

}  // namespace

TEST_CASE("a run leaves what its documentation says") {
  const TempDir dir;
  write_tiny_model(dir.path);
  const Outcome outcome = run_tptt("train " + write_tiny_config(dir.path, 12, kLiza));
  INFO(outcome.text);
  REQUIRE(outcome.code == 0);
  const fs::path run = dir.path / "run";
  for (const char* name :
       {"config.yaml", "run.json", "metrics.jsonl", "results.json", "samples_before.json",
        "report.html", "adapter/adapter_config.json", "adapter/adapter_model.safetensors",
        "adapter/liza_config.json", "adapter/liza.safetensors", "adapter/README.md",
        "checkpoints/step-000004/manifest.json", "checkpoints/step-000006/optimizer.safetensors"})
    CHECK(fs::exists(run / name));
  CHECK_FALSE(fs::exists(run / "checkpoints/step-000002"));  // save_total_limit
  CHECK_THAT(outcome.text, Contains("evaluation  4 rows") && Contains("step 6: eval loss ") &&
                               Contains("; 95% ") && Contains("try it      tptt generate "));
  const auto rows = metrics_of(run);
  CHECK(rows.front().contains("eval_loss"));
  CHECK(rows.back()["eval_loss"].get<double>() < rows.front()["eval_loss"].get<double>());
  for (const char* key : {"step", "epoch", "loss", "learning_rate", "mag_weight", "grad_norm",
                          "target_tokens", "tokens_per_second", "step_seconds", "peak_rss_gb"})
    CHECK(rows[1].contains(key));
  const Json files = read_json_file(run / "run.json")["files"];
  CHECK(files.size() == 5);  // weights, configuration, two of the tokenizer, rows
}

TEST_CASE("a dry run checks, forecasts and leaves nothing") {
  const TempDir dir;
  write_tiny_model(dir.path);
  const std::string config = write_tiny_config(dir.path, 12, kLiza);
  const Outcome outcome = run_tptt("train " + config + " --dry-run");
  CHECK(outcome.code == 0);
  CHECK(outcome.text.find("GB peak memory") != std::string::npos);
  CHECK_FALSE(fs::exists(dir.path / "run"));
}

TEST_CASE("bench says where a step's time goes and leaves nothing") {
  const TempDir dir;
  write_tiny_model(dir.path);
  const std::string bench = "bench " + write_tiny_config(dir.path, 12, kLiza) + " --steps 3";
  const Outcome table = run_tptt(bench);
  INFO(table.text);
  REQUIRE(table.code == 0);
  CHECK_THAT(table.text, Contains("medians of 3 steps") && Contains("backward") &&
                             Contains("GFLOP/s") && Contains("GB at most"));
  const Outcome json = run_tptt(bench + " --json");
  REQUIRE(json.code == 0);
  const Json n = parse_json(json.text.substr(json.text.find("\n{")), "bench");
  const auto seconds = [&](const char* part) {
    return n[part + std::string("_seconds")].get<double>();
  };
  for (const char* part : {"data", "forward", "backward", "optimiser"}) {
    CHECK(seconds(part) > 0);
    CHECK(seconds(part) < seconds("step"));
  }
  CHECK(n["tokens_per_second"].get<double>() * seconds("step") ==
        Approx(n["tokens"].get<double>()));
  CHECK(n["gemm_fraction"].get<double>() * n["gemm_peak_gflops"].get<double>() ==
        Approx(n["gemm_gflops"].get<double>()));
  CHECK_FALSE(fs::exists(dir.path / "run"));
}

// LibTorch and Arrow in one process.
TEST_CASE("a Parquet file trains as the same rows in JSONL do") {
  const TempDir dir;
  write_tiny_model(dir.path);
  const std::string train =
      "train " + write_tiny_config(dir.path) + " data.eval=[] data.chat_template=chatml ";
  const std::string rows = TPTT_SOURCE_DIR "/tests/golden/parquet/rows";
  for (const std::string name : {"jsonl", "parquet"}) {
    const Outcome outcome = run_tptt(train + "\"data.train=[{path: " + rows + "." + name + "}]\"" +
                                     output(dir.path / name));
    INFO(outcome.text);
    REQUIRE(outcome.code == 0);
    const bool cached = outcome.text.find("tokens from cache") != std::string::npos;
    CHECK(cached == (name == "parquet"));
  }
  CHECK(adapter_of(dir.path / "parquet") == adapter_of(dir.path / "jsonl"));
}

TEST_CASE("a run writes the records that report_to names") {
  const TempDir dir;
  write_tiny_model(dir.path);
  const std::string train = "train " + write_tiny_config(dir.path) + " training.max_steps=1 ";
  const auto names = [&](const std::string& report_to) {
    const fs::path run = dir.path / report_to;
    REQUIRE(run_tptt(train + "training.report_to=[" + report_to + "]" + output(run)).code == 0);
    std::string found;
    for (const auto& entry : fs::directory_iterator(run)) {
      const std::string name = entry.path().filename().string();
      if (name == "metrics.jsonl") found += "m";
      if (name.starts_with("events.out.tfevents.")) found += "e";
      if (name == "report.html" || name == "samples_before.json") found += "h";
    }
    return found;
  };
  CHECK(names("jsonl") == "m");
  CHECK(names("tensorboard") == "e");
  CHECK(names("html,jsonl").size() == 3);
}

TEST_CASE("a report asks the rows as they were read: columns, template, bad rows and all") {
  const TempDir dir;
  write_tiny_model(dir.path);
  const std::string config = write_tiny_config(dir.path);
  write_text(dir.path / "odd.jsonl", R"({"q": "one", "a": "two"})"
                                     "\nno row\n");
  const std::string files = "[{path: " + (dir.path / "odd.jsonl").string() + ", format: template}]";
  const Outcome outcome =
      run_tptt("train " + config + " 'data.train=" + files +
               "' data.eval=[] data.columns.completion=a data.skip_bad_rows=true "
               "'data.prompt_template=\"Q: {q} A:\"' training.max_steps=1");
  INFO(outcome.text);
  REQUIRE(outcome.code == 0);
  CHECK_THAT(read_text(dir.path / "run/report.html"), Contains("Q: one A:"));
}

TEST_CASE("a resumed run's report has what was said before training") {
  const TempDir dir;
  write_tiny_model(dir.path);
  const std::string train = "train " + write_tiny_config(dir.path, 12, kLiza) + " ";
  const fs::path run = dir.path / "run", page = run / "report.html";
  REQUIRE(run_tptt(train + "training.max_steps=3").code == 0);
  const std::string before = read_text(run / "samples_before.json");
  CHECK_THAT(read_text(page), Contains("finished after 3 of 3 steps"));
  REQUIRE(run_tptt(train).code == 0);
  CHECK(read_text(run / "samples_before.json") == before);
  const std::string whole = read_text(page);
  CHECK_THAT(whole, Contains("finished after 6 of 6 steps") && Contains("paired bootstrap"));
  CHECK_THAT(whole, Contains("count to 3:") && Contains("before training</span>") &&
                        Contains("after training</span>") && Contains("layer 0"));
  CHECK_THAT(run_tptt(train).text, Contains("nothing left to do"));
  CHECK(read_text(page) == whole);
  fs::remove(run / "samples_before.json");
  REQUIRE(run_tptt(train + "training.max_steps=7").code == 0);
  CHECK_THAT(read_text(page), Contains("without samples_before.json"));
  write_text(run / "samples_before.json", "{}");
  CHECK_THAT(run_tptt(train + "training.max_steps=8").text,
             Contains("samples_before.json: eval_losses must be a list"));
}

TEST_CASE("the loss is the mean over all targets of the accumulated batch") {
  const TempDir dir;
  write_tiny_model(dir.path);
  const std::string train = "train " + write_tiny_config(dir.path, 12, kLiza) +
                            " lora.lora_dropout=0 training.max_steps=3 ";
  const auto run = [&](const std::string& name, const std::string& overrides) {
    REQUIRE(run_tptt(train + overrides + output(dir.path / name)).code == 0);
    return losses_of(dir.path / name);
  };
  const auto whole = run("whole", "training.per_device_train_batch_size=4");
  const auto parts = run("parts",
                         "training.per_device_train_batch_size=1 "
                         "training.gradient_accumulation_steps=4");
  REQUIRE(whole.size() == 3);
  for (size_t i = 0; i < whole.size(); ++i) CHECK(parts[i] == Approx(whole[i]).epsilon(1e-5));
}

TEST_CASE("a resumed run ends with the bytes of one that was never stopped") {
  const TempDir dir;
  write_tiny_model(dir.path);
  const std::string liza =
      GENERATE(as<std::string>(), kLiza,
               "liza: {mag: {mode: gradual, final_weight: 1, transition_step: 4}}\n");
  const std::string train =
      "train " + write_tiny_config(dir.path, 12, liza) + " training.lr_scheduler_type=constant ";
  const fs::path whole = dir.path / "whole", halves = dir.path / "halves";
  REQUIRE(run_tptt(train + output(whole)).code == 0);
  REQUIRE(run_tptt(train + "training.max_steps=3" + output(halves)).code == 0);
  REQUIRE(run_tptt(train + output(halves)).code == 0);
  CHECK(adapter_of(halves) == adapter_of(whole));
  CHECK(losses_of(halves) == losses_of(whole));
  const std::string settings = read_text(halves / "adapter/liza_config.json");
  CHECK(settings == read_text(whole / "adapter/liza_config.json"));
  REQUIRE(run_tptt(train + output(halves)).code == 0);  // nothing left to do
  CHECK(settings == read_text(halves / "adapter/liza_config.json"));
  CHECK(adapter_of(halves) == adapter_of(whole));
}

TEST_CASE("every variant of LoRA resumes to the same bytes") {
  const TempDir dir;
  write_tiny_model(dir.path);
  const std::string variant = GENERATE(
      as<std::string>(), "lora.use_dora=true lora.init_lora_weights=pissa lora.use_rslora=true",
      "lora.init_lora_weights=orthogonal training.neftune_noise_alpha=5",
      "'lora.target_modules=[q_proj, lm_head]' 'lora.modules_to_save=[embed_tokens]'",
      "'lora.target_modules=[embed_tokens]' lora.loraplus_lr_ratio=4");
  INFO(variant);
  const std::string train = "train " + write_tiny_config(dir.path) +
                            " training.lr_scheduler_type=constant " + variant + " ";
  const fs::path whole = dir.path / "whole", halves = dir.path / "halves";
  const Outcome outcome = run_tptt(train + output(whole));
  INFO(outcome.text);
  REQUIRE(outcome.code == 0);
  REQUIRE(run_tptt(train + "training.max_steps=3" + output(halves)).code == 0);
  REQUIRE(run_tptt(train + output(halves)).code == 0);
  CHECK(adapter_of(halves) == adapter_of(whole));
  CHECK(losses_of(halves) == losses_of(whole));
  const Outcome eval = eval_loss(dir.path, whole);
  INFO(eval.text);
  CHECK(parse_json(eval.text, "eval")["loss"].get<double>() ==
        Approx(metrics_of(whole).back()["eval_loss"].get<double>()).epsilon(1e-5));
}

TEST_CASE("training stops when evaluations get no better, and keeps the best adapter") {
  const TempDir dir;
  write_tiny_model(dir.path);
  const std::string train = "train " + write_tiny_config(dir.path) +
                            " training.lr_scheduler_type=constant training.eval_steps=1 "
                            "training.save_steps=0 training.max_steps=40 "
                            "training.load_best_model_at_end=true "
                            "training.early_stopping_patience=3 training.learning_rate=0.2";
  const fs::path whole = dir.path / "whole", halves = dir.path / "halves";
  const Outcome outcome = run_tptt(train + output(whole));
  INFO(outcome.text);
  REQUIRE(outcome.code == 0);
  double best = 1e9;
  int64_t best_step = 0, last = 0;
  for (const Json& row : metrics_of(whole)) {
    last = row["step"];
    if (!row.contains("eval_loss") || last == 0 || row["eval_loss"].get<double>() >= best) continue;
    best = row["eval_loss"];
    best_step = last;
  }
  CHECK(last == best_step + 3);
  CHECK(last < 40);
  char name[32];
  std::snprintf(name, sizeof name, "step-%06ld", long(best_step));
  CHECK(adapter_of(whole) == read_text(whole / "checkpoints" / name / "adapter_model.safetensors"));
  CHECK(read_json_file(whole / "results.json")["eval_loss"].get<double>() == Approx(best));
  // The same when it was stopped in between, and nothing more after the end.
  REQUIRE(run_tptt(train + " training.max_steps=" + std::to_string(best_step + 1) + output(halves))
              .code == 0);
  for (int again = 0; again < 2; ++again) {
    REQUIRE(run_tptt(train + output(halves)).code == 0);
    CHECK(adapter_of(halves) == adapter_of(whole));
    CHECK(losses_of(halves) == losses_of(whole));
  }
}

TEST_CASE("evaluations and checkpoints follow their strategies") {
  const TempDir dir;
  write_tiny_model(dir.path);
  const std::string train = "train " + write_tiny_config(dir.path) + " training.save_steps=0 ";
  const auto evaluations = [&](const fs::path& run) {
    std::vector<int64_t> steps;
    for (const Json& row : metrics_of(run))
      if (row.contains("eval_loss")) steps.push_back(row["step"]);
    return steps;
  };
  const fs::path epochs = dir.path / "epochs", never = dir.path / "never";
  REQUIRE(run_tptt(train +
                   "training.eval_strategy=epoch training.save_strategy=epoch "
                   "training.per_device_train_batch_size=4 " +
                   output(epochs))
              .code == 0);
  CHECK(evaluations(epochs) == std::vector<int64_t>{0, 3, 6});
  CHECK(fs::exists(epochs / "checkpoints/step-000003"));
  REQUIRE(run_tptt(train + "training.eval_strategy=no training.save_strategy=no" + output(never))
              .code == 0);
  CHECK(evaluations(never).empty());
  CHECK_FALSE(fs::exists(never / "checkpoints/step-000006"));
}

TEST_CASE("suspicious data and settings are warned about") {
  const TempDir dir;
  write_tiny_model(dir.path);
  const Outcome outcome =
      run_tptt("train " + write_tiny_config(dir.path) +
               " training.lr_scheduler_type=constant training.warmup_steps=3 data.max_length=14");
  INFO(outcome.text);
  CHECK(outcome.code == 0);
  CHECK(outcome.text.find("training.warmup_steps has no effect") != std::string::npos);
  // mlabonne/llm-course #33, unsloth #416: rows cut before their end never teach it.
  CHECK(outcome.text.find("no row trains the model's end token") != std::string::npos);
}

// LLaMA-Factory #2916, mlx-lm #1658, ainode #186: a run whose loss is NaN goes on and ends as a
// success.
TEST_CASE("a run that diverges stops after five steps and leaves a report that says so") {
  const TempDir dir;
  write_tiny_model(dir.path);
  const Outcome outcome = run_tptt("train " + write_tiny_config(dir.path) +
                                   " training.max_steps=20 training.learning_rate=1e20");
  INFO(outcome.text);
  CHECK(outcome.code == 1);
  CHECK_THAT(outcome.text, Contains("step 2: loss or gradient is not finite; skipped") &&
                               Contains("error: loss or gradient was not finite for 5 steps in a "
                                        "row; lower training.learning_rate"));
  CHECK(metrics_of(dir.path / "run").size() == 6);  // an evaluation, five steps
  CHECK_FALSE(fs::exists(dir.path / "run/adapter"));
  CHECK_THAT(read_text(dir.path / "run/report.html"),
             Contains("Run failed after 5 of 20 steps: loss or gradient was not finite"));
}

// transformers #33336, peft #859, mlx-lm #97: a run that goes on is another run.
TEST_CASE("a killed or interrupted run goes on to the same bytes") {
  const TempDir dir;
  write_tiny_model(dir.path);
  const std::string config = write_tiny_config(dir.path, 12, kLiza);
  const std::string train = "train " + config + " training.max_steps=60 training.save_steps=5 ";
  const fs::path whole = dir.path / "whole", stopped = dir.path / "stopped";
  REQUIRE(run_tptt(train + output(whole)).code == 0);
  const int signal = GENERATE(SIGKILL, SIGTERM, SIGINT);
  INFO("signal " << signal);
  const pid_t child = ::fork();
  if (child == 0) {
    std::freopen("/dev/null", "w", stderr);
    const std::string to = "training.output_dir=" + stopped.string();
    ::execl(TPTT_BINARY, "tptt", "train", config.c_str(), "training.max_steps=60",
            "training.save_steps=5", to.c_str(), nullptr);
    ::_exit(127);
  }
  while (!fs::exists(stopped / "checkpoints/step-000005"))
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  ::kill(child, signal);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (signal == SIGKILL) {
    CHECK(WIFSIGNALED(status));
  } else {
    CHECK(WEXITSTATUS(status) == 128 + signal);
    CHECK_THAT(read_text(stopped / "report.html"),
               Contains("Run interrupted after") && Contains("Answers after training are missing"));
  }
  CHECK_FALSE(fs::exists(stopped / "adapter"));
  const Outcome resumed = run_tptt(train + output(stopped));
  INFO(resumed.text);
  REQUIRE(resumed.code == 0);
  CHECK(resumed.text.find("resumed from") != std::string::npos);
  CHECK(adapter_of(stopped) == adapter_of(whole));
  CHECK(losses_of(stopped) == losses_of(whole));
}

TEST_CASE("an alternating memory is evaluated as its readers will see it") {
  const TempDir dir;
  write_tiny_model(dir.path);
  const std::string mag = "liza: {mag: {mode: cyclic, weight_list: [0, 1], mag_weight: 0.3}}\n";
  REQUIRE(run_tptt("train " + write_tiny_config(dir.path, 4, mag)).code == 0);
  const Outcome eval = eval_loss(dir.path, dir.path / "run");
  INFO(eval.text);
  CHECK(parse_json(eval.text, "eval")["loss"].get<double>() ==
        Approx(metrics_of(dir.path / "run").back()["eval_loss"].get<double>()).epsilon(1e-5));
}

TEST_CASE("training goes on from an adapter of another run") {
  const TempDir dir;
  write_tiny_model(dir.path);
  const std::string train = "train " + write_tiny_config(dir.path, 12, kLiza) + " ";
  const fs::path first = dir.path / "first", second = dir.path / "second";
  REQUIRE(run_tptt(train + output(first)).code == 0);
  REQUIRE(run_tptt(train + "training.learning_rate=0 model.adapter_name_or_path=" +
                   (first / "adapter").string() + output(second))
              .code == 0);
  CHECK(adapter_of(second) == adapter_of(first));
  CHECK(metrics_of(second).front()["eval_loss"] == metrics_of(first).back()["eval_loss"]);
}

TEST_CASE("an adapter goes on under its own memory alone, and the run resumes") {
  const TempDir dir;
  write_tiny_model(dir.path);
  const std::string at = dir.path.string();
  const std::string train = "train " + write_tiny_config(dir.path, 12, kLiza) + " ";
  const fs::path first = dir.path / "first", plain = dir.path / "plain",
                 second = dir.path / "second";
  REQUIRE(run_tptt(train + output(first)).code == 0);
  const std::string more =
      train + "model.adapter_name_or_path=" + (first / "adapter").string() + " ";
  const auto refused = [&](const std::string& overrides, const std::string& why) {
    const Outcome outcome = run_tptt(more + overrides + output(second));
    INFO(outcome.text);
    CHECK(outcome.code == 2);
    CHECK(outcome.text.find(why) != std::string::npos);
    CHECK_FALSE(fs::exists(second));
  };
  refused("liza=none", "was trained with a memory");
  refused("liza.mag.mode=constant", "has learned gates");
  refused("liza.operator_mode=delta_rule", "liza.operator_mode gated_delta_rule, not delta_rule");
  refused("liza.max_self_attn_length=64", "liza.max_self_attn_length");
  REQUIRE(run_tptt(more + "training.max_steps=3" + output(second)).code == 0);
  const Outcome resumed = run_tptt(more + output(second));
  INFO(resumed.text);
  CHECK(resumed.code == 0);
  CHECK(resumed.text.find("resumed from") != std::string::npos);
  // A memory beside a LoRA that had none.
  REQUIRE(run_tptt(train + "liza=none" + output(plain)).code == 0);
  CHECK(run_tptt(train + "model.adapter_name_or_path=" + (plain / "adapter").string() +
                 output(dir.path / "added"))
            .text.find("they start from liza.mag.mag_weight") != std::string::npos);
}
