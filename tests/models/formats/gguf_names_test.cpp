#include "models/formats/gguf_names.h"

#include <catch2/catch.hpp>

#include "models/formats/error.h"
#include "models/formats/json.h"
#include "tests/models/formats/golden.h"
#include "tests/temp_dir.h"

using namespace tptt;
using Catch::Matchers::Contains;

namespace {

GgufChange change(const std::string& architecture, const std::string& gguf) {
  return hf_tensor_name(architecture, gguf).value().change;
}

}  // namespace

TEST_CASE("tensor names agree with gguf's TensorNameMap both ways", "[golden]") {
  const Json golden = parse_json(read_text(golden_gguf("names.json")), "names.json");
  std::vector<std::string> seen;
  for (const auto& [architecture, names] : golden.items()) {
    seen.push_back(architecture);
    for (const auto& [hf, gguf] : names.items()) {
      INFO(architecture << " " << hf);
      const auto there = gguf_tensor_name(architecture, hf);
      REQUIRE(there);
      CHECK(there->name == gguf.get<std::string>());
      const auto back = hf_tensor_name(architecture, gguf.get<std::string>());
      REQUIRE(back);
      CHECK(back->change == there->change);
      if (there->expert < 0) {
        CHECK(back->name == hf);
      } else {
        CHECK(there->change == GgufChange::stacked_experts);
        CHECK_THAT(back->name, Contains(".experts.*."));
      }
    }
  }
  CHECK(seen == gguf_architectures());
}

TEST_CASE("each tensor knows what the conversion does to its values") {
  for (const char* permuted : {"llama", "granite", "olmo", "smollm3"}) {
    CHECK(change(permuted, "blk.3.attn_q.weight") == GgufChange::permuted_q);
    CHECK(change(permuted, "blk.3.attn_k.bias") == GgufChange::permuted_k);
    CHECK(change(permuted, "blk.3.attn_v.weight") == GgufChange::none);
  }
  for (const char* plain : {"qwen2", "qwen3", "gemma2", "gemma3", "olmo2", "olmoe"})
    CHECK(change(plain, "blk.0.attn_q.weight") == GgufChange::none);
  for (const char* norm : {"output_norm", "blk.0.attn_norm", "blk.0.post_ffw_norm"})
    CHECK(change("gemma2", norm + std::string(".weight")) == GgufChange::plus_one);
  CHECK(change("gemma3", "blk.0.attn_k_norm.weight") == GgufChange::plus_one);
  CHECK(change("qwen3", "blk.0.attn_k_norm.weight") == GgufChange::none);
  CHECK(change("gpt2", "blk.0.ffn_down.weight") == GgufChange::transposed);
  CHECK(change("gpt2", "blk.0.ffn_down.bias") == GgufChange::none);
  CHECK(change("gpt2", "blk.0.attn_norm.weight") == GgufChange::none);
  CHECK(change("gpt2", "token_embd.weight") == GgufChange::none);
  CHECK(gguf_tensor_name("olmoe", "model.layers.1.mlp.experts.63.up_proj.weight")->expert == 63);
}

TEST_CASE("tensors that an architecture has not get no name") {
  for (const char* name : {"rope_freqs.weight", "blk.0.attn_q_norm.weight", "blk..attn_q.weight",
                           "blk.x.attn_q.weight", "blk.01.attn_q.weight", "blk.0.attn_q",
                           "blk.0.attn_q.weight.lora_a", "blk.99999999999.attn_q.weight", ""})
    CHECK_FALSE(hf_tensor_name("llama", name));
  CHECK_FALSE(gguf_tensor_name("olmo", "model.norm.weight"));
  CHECK_FALSE(gguf_tensor_name("phi3", "model.layers.0.self_attn.q_proj.weight"));
  CHECK_FALSE(gguf_tensor_name("olmo2", "model.layers.0.input_layernorm.weight"));
  CHECK_THAT(message_of<Error>([] { hf_tensor_name("mamba", "output.weight"); }),
             Contains("'mamba'") && Contains("known: gemma2, gemma3, gpt2"));
}
