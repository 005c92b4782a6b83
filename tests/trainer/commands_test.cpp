#include <catch2/catch.hpp>
#include <sstream>

#include "models/formats/json.h"
#include "tests/temp_dir.h"
#include "tests/trainer/tiny_run.h"

using namespace tptt;
namespace fs = std::filesystem;

namespace {

// One error line, the last; only what was logged before may stand above it.
void check_one_line(const Outcome& outcome, int code, const std::string& fragment) {
  INFO(outcome.text);
  CHECK(outcome.code == code);
  std::istringstream lines(outcome.text);
  std::string last;
  for (std::string line; std::getline(lines, line);) {
    if (!last.empty()) CHECK((last.starts_with("info: ") || last.starts_with("warning: ")));
    last = line;
  }
  CHECK(last.starts_with("error: "));
  CHECK(last.find(fragment) != std::string::npos);
}

}  // namespace

TEST_CASE("a wrong command line or configuration is one line and exit code 2") {
  const TempDir dir;
  write_tiny_model(dir.path);
  const std::string config = write_tiny_config(dir.path), train = "train " + config + " ";
  check_one_line(run_tptt("train /nowhere.yaml"), 2, "no such file");
  check_one_line(run_tptt(train + "training.learning_rat=1"), 2, "did you mean 'learning_rate'");
  check_one_line(run_tptt(train + "training.max_steps=many"), 2, "'training.max_steps'");
  check_one_line(run_tptt(train + "model.name_or_path=/nowhere"), 2, "does not exist");
  check_one_line(run_tptt(train + "model.device=cuda"), 2, "CUDA");
  check_one_line(run_tptt(train + "lora.target_modules=[nothing]"), 2, "q_proj");
  check_one_line(run_tptt("inspect /nowhere/model"), 2, "does not exist");
  check_one_line(
      run_tptt("logits " + dir.path.string() + "/model --device cuda --input-ids x --output y"), 2,
      "CUDA");
  check_one_line(run_tptt("eval " + dir.path.string() + "/model --task chess --data " +
                          dir.path.string() + "/rows.jsonl"),
                 2, "chess");
}

