#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>

namespace {

struct Outcome {
  int code;
  std::string text;  // stdout and stderr
};

Outcome run_tptt(const std::string& arguments) {
  FILE* pipe = popen((std::string(TPTT_BINARY) + " " + arguments + " 2>&1").c_str(), "r");
  Outcome outcome{0, ""};
  for (int c; (c = std::fgetc(pipe)) != EOF;) outcome.text += char(c);
  outcome.code = WEXITSTATUS(pclose(pipe));
  return outcome;
}

std::string make_dir(const std::string& name, const std::string& config) {
  const auto dir = std::filesystem::temp_directory_path() / name;
  std::filesystem::create_directories(dir);
  std::ofstream(dir / "config.json") << config;
  return dir.string();
}

void check_one_line(const Outcome& outcome, int code, const std::string& fragment) {
  INFO(outcome.text);
  CHECK(outcome.code == code);
  CHECK(outcome.text.starts_with("error: "));
  CHECK(outcome.text.find(fragment) != std::string::npos);
  CHECK(std::count(outcome.text.begin(), outcome.text.end(), '\n') == 1);
}

}  // namespace

TEST_CASE("user errors are one line with an exit code") {
  check_one_line(run_tptt("inspect /nowhere/model"), 2, "does not exist");
  check_one_line(run_tptt("train /nowhere.yaml"), 2, "no such file");
  const std::string llama =
      R"({"model_type": "llama", "vocab_size": 8, "hidden_size": 8, "intermediate_size": 8,
          "num_hidden_layers": 1, "num_attention_heads": 2})";
  check_one_line(run_tptt("inspect " + make_dir("tptt_no_weights", llama)), 1,
                 "model.safetensors is missing");
  const std::string dir = make_dir("tptt_truncated", llama);
  std::ofstream(dir + "/model.safetensors") << std::string("\x40\0\0\0\0\0\0\0{", 9);
  check_one_line(run_tptt("inspect " + dir), 1, "truncated");
  check_one_line(run_tptt("inspect " + make_dir("tptt_unknown", R"({"model_type": "mamba"})")), 1,
                 "'vocab_size' is missing");
  check_one_line(run_tptt("logits " + dir + " --device cuda --input-ids x --output y"), 2, "cuda");
}
