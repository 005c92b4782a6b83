#include "models/formats/gguf_lora.h"

#include <catch2/catch.hpp>
#include <numeric>

#include "models/formats/error.h"
#include "models/formats/gguf.h"
#include "tests/models/formats/golden.h"
#include "tests/temp_dir.h"

using namespace tptt;
using Catch::Matchers::Contains;

namespace {

struct Adapter {
  std::vector<float> a, b;
  GgufLora lora;
  Adapter(std::string module, int64_t rank, int64_t in, int64_t out, double scale)
      : a(size_t(rank * in)), b(size_t(out * rank)) {
    std::iota(a.begin(), a.end(), 1.0f);
    std::iota(b.begin(), b.end(), 1.0f);
    lora = {std::move(module), rank, in, out, a, b, scale};
  }
};

std::vector<float> tensor(const ReadFile& file, const GgufHeader& header, const std::string& name) {
  const TensorInfo& info = named(header.tensors, name);
  std::vector<float> values(size_t(info.numel()));
  file.read(info.offset, values.data(), info.nbytes);
  return values;
}

std::string refusal(const GgufLoraBase& base, const GgufLora& lora) {
  const TempDir dir;
  return message_of<Error>(
      [&] { write_gguf_lora((dir.path / "out.gguf").string(), base, {lora}); });
}

}  // namespace

TEST_CASE("a LoRA adapter in GGUF carries its scale in B and the base's row order") {
  const TempDir dir;
  const std::string path = (dir.path / "out.gguf").string();
  const Adapter q("model.layers.1.self_attn.q_proj", 1, 3, 8, 0.5);
  const Adapter k("model.layers.1.self_attn.k_proj", 2, 3, 4, 1);
  const Adapter v("model.layers.1.self_attn.v_proj", 1, 3, 4, 2);
  write_gguf_lora(path, {"llama", 2, 1}, {q.lora, k.lora, v.lora});
  const ReadFile file(path);
  const GgufHeader header = read_gguf_header(file);
  CHECK(header.get_string("general.type") == "adapter");
  CHECK(header.get_string("general.architecture") == "llama");
  CHECK(header.get_string("adapter.type") == "lora");
  CHECK(header.get_number("adapter.lora.alpha") == 0);
  CHECK(header.stored.back().type == GgufType::F32);
  CHECK(named(header.tensors, "blk.1.attn_q.weight.lora_a").shape == std::vector<int64_t>{1, 3});
  CHECK(named(header.tensors, "blk.1.attn_q.weight.lora_b").shape == std::vector<int64_t>{8, 1});
  CHECK(tensor(file, header, "blk.1.attn_q.weight.lora_a") == q.a);
  CHECK(tensor(file, header, "blk.1.attn_q.weight.lora_b") ==
        std::vector<float>{.5f, 1.5f, 1, 2, 2.5f, 3.5f, 3, 4});
  CHECK(tensor(file, header, "blk.1.attn_k.weight.lora_b") ==
        std::vector<float>{1, 2, 5, 6, 3, 4, 7, 8});
  CHECK(tensor(file, header, "blk.1.attn_v.weight.lora_b") == std::vector<float>{2, 4, 6, 8});
  CHECK(header.tensors.size() == 6);
}

TEST_CASE("fused and Conv1D projections are one tensor with their rows as they are") {
  const TempDir dir;
  const struct {
    std::string architecture, module, tensor;
  } cases[] = {{"phi3", "model.layers.0.self_attn.qkv_proj", "blk.0.attn_qkv.weight"},
               {"phi3", "model.layers.0.mlp.gate_up_proj", "blk.0.ffn_up.weight"},
               {"gpt2", "transformer.h.0.attn.c_attn", "blk.0.attn_qkv.weight"},
               {"qwen2", "model.layers.0.self_attn.q_proj", "blk.0.attn_q.weight"}};
  for (size_t i = 0; i < std::size(cases); ++i) {
    INFO(cases[i].module);
    const std::string path = (dir.path / std::to_string(i)).string();
    const Adapter adapter(cases[i].module, 2, 3, 12, 1);
    write_gguf_lora(path, {cases[i].architecture, 2, 2}, {adapter.lora});
    const ReadFile file(path);
    const GgufHeader header = read_gguf_header(file);
    CHECK(tensor(file, header, cases[i].tensor + ".lora_a") == adapter.a);
    CHECK(tensor(file, header, cases[i].tensor + ".lora_b") == adapter.b);
  }
}

TEST_CASE("modules that llama.cpp gives no adapter are refused by name") {
  const auto of = [](const char* architecture, const std::string& module) {
    return refusal({architecture, 2, 1}, Adapter(module, 1, 3, 8, 1).lora);
  };
  CHECK(of("llama", "model.layers.0.mlp.up_proj").empty());
  CHECK_THAT(of("llama", "model.layers.0.mlp.router"),
             Contains("'model.layers.0.mlp.router'") && Contains("no such GGUF tensor"));
  CHECK_THAT(of("llama", "model.embed_tokens"), Contains("no adapter to 'token_embd.weight'"));
  CHECK_THAT(of("llama", "lm_head"), Contains("no adapter to 'output.weight'"));
  CHECK_THAT(of("llama", "model.norm"), Contains("no adapter to 'output_norm.weight'"));
  CHECK_THAT(of("olmoe", "model.layers.0.mlp.experts.1.up_proj"), Contains("ffn_up_exps"));
  CHECK_THAT(of("rwkv", "lm_head"), Contains("'rwkv' has no table"));
  Adapter wrong("model.layers.0.self_attn.q_proj", 1, 3, 8, 1);
  wrong.lora.rank = 2;
  CHECK_THAT(refusal({"llama", 2, 1}, wrong.lora), Contains("sizes of A and B"));
  CHECK_THAT(refusal({"llama", 3, 1}, Adapter("model.layers.0.self_attn.q_proj", 1, 3, 8, 1).lora),
             Contains("for each of 3 heads"));
}