TEST_CASE("broken model files are one line and exit code 1") {
  const TempDir dir;
  write_tiny_model(dir.path);
  const fs::path model = dir.path / "model", weights = model / "model.safetensors";
  const std::string train = "train " + write_tiny_config(dir.path);
  SECTION("truncated safetensors") {
    fs::resize_file(weights, fs::file_size(weights) - 1);
    check_one_line(run_tptt("inspect " + model.string()), 1, "truncated");
  }
  SECTION("no weights") {
    fs::remove(weights);
    check_one_line(run_tptt("inspect " + model.string()), 1, "model.safetensors is missing");
  }
  SECTION("missing tensor") {
    replace_in(model / "config.json", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3");
    const Outcome outcome = run_tptt("logits " + model.string() + " --input-ids " +
                                     (dir.path / "ids").string() + " --output o");
    check_one_line(outcome, 1, "tensor 'model.layers.2.");
  }
  SECTION("a tensor that has no place") {
    replace_in(model / "config.json", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1");
    check_one_line(run_tptt("logits " + model.string() + " --input-ids i --output o"), 1,
                   "tensor 'model.layers.1.");
  }
  SECTION("unknown model type") {
    replace_in(model / "config.json", "\"llama\"", "\"mamba\"");
    check_one_line(run_tptt("logits " + model.string() + " --input-ids i --output o"), 1, "mamba");
  }
  SECTION("truncated GGUF") {
    const fs::path gguf = dir.path / "cut.gguf";
    fs::copy_file(TPTT_SOURCE_DIR "/tests/golden/gguf_models/llama-tied.gguf", gguf);
    fs::resize_file(gguf, fs::file_size(gguf) - 40);
    check_one_line(run_tptt("logits " + gguf.string() + " --input-ids i --output o"), 1,
                   "truncated");
  }
  SECTION("no tokenizer") {
    fs::remove(model / "tokenizer.json");
    check_one_line(run_tptt(train), 1, "no tokenizer; expected tokenizer.json or tokenizer.model");
  }
}

TEST_CASE("broken data is named by file and line") {
  const TempDir dir;
  write_tiny_model(dir.path);
  const std::string train = "train " + write_tiny_config(dir.path);
  write_text(dir.path / "rows.jsonl",
             "{\"prompt\": \"a\", \"completion\": \"b\"}\n{\"prompt\": 1}\n");
  check_one_line(run_tptt(train), 1, "rows.jsonl:2: key 'prompt' must be a string");
  write_text(dir.path / "rows.jsonl", "\n");
  check_one_line(run_tptt(train), 1, "the dataset is empty");
  fs::remove(dir.path / "rows.jsonl");
  check_one_line(run_tptt(train), 1, "rows.jsonl: cannot open");
}

TEST_CASE("an output_dir of another run or of other files is left alone") {
  const TempDir dir;
  write_tiny_model(dir.path);
  const std::string train = "train " + write_tiny_config(dir.path) + " ";
  REQUIRE(run_tptt(train).code == 0);
  check_one_line(run_tptt(train + "lora.r=8 training.seed=1"), 2,
                 "lora.r (4 there, 8 now); training.seed (42 there, 1 now)");
  check_one_line(run_tptt(train + "--resume never"), 2, "--resume is never");
  check_one_line(run_tptt(train + "training.output_dir=" + (dir.path / "model").string()), 2,
                 "but no run");
}

TEST_CASE("generate, eval, logits, inspect and export work on a trained adapter") {
  const TempDir dir;
  write_tiny_model(dir.path);
  const std::string model = (dir.path / "model").string(), run = (dir.path / "run").string();
  const char* liza = GENERATE(
      "liza: {mag: {mag_weight: 0.2}}\n",
      "liza: {operator_mode: learned_delta_rule, branch_scale: learned, max_self_attn_length: 4, "
      "transfer_steps: 2, mag: {mode: token, mag_weight: 0.2}}\n");
  REQUIRE(run_tptt("train " + write_tiny_config(dir.path, 12, liza)).code == 0);
  CHECK(parse_json(read_text(dir.path / "run/results.json"), "results")["skipped_steps"] == 0);
  const std::string with_adapter = model + " --adapter " + run + "/adapter ";

  const Outcome generated =
      run_tptt("generate " + with_adapter + "--prompt 'count to 3:' --max-new-tokens 5");
  INFO(generated.text);
  CHECK(generated.code == 0);
  CHECK(run_tptt("generate " + with_adapter +
                 "--prompt x --temperature 1 --top-p 0.9 --seed 4 --max-new-tokens 8")
            .text == run_tptt("generate " + with_adapter +
                              "--prompt x --temperature 1 --top-p 0.9 --seed 4 --max-new-tokens 8")
                         .text);

  const Outcome eval = run_tptt("eval " + with_adapter + "--task sample --json --data " +
                                (dir.path / "rows.jsonl").string());
  INFO(eval.text);
  REQUIRE(eval.code == 0);
  const Json score = parse_json(eval.text, "eval");
  CHECK(score["rows"] == 12);
  CHECK(score["loss"].get<double>() > 0);

  write_text(dir.path / "ids.json", R"({"input_ids": [[1, 2, 3], [4, 5, 6]]})");
  CHECK(run_tptt("logits " + with_adapter + "--input-ids " + (dir.path / "ids.json").string() +
                 " --output " + (dir.path / "logits.safetensors").string())
            .code == 0);
  CHECK(fs::file_size(dir.path / "logits.safetensors") > 2 * 3 * 1024 * 4);

  CHECK(run_tptt("inspect " + model).text.find("llama") != std::string::npos);
  CHECK(run_tptt("inspect " + run + "/adapter").text.find("LiZA memory") != std::string::npos);
  CHECK(run_tptt("inspect " + run + "/adapter/liza.safetensors").code == 0);

  const std::string to = " --format peft --output " + (dir.path / "peft").string();
  CHECK(run_tptt("export " + run + to).code == 0);
  CHECK(read_text(dir.path / "peft/adapter_model.safetensors") ==
        read_text(dir.path / "run/adapter/adapter_model.safetensors"));
  check_one_line(run_tptt("export " + run + to), 2, "is not empty");
}

TEST_CASE("an adapter for Python tptt reads back as the same model") {
  const TempDir dir;
  write_tiny_model(dir.path);
  const std::string at = dir.path.string(), to = " --format tptt --output " + at + "/exported";
  const std::string train = "train " + write_tiny_config(dir.path, 12, "liza: {}\n") + " ";
  REQUIRE(run_tptt(train).code == 0);
  check_one_line(run_tptt("export " + at + "/run" + to), 2, "liza.implementation: exact");
  CHECK_FALSE(fs::exists(dir.path / "exported"));
  REQUIRE(run_tptt(train + "liza.implementation=tptt training.output_dir=" + at + "/ours").code ==
          0);
  const Outcome exported = run_tptt("export " + at + "/ours" + to);
  INFO(exported.text);
  REQUIRE(exported.code == 0);
  const auto loss = [&](const std::string& adapter) {
    return run_tptt("eval " + at + "/model --adapter " + adapter + " --task perplexity --data " +
                    at + "/rows.jsonl")
        .text;
  };
  CHECK(loss(at + "/exported") == loss(at + "/ours/adapter"));
  check_one_line(run_tptt("export " + at + "/exported --output " + at + "/again"), 2,
                 "adapter of Python tptt");
}

TEST_CASE("branches that are not there are refused by name, the others differ") {
  const TempDir dir;
  write_tiny_model(dir.path);
  const std::string at = dir.path.string(), model = at + "/model ";
  write_text(dir.path / "ids.json", R"({"input_ids": [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]]})");
  const auto logits = [&](const std::string& flags) {
    const Outcome outcome = run_tptt("logits " + model + flags + " --input-ids " + at +
                                     "/ids.json --output " + at + "/logits");
    INFO(outcome.text);
    CHECK(outcome.code == 0);
    return read_text(dir.path / "logits");
  };
  for (const char* command : {"logits ", "generate ", "eval "}) {
    const std::string rest = std::string(command) == "generate " ? "--prompt x"
                             : std::string(command) == "eval "   ? "--data x"
                                                                 : "--input-ids x --output y";
    check_one_line(run_tptt(command + model + rest + " --branch memory"), 2,
                   "expected mixed, softmax, linear or window");
    check_one_line(run_tptt(command + model + rest + " --branch linear"), 2, "has no memory");
    check_one_line(run_tptt(command + model + rest + " --branch window"), 2, "is not bounded");
  }
  REQUIRE(
      run_tptt("train " + write_tiny_config(
                              dir.path, 6, "liza: {max_self_attn_length: 3, num_sink_tokens: 1}\n"))
          .code == 0);
  const std::string adapter = "--adapter " + at + "/run/adapter --branch ";
  const std::string mixed = logits(adapter + "mixed"), softmax = logits(adapter + "softmax"),
                    window = logits(adapter + "window"), linear = logits(adapter + "linear");
  CHECK(mixed != softmax);
  CHECK(mixed != window);
  CHECK(softmax != window);
  CHECK(linear != mixed);
}

TEST_CASE("inspecting a run shows each layer's memory") {
  const TempDir dir;
  write_tiny_model(dir.path);
  const std::string run = (dir.path / "run").string();
  REQUIRE(run_tptt("train " + write_tiny_config(dir.path, 6, "liza: {mag: {mag_weight: 0.2}}\n"))
              .code == 0);
  const Outcome outcome = run_tptt("inspect " + run);
  INFO(outcome.text);
  CHECK(outcome.code == 0);
  CHECK(outcome.text.find("memories at step 6") != std::string::npos);
  CHECK(outcome.text.find("state norm") != std::string::npos);
  const Outcome gates = run_tptt("inspect " + run + "/adapter");
  CHECK(gates.text.find("model.layers.1.self_attn") != std::string::npos);
  CHECK(gates.text.find("mu 0.") != std::string::npos);
}

TEST_CASE("recall scores every branch and leaves JSON and a page") {
  const TempDir dir;
  write_tiny_model(dir.path);
  const std::string at = dir.path.string(), model = at + "/model ";
  std::string text;
  for (int i = 0; i < 400; ++i) text += "It was day " + std::to_string(i) + ". ";
  write_text(dir.path / "text.txt", text);
  const std::string small = "--text " + at + "/text.txt --lengths 128,200 --depths 0,1 " +
                            "--num-keys 2,4 --samples 2 --output " + at;
  const Outcome base = run_tptt("recall " + model + small + "/base --json");
  INFO(base.text);
  REQUIRE(base.code == 0);
  CHECK(parse_json(base.text, "recall")["branches"] == Json({"softmax"}));
  REQUIRE(run_tptt("train " + write_tiny_config(dir.path, 6, "liza: {}\n")).code == 0);
  const std::string adapter = "recall " + model + "--adapter " + at + "/run/adapter ";
  REQUIRE(run_tptt(adapter + small + "/ours --max-self-attn-length 16").code == 0);
  const Json results = read_json_file(dir.path / "ours/recall.json");
  CHECK(results["branches"] == Json({"softmax", "window", "mixed", "linear"}));
  CHECK(results["needle"].size() == 4 * 2 * 2);
  CHECK(results["associative"].size() == 4 * 2);
  CHECK(results["perplexity"].size() == 4 * 3);  // to 64, 128, 200
  CHECK(results["perplexity"][0]["tokens"] == 2 * 63);
  CHECK(read_text(dir.path / "ours/recall.html").find("<svg") != std::string::npos);
  check_one_line(run_tptt(adapter + small + "/ours"), 2, "is not empty");
  check_one_line(run_tptt(adapter + small + "/new --depths 2"), 2, "--depths");
  check_one_line(run_tptt(adapter + small + "/new --num-keys 1000"), 2, "--num-keys");
  check_one_line(run_tptt(adapter + small + "/new --lengths 100000"), 1, "expected at least");
  CHECK_FALSE(fs::exists(dir.path / "new"));
}
