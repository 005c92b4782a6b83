#include <algorithm>
#include <filesystem>

#include "models/liza/inject.h"
#include "models/lora.h"
#include "tests/catch.h"
#include "tests/models/tiny_model.h"
#include "tests/temp_dir.h"
#include "tests/trainer/tiny_run.h"
#include "trainer/config.h"

using namespace tptt;
namespace fs = std::filesystem;

namespace {

std::vector<fs::path> recipes() {
  std::vector<fs::path> paths;
  for (const auto& entry : fs::recursive_directory_iterator(TPTT_SOURCE_DIR "/configs"))
    if (entry.path().extension() == ".yaml") paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  return paths;
}

}  // namespace

TEST_CASE("every recipe says how to run it and what it needs, and is dry-run on a tiny model") {
  const TempDir dir;
  write_tiny_model(dir.path);
  std::string rows;
  for (int i = 0; i < 8; ++i)
    rows += "{\"instruction\": \"count to " + std::to_string(i) + "\", \"output\": \"one\"}\n";
  write_text(dir.path / "rows.jsonl", rows);
  REQUIRE(recipes().size() >= 11);
  for (const fs::path& path : recipes()) {
    INFO(path);
    const std::string text = read_text(path);
    CHECK(text.find("# Run: ") != std::string::npos);
    CHECK(text.find("# Needs ") != std::string::npos);
    const std::string rows_file = "[{path: " + (dir.path / "rows.jsonl").string() + "}]";
    std::string command = "train " + path.string() +
                          " --dry-run model.name_or_path=" + (dir.path / "model").string() +
                          " 'data.train=" + rows_file +
                          "' data.chat_template=alpaca data.max_length=128 training.output_dir=" +
                          (dir.path / "run").string();
    if (text.find("  eval:") != std::string::npos) command += " 'data.eval=" + rows_file + "'";
    if (text.find("qkv_proj") != std::string::npos) command += " lora.target_modules=all-linear";
    if (text.find("quantization: keep") != std::string::npos)
      command += " model.quantization=none";  // the tiny model has no blocks
    const Outcome outcome = run_tptt(command);
    INFO(outcome.text);
    CHECK(outcome.code == 0);
  }
}

TEST_CASE("the paper's recipes name modules that their families have") {
  const std::pair<const char*, const char*> families[] = {
      {"llama-3.2-1b", "llama/tied"},  {"qwen2.5-1.5b", "qwen2"},   {"olmo-1b", "olmo"},
      {"olmoe-1b-7b", "olmoe"},        {"openelm-1.1b", "openelm"}, {"mistral-7b", "mistral"},
      {"gemma-3-270m", "gemma3_text"},
  };
  for (const auto& [recipe, family] : families) {
    INFO(recipe);
    const Config config =
        load_config(std::string(TPTT_SOURCE_DIR "/configs/paper/") + recipe + ".yaml", {});
    const auto dirs = golden_models();
    const auto model = load_dir(*std::find_if(dirs.begin(), dirs.end(), [&](const auto& d) {
      return d.find(std::string("/") + family) != std::string::npos;
    }));
    REQUIRE_NOTHROW(inject_liza(*model, config.liza.value()));
    REQUIRE_NOTHROW(add_lora(*model, config.lora, 0));
    CHECK(config.liza->mag.mode == "gradual");
    CHECK(config.training.learning_rate == 5e-4);
  }
}
