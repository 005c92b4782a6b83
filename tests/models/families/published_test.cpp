#include <catch2/catch.hpp>
#include <cmath>

#include "models/families/family.h"
#include "models/formats/error.h"
#include "models/formats/model_files.h"
#include "tests/temp_dir.h"

using namespace tptt;
using Catch::Matchers::Contains;

namespace {

ModelConfig read(const std::string& keys) {
  const TempDir dir;
  write_text(dir.path / "config.json", "{" + keys + "}");
  return read_model_config(find_model(dir.path.string()));
}

std::string refusal(const std::string& keys) {
  return message_of<Error>([&] { read(keys); });
}

std::vector<int64_t> windows(const ModelConfig& c) {
  std::vector<int64_t> all;
  for (const LayerConfig& layer : c.layers) all.push_back(layer.attention.sliding_window);
  return all;
}

const std::string kSizes =
    R"("vocab_size": 99, "hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 4,
       "num_key_value_heads": 2, )";

}  // namespace

// Keys as the models on the Hub have them, where they differ from what Transformers 5 writes.

TEST_CASE("llama 3.2: rope_scaling beside rope_theta") {
  const ModelConfig c = read(kSizes + R"("model_type": "llama", "num_hidden_layers": 2,
    "rope_theta": 500000.0, "max_position_embeddings": 131072, "tie_word_embeddings": true,
    "eos_token_id": [7, 8, 9], "torch_dtype": "bfloat16",
    "rope_scaling": {"factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
                     "original_max_position_embeddings": 8192, "rope_type": "llama3"})");
  CHECK(c.ropes[0].rope_type == "llama3");
  CHECK(c.ropes[0].rope_theta == 500000);
  CHECK(c.ropes[0].factor == 32);
  CHECK(c.ropes[0].original_max_position_embeddings == 8192);
  CHECK(c.eos_token_id == std::vector<int64_t>{7, 8, 9});
  CHECK(c.first_eos() == 7);
  CHECK(c.torch_dtype == "bfloat16");
  CHECK(c.layers[0].attention.scaling == Approx(0.25));
}

TEST_CASE("mistral: a window, none, and the class's own where the file is silent") {
  const std::string model = kSizes + R"("model_type": "mistral", "num_hidden_layers": 2)";
  CHECK(windows(read(model + R"(, "sliding_window": 32)")) == std::vector<int64_t>{32, 32});
  CHECK(windows(read(model + R"(, "sliding_window": null)")) == std::vector<int64_t>{0, 0});
  CHECK(windows(read(model)) == std::vector<int64_t>{4096, 4096});
}

TEST_CASE("qwen2: a window that is switched off, and yarn in rope_scaling's old words") {
  const ModelConfig c = read(kSizes + R"("model_type": "qwen2", "num_hidden_layers": 3,
    "sliding_window": 32768, "use_sliding_window": false, "max_window_layers": 1,
    "rope_scaling": {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768})");
  CHECK(windows(c) == std::vector<int64_t>{0, 0, 0});
  CHECK(c.layers[0].attention.qkv_bias);
  CHECK(!c.layers[0].attention.o_bias);
  CHECK(c.ropes[0].rope_type == "yarn");
  CHECK(c.ropes[0].attention_factor == Approx(0.1 * std::log(4.0) + 1));
}

TEST_CASE("gemma 3: rope_local_base_freq, sliding_window_pattern, rope_scaling for full layers") {
  const ModelConfig c = read(kSizes + R"("model_type": "gemma3_text", "num_hidden_layers": 7,
    "head_dim": 16, "rope_theta": 1000000.0, "rope_local_base_freq": 10000.0,
    "sliding_window": 512, "sliding_window_pattern": 6, "query_pre_attn_scalar": 25,
    "rope_scaling": {"factor": 8.0, "rope_type": "linear"})");
  CHECK(windows(c) == std::vector<int64_t>{512, 512, 512, 512, 512, 0, 512});
  CHECK(c.ropes[0].rope_theta == 1e6);
  CHECK(c.ropes[0].rope_type == "linear");
  CHECK(c.ropes[1].rope_theta == 1e4);
  CHECK(c.ropes[1].rope_type == "default");
  CHECK(c.layers[5].attention.rope == 0);
  CHECK(c.layers[6].attention.rope == 1);
  CHECK(c.layers[0].attention.scaling == Approx(0.2));
  CHECK(c.tie_word_embeddings);
}

