#include "tests/fuzz/parsers.h"
#include "tests/temp_dir.h"
#include "trainer/adapter_config.h"
#include "trainer/checkpoint_dir.h"
#include "trainer/config.h"
#include "trainer/evaluate/samples.h"
#include "trainer/records.h"
#include "trainer/tptt_adapter.h"
#include "trainer/training_state.h"
#include "trainer/yaml_reader.h"

namespace tptt {
namespace {

namespace fs = std::filesystem;

// What is accepted must be written so that it is read again.
void parse_yaml_config(const fs::path& dir, const std::string& bytes) {
  attempt([&] {
    YamlNode root;
    apply_override(root, bytes.substr(0, 200));
  });
  const std::string path = (dir / "config.yaml").string();
  write_text(path, bytes);
  const std::string written = to_yaml(load_config(path, {}));
  write_text(path, written);
  if (to_yaml(load_config(path, {})) != written)
    throw std::logic_error("the configuration is another once written and read");
}

void parse_adapter_config(const fs::path& dir, const std::string& bytes) {
  write_text(dir / "adapter_config.json", bytes);
  lora_to_peft(read_adapter_config(dir.string()).lora, true);
}

void parse_liza_config(const fs::path&, const std::string& bytes) {
  liza_to_json(liza_from_json(bytes, "liza_config.json"));
}

void parse_tptt_config(const fs::path& dir, const std::string& bytes) {
  peft_name_of_tptt(bytes);
  attempt([&] { tptt_name_of_peft(bytes, {"model.layers.0.self_attn"}); });
  write_text(dir / "config.json", bytes);
  read_adapter_config(dir.string());
}

void prepare_checkpoint(const fs::path& dir) {
  fs::create_directory(dir / "step-000010");
  write_text(dir / "step-000010/trainer.json", "{}\n");
  write_text(dir / "outside.json", "{}\n");
}

void parse_manifest(const fs::path& dir, const std::string& bytes) {
  write_text(dir / "step-000010/manifest.json", bytes);
  if (const auto problem = verify_checkpoint(dir / "step-000010")) throw Error(*problem);
}

// What a run left, as a resumed run reads it.
void parse_run_file(const fs::path& dir, const char* name, const std::string& bytes) {
  write_text(dir / name, bytes);
  Config config;
  config.training.report_to = {"jsonl", "html"};
  Records(RunDir(dir, -1), config, 10).summary();
}

void parse_metrics(const fs::path& dir, const std::string& bytes) {
  parse_run_file(dir, "metrics.jsonl", bytes);
}

void parse_samples_before(const fs::path& dir, const std::string& bytes) {
  parse_run_file(dir, "samples_before.json", bytes);
}

void parse_events(const fs::path& dir, const std::string& bytes) {
  parse_run_file(dir, "events.out.tfevents.1.host.1", bytes);
}

void parse_samples(const fs::path& dir, const std::string& bytes) {
  const fs::path path = dir / "results.samples.jsonl";
  write_text(path, bytes);
  by_question(read_samples(path));
}

void parse_trainer_state(const fs::path&, const std::string& bytes) {
  const auto state_of = [](const std::string& text) {
    return training_state_from_json(text, "trainer.json");
  };
  const std::string written = to_json_text(state_of(bytes));
  if (to_json_text(state_of(written)) != written)
    throw std::logic_error("the state of a run is another once written and read");
}

}  // namespace

std::vector<Parser> run_parsers() {
  return {{"yaml_config", parse_yaml_config},
          {"adapter_config", parse_adapter_config},
          {"liza_config", parse_liza_config},
          {"tptt_config", parse_tptt_config},
          {"manifest", parse_manifest, prepare_checkpoint},
          {"metrics", parse_metrics},
          {"samples_before", parse_samples_before},
          {"events", parse_events},
          {"samples", parse_samples},
          {"trainer_state", parse_trainer_state}};
}

}  // namespace tptt
