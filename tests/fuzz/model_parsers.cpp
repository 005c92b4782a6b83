#include "models/formats/dequant.h"
#include "models/formats/gguf.h"
#include "models/formats/model_files.h"
#include "models/formats/safetensors.h"
#include "tests/fuzz/parsers.h"
#include "tests/temp_dir.h"

namespace tptt {
namespace {

namespace fs = std::filesystem;

// Every tensor, as the model's weights are read.
void read_weights(const WeightIndex& index) {
  for (const auto& [name, entry] : index.entries) {
    const TensorInfo& info = entry.info;
    const std::vector<std::byte> bytes = read_bytes(index.files[size_t(entry.file)], info);
    std::vector<float> values(size_t(info.numel()));
    attempt([&] { to_float32(info.type, bytes.data(), info.numel(), values.data()); });
  }
}

void parse_safetensors(const fs::path& dir, const std::string& bytes) {
  write_text(dir / "model.safetensors", bytes);
  read_weights(index_safetensors_dir(dir.string()));
}

void write_shard(const fs::path& path, const std::string& name) {
  const float values[] = {1, 2};
  write_safetensors(path.string(), {{name, FileType::F32, {2}, std::as_bytes(std::span(values))}});
}

void prepare_shards(const fs::path& dir) {
  write_shard(dir / "a.safetensors", "x");
  write_shard(dir / "b.safetensors", "y");
}

void parse_weight_index(const fs::path& dir, const std::string& bytes) {
  write_text(dir / "model.safetensors.index.json", bytes);
  const WeightIndex index = index_safetensors_dir(dir.string());
  for (const ReadFile& file : index.files)
    if (fs::canonical(file.path()).parent_path() != fs::canonical(dir))
      throw std::logic_error(file.path() + " lies outside of the model's directory");
  read_weights(index);
}

void parse_gguf(const fs::path& dir, const std::string& bytes) {
  const std::string path = (dir / "model.gguf").string();
  write_text(path, bytes);
  read_gguf_header(ReadFile(path));
  const ModelFiles files{path, "", path, ""};
  attempt([&] { read_weights(index_weights(files)); });
  attempt([&] { read_model_config(files); });
  source_repository(files);
}

void prepare_config(const fs::path& dir) {
  fs::create_directory(dir / "generation");
  write_text(dir / "generation/config.json",
             R"({"model_type": "llama", "vocab_size": 8, "hidden_size": 8, "intermediate_size": 8,
                 "num_hidden_layers": 1, "num_attention_heads": 2})");
}

void parse_config(const fs::path& dir, const std::string& bytes) {
  write_text(dir / "generation/generation_config.json", bytes);
  attempt([&] { read_model_config({"", (dir / "generation").string(), "", ""}); });
  write_text(dir / "config.json", bytes);
  read_model_config({"", dir.string(), "", ""});
}

}  // namespace

std::vector<Parser> model_parsers() {
  return {{"safetensors", parse_safetensors},
          {"weight_index", parse_weight_index, prepare_shards},
          {"gguf", parse_gguf},
          {"config", parse_config, prepare_config}};
}

}  // namespace tptt