TEST_CASE("phi 3.5: longrope under its old name, original length outside") {
  const std::string model = kSizes + R"("model_type": "phi3", "num_hidden_layers": 1,
    "max_position_embeddings": 131072, "original_max_position_embeddings": 4096,
    "sliding_window": 262144, )";
  const std::string factors = R"("short_factor": [1, 1, 1, 1, 1, 1, 1, 1],
    "long_factor": [1, 2, 3, 4, 5, 6, 7, 8]})";
  for (const char* type : {"longrope", "su", "yarn"}) {
    const ModelConfig c = read(model + R"("rope_scaling": {"type": ")" + type + "\", " + factors);
    CHECK(c.ropes[0].rope_type == "longrope");
    CHECK(c.ropes[0].original_max_position_embeddings == 4096);
    CHECK(c.ropes[0].attention_factor == Approx(std::sqrt(1 + std::log(32.0) / std::log(4096.0))));
  }
  CHECK_THAT(
      refusal(model + R"("partial_rotary_factor": 0.5, "rope_scaling": {"type": "su", )" + factors),
      Contains("short_factor must have 4 numbers"));
}

TEST_CASE("smollm3 and olmo: which layers rotate, what is clipped") {
  const ModelConfig smollm = read(kSizes + R"("model_type": "smollm3", "num_hidden_layers": 5)");
  CHECK(smollm.layers[3].attention.rope == -1);
  CHECK(smollm.layers[4].attention.rope == 0);
  CHECK(smollm.ropes[0].rope_theta == 2e6);
  const ModelConfig olmo = read(kSizes + R"("model_type": "olmo", "num_hidden_layers": 1,
    "clip_qkv": 8.0, "pad_token_id": 1)");
  CHECK(olmo.layers[0].attention.clip_qkv == 8);
  CHECK(olmo.norm.layer_norm);
  CHECK(!olmo.norm.weight);
}

TEST_CASE("openelm: lists of heads and multipliers, widths divisible") {
  const std::string model = R"("model_type": "openelm", "vocab_size": 32000, "model_dim": 1280,
    "num_transformer_layers": 2, "head_dim": 64, "num_query_heads": [12, 20],
    "num_kv_heads": [3, 5], "ffn_dim_divisor": 256, "rope_freq_constant": 10000,
    "share_input_output_layers": true, "normalize_qk_projections": true, "ffn_with_glu": )";
  const ModelConfig c = read(model + R"(true, "ffn_multipliers": [0.5, 0.73])");
  CHECK(c.layers[0].mlp.intermediate_size == 768);
  CHECK(c.layers[1].mlp.intermediate_size == 1024);
  CHECK(c.layers[1].attention.num_attention_heads == 20);
  CHECK_THAT(refusal(model + R"(true, "ffn_multipliers": [0.5])"), Contains("one number a layer"));
  CHECK_THAT(refusal(model + R"(false, "ffn_multipliers": [0.5, 0.73])"),
             Contains("ffn_with_glu false is not supported"));
}

TEST_CASE("settings that would make another model are refused by name") {
  const std::string gemma = kSizes + R"("model_type": "gemma3_text", "num_hidden_layers": 1, )";
  CHECK_THAT(refusal(gemma + R"("use_bidirectional_attention": true)"),
             Contains("use_bidirectional_attention is not supported"));
  CHECK_THAT(refusal(kSizes + R"("model_type": "qwen3", "num_hidden_layers": 1,
                                 "layer_types": ["chunked_attention"],
                                 "use_sliding_window": true)"),
             Contains("layer_types holds 'chunked_attention'"));
  CHECK_THAT(refusal(R"("model_type": "gpt2", "vocab_size": 9, "n_embd": 8, "n_layer": 1,
                        "n_head": 2, "add_cross_attention": true)"),
             Contains("add_cross_attention is not supported"));
  CHECK_THAT(refusal(kSizes + R"("model_type": "olmoe", "num_hidden_layers": 4096,
                                 "num_experts": 4096)"),
             Contains("num_hidden_layers * num_experts"));
  CHECK_THAT(refusal(kSizes + R"("model_type": "olmoe", "num_hidden_layers": 1, "num_experts": 4,
                                 "num_experts_per_tok": 5)"),
             Contains("num_experts_per_tok must be from 1 to 4"));
  CHECK_THAT(refusal(kSizes + R"("model_type": "llama", "num_hidden_layers": 5000)"),
             Contains("num_hidden_layers must be from 1 to 4096"));
}
