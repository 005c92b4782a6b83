#include "tests/trainer/tiny_run.h"

#include <sys/wait.h>

#include <cstdio>
#include <sstream>
#include <vector>

#include "models/formats/safetensors.h"
#include "models/philox.h"
#include "tests/temp_dir.h"

namespace tptt {
namespace {

constexpr int64_t kVocab = 1024, kHidden = 32, kIntermediate = 48, kLayers = 2, kKeyValue = 16;

struct Weights {
  std::vector<std::pair<std::string, std::vector<int64_t>>> shapes;
  std::vector<std::vector<float>> values;

  void add(const std::string& name, std::vector<int64_t> shape) {
    int64_t count = 1;
    for (const int64_t size : shape) count *= size;
    std::vector<float> data(count);
    for (int64_t i = 0; i < count; ++i) {
      const double uniform = philox4x32(9, values.size(), uint64_t(i))[0] / 4294967296.0 - 0.5;
      data[i] = float(shape.size() == 1 ? 1 + 0.1 * uniform : 0.5 * uniform);
    }
    shapes.emplace_back(name, std::move(shape));
    values.push_back(std::move(data));
  }
};

/// Tests and the binaries they run leave the user's cache alone.
struct OwnCache {
  TempDir dir;
  OwnCache() { ::setenv("XDG_CACHE_HOME", dir.path.c_str(), 1); }
};
const OwnCache own_cache;

}  // namespace

FILE* start_command(const std::string& command) {
  return popen(("{ " + command + "\n} 2>&1").c_str(), "r");
}

Outcome outcome_of(FILE* started) {
  Outcome outcome{0, ""};
  for (int c; (c = std::fgetc(started)) != EOF;) outcome.text += char(c);
  const int status = pclose(started);
  outcome.code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return outcome;
}

Outcome run_tptt(const std::string& arguments) {
  return run_command(TPTT_BINARY " " + arguments);
}

std::vector<Json> metrics_of(const std::filesystem::path& run) {
  std::vector<Json> rows;
  std::istringstream lines(read_text(run / "metrics.jsonl"));
  for (std::string line; std::getline(lines, line);) rows.push_back(parse_json(line, "metrics"));
  return rows;
}

std::string adapter_of(const std::filesystem::path& run) {
  return read_text(run / "adapter/adapter_model.safetensors");
}

void write_tiny_model(const std::filesystem::path& dir) {
  const auto model = dir / "model";
  std::filesystem::create_directories(model);
  write_text(model / "config.json",
             R"({"model_type": "llama", "vocab_size": 1024, "hidden_size": 32,
 "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
 "num_key_value_heads": 2, "tie_word_embeddings": true, "eos_token_id": 0})");
  for (const char* name : {"tokenizer.json", "tokenizer_config.json"})
    std::filesystem::copy_file(
        std::filesystem::path(TPTT_SOURCE_DIR "/tests/golden/tokenizers/gpt2") / name,
        model / name);
  Weights w;
  w.add("model.embed_tokens.weight", {kVocab, kHidden});
  w.add("model.norm.weight", {kHidden});
  for (int64_t i = 0; i < kLayers; ++i) {
    const std::string prefix = "model.layers." + std::to_string(i) + ".";
    w.add(prefix + "input_layernorm.weight", {kHidden});
    w.add(prefix + "post_attention_layernorm.weight", {kHidden});
    w.add(prefix + "self_attn.q_proj.weight", {kHidden, kHidden});
    w.add(prefix + "self_attn.k_proj.weight", {kKeyValue, kHidden});
    w.add(prefix + "self_attn.v_proj.weight", {kKeyValue, kHidden});
    w.add(prefix + "self_attn.o_proj.weight", {kHidden, kHidden});
    w.add(prefix + "mlp.gate_proj.weight", {kIntermediate, kHidden});
    w.add(prefix + "mlp.up_proj.weight", {kIntermediate, kHidden});
    w.add(prefix + "mlp.down_proj.weight", {kHidden, kIntermediate});
  }
  std::vector<TensorToWrite> tensors;
  for (size_t i = 0; i < w.shapes.size(); ++i)
    tensors.push_back({w.shapes[i].first, FileType::F32, w.shapes[i].second,
                       std::as_bytes(std::span(w.values[i]))});
  write_safetensors((model / "model.safetensors").string(), std::move(tensors));
}

std::string write_tiny_config(const std::filesystem::path& dir, int rows,
                              const std::string& sections) {
  std::string lines;
  for (int i = 0; i < rows; ++i)
    lines += "{\"prompt\": \"count to " + std::to_string(i) + ":\", \"completion\": \" " +
             std::string(size_t(i % 7 + 1), 'x') + " done\"}\n";
  write_text(dir / "rows.jsonl", lines);
  const std::string at = dir.string();
  write_text(dir / "config.yaml",
             "model: {name_or_path: " + at + "/model, dtype: float32}\n" +
                 "lora: {r: 4, lora_dropout: 0.1, target_modules: all-linear}\n" +
                 "data: {train: [{path: " + at + "/rows.jsonl}], " + "eval: [{path: " + at +
                 "/rows.jsonl, limit: 4}], " + "packing: false, max_length: 64}\n" +
                 "training: {output_dir: " + at + "/run, max_steps: 6, " +
                 "per_device_train_batch_size: 2, learning_rate: 1e-2, " +
                 "save_steps: 2, num_threads: 1}\n" + sections);
  return (dir / "config.yaml").string();
}

}  // namespace tptt
