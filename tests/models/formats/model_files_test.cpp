#include "models/formats/model_files.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <cstdlib>

#include "models/formats/error.h"
#include "tests/temp_dir.h"

using namespace tptt;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;

namespace {

const std::string kLlama =
    R"("model_type": "llama", "vocab_size": 8, "hidden_size": 8, "intermediate_size": 8,
       "num_hidden_layers": 1, "num_attention_heads": 2)";

std::string config_refusal(const std::string& extra) {
  const TempDir dir;
  write_text(dir.path / "config.json", "{" + kLlama + extra + "}");
  return message_of<Error>([&] { read_model_config(find_model(dir.path.string())); });
}

std::string index_refusal(const fs::path& dir) {
  return message_of<Error>([&] { index_safetensors_dir(dir.string()); });
}

}  // namespace

TEST_CASE("a model that is not there says how to get it") {
  const auto refusal = [](const std::string& name) {
    return message_of<UsageError>([&] { find_model(name); });
  };
  CHECK_THAT(refusal(""), Contains("empty"));
  CHECK_THAT(refusal("/nowhere/model"), Contains("does not exist"));
  CHECK_THAT(refusal("someone/some-model"), Contains("hf download someone/some-model"));
  const TempDir dir;
  CHECK_THAT(refusal(dir.path.string()), Contains("config.json is missing"));
  write_text(dir.path / "model.onnx", "x");
  CHECK_THAT(refusal((dir.path / "model.onnx").string()), Contains("expected a .gguf file"));
}

TEST_CASE("a model in the Hugging Face cache is found through its links, and no further") {
  const TempDir dir;
  const fs::path repository = dir.path / "models--org--name";
  fs::create_directories(repository / "blobs");
  fs::create_directories(repository / "refs");
  fs::create_directories(repository / "snapshots/abc");
  write_text(repository / "refs/main", "abc");
  write_text(repository / "blobs/1", "{" + kLlama + "}");
  fs::create_symlink("../../blobs/1", repository / "snapshots/abc/config.json");
  ::setenv("HF_HUB_CACHE", dir.path.c_str(), 1);
  CHECK(read_model_config(find_model("org/name")).vocab_size == 8);
  write_text(dir.path / "secret", "x");
  fs::create_symlink(dir.path / "secret", repository / "snapshots/abc/model.safetensors");
  CHECK_THAT(message_of<Error>([&] { find_model("org/name"); }), Contains("leads outside"));
  ::unsetenv("HF_HUB_CACHE");
}

TEST_CASE("configurations that make no sense are refused by key") {
  CHECK(config_refusal("").empty());
  CHECK_THAT(config_refusal(R"(, "hidden_act": "xielu")"),
             Contains("'xielu' is not supported; known: silu"));
  CHECK_THAT(config_refusal(R"(, "num_key_value_heads": 0)"), Contains("num_key_value_heads"));
  CHECK_THAT(config_refusal(R"(, "num_key_value_heads": 3)"), Contains("num_key_value_heads"));
  CHECK_THAT(config_refusal(R"(, "head_dim": 3)"), Contains("head_dim must be even"));
  CHECK_THAT(config_refusal(R"(, "head_dim": 1e30)"), Contains("head_dim"));
  CHECK_THAT(config_refusal(R"(, "rope_scaling": {"type": "mrope", "factor": 2})"),
             Contains("'mrope' is not supported; known: default, linear, dynamic, yarn"));
  CHECK_THAT(config_refusal(R"(, "rope_scaling": {"type": "yarn", "factor": 2})"),
             Contains("original_max_position_embeddings"));
  CHECK_THAT(config_refusal(R"(, "quantization_config": {"quant_method": "gptq"})"),
             Contains("'gptq' is not supported"));
  CHECK_THAT(config_refusal(R"(, "rope_scaling": {"rope_type": "llama3", "factor": 8})"),
             Contains("original_max_position_embeddings"));
  CHECK_THAT(config_refusal(R"(, "eos_token_id": 8)"), Contains("outside the vocabulary"));
  CHECK_THAT(config_refusal(R"(, "vocab_size": 9)"), Contains("duplicate key 'vocab_size'"));
}

TEST_CASE("a sharded index stays inside its directory and tells the truth") {
  const TempDir dir;
  const auto write_index = [&](const std::string& map) {
    write_text(dir.path / "model.safetensors.index.json", R"({"weight_map": )" + map + "}");
  };
  write_index(R"({"a": "../outside.safetensors"})");
  CHECK_THAT(index_refusal(dir.path), Contains("file name inside the model's directory"));
  write_index(R"({"a": "/etc/passwd"})");
  CHECK_THAT(index_refusal(dir.path), Contains("file name inside the model's directory"));
  write_index(R"([1])");
  CHECK_THAT(index_refusal(dir.path), Contains("weight_map"));
  write_index(R"({"a": "shard.safetensors"})");
  CHECK_THAT(index_refusal(dir.path), Contains("shard.safetensors"));
  const std::string header = R"({"b":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})";
  const uint64_t length = header.size();
  write_text(dir.path / "shard.safetensors",
             std::string(reinterpret_cast<const char*>(&length), 8) + header + "1234");
  CHECK_THAT(index_refusal(dir.path), Contains("'a' is not in 'shard.safetensors'"));
  write_index(R"({})");
  CHECK_THAT(index_refusal(dir.path), Contains("weight_map"));
}

TEST_CASE("a shard that is no regular file is refused without waiting for it") {
  const TempDir dir;
  write_text(dir.path / "model.safetensors.index.json", R"({"weight_map": {"a": "shard"}})");
  const auto refused = [&] {
    const std::string refusal = index_refusal(dir.path);
    fs::remove(dir.path / "shard");
    return refusal;
  };
  REQUIRE(::mkfifo((dir.path / "shard").c_str(), 0600) == 0);
  CHECK_THAT(refused(), Contains("expected a regular file"));
  fs::create_directory(dir.path / "shard");
  CHECK_THAT(refused(), Contains("expected a regular file"));
  fs::create_symlink("/dev/zero", dir.path / "shard");
  CHECK_THAT(refused(), Contains("expected a regular file"));
}

TEST_CASE("pickle files are named and not read") {
  const TempDir dir;
  write_text(dir.path / "pytorch_model.bin", "x");
  CHECK_THAT(index_refusal(dir.path), Contains("can run code"));
  write_text(dir.path / "model.pt", "x");
  CHECK_THAT(message_of<UsageError>([&] { find_model((dir.path / "model.pt").string()); }),
             Contains("can run code") && Contains("save_pretrained"));
}
