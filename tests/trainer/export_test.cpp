#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <c10/core/GradMode.h>

#include <filesystem>

#include "models/formats/error.h"
#include "models/formats/weight_index.h"
#include "models/lora.h"
#include "tests/catch.h"
#include "tests/models/tiny_model.h"
#include "tests/temp_dir.h"
#include "trainer/adapter.h"
#include "trainer/commands.h"

using namespace tptt;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;

namespace {

// An adapter on every Linear of the model at `base`, in `dir`.
std::unique_ptr<CausalLM> write_random_adapter(const std::string& base, const fs::path& dir,
                                               const std::optional<LizaConfig>& liza = {}) {
  auto model = load_dir(base);
  add_random_lora(*model);
  AdapterConfig config;
  config.lora.r = 4;
  config.lora.lora_alpha = 8;
  config.lora.target_modules = {{}, kAllLinear};
  config.liza = liza;
  config.base_model_name_or_path = base;
  fs::create_directories(dir);
  write_adapter(*model, config, dir.string());
  return model;
}

at::Tensor random_logits(const CausalLM& model) {
  const at::Tensor ids = (at::arange(20, at::kLong) * 7 + 3).remainder(model.config.vocab_size);
  return logits(model, ids, {20});
}

double rounding(const std::string& dtype) {
  return dtype == "float32" ? 1e-5 : dtype == "float16" ? 5e-3 : 5e-2;
}

std::string refusal(const ExportFlags& flags) {
  return message_of<UsageError>([&] { run_export(flags); });
}

}  // namespace

// peft #1043, #2321, transformers #31293: a merged model is another than base and adapter.
TEST_CASE("a merged model gives the logits of its base and adapter, in the base's layout") {
  const c10::AutoGradMode no_grad(false);
  for (const std::string name :
       {"mistral/no_window_tied", "llama/odd_sharded", "gpt2/inverse_layer_f16", "olmoe/plain",
        "phi3/window", "openelm/layer_wise", "gemma3_text/two_ropes"}) {
    INFO(name);
    const TempDir dir;
    const std::string base = golden_dir() + "/" + name;
    const auto model = write_random_adapter(base, dir.path / "adapter");
    ExportFlags flags;
    flags.from = (dir.path / "adapter").string();
    flags.format = "merged";
    flags.output = (dir.path / "merged").string() + "/";
    run_export(flags);
    const at::Tensor expected = random_logits(*model);
    const at::Tensor merged = random_logits(*load_dir(flags.output));
    CHECK(relative(merged, expected) < rounding(model->config.torch_dtype));
    CHECK(relative(merged, random_logits(*load_dir(base))) > 0.1);
    const auto before = index_safetensors_dir(base), after = index_safetensors_dir(flags.output);
    REQUIRE(before.entries.size() == after.entries.size());
    for (const auto& [tensor, entry] : before.entries) {
      const auto& other = after.entries.at(tensor);
      CHECK(fs::path(before.files[entry.file].path()).filename() ==
            fs::path(after.files[other.file].path()).filename());
      CHECK(other.info.type == entry.info.type);
    }
  }
}

TEST_CASE("a GGUF base is merged into a GGUF file") {
  const c10::AutoGradMode no_grad(false);
  const std::string outtype = GENERATE(as<std::string>(), "f16", "q8_0");
  for (const std::string name : {"llama-gqa_bias_bf16_sharded", "gpt2-plain", "gemma3_text-mqa"}) {
    INFO(name << " " << outtype);
    const TempDir dir;
    const std::string base = golden_dir() + "/gguf_models/" + name + ".gguf";
    const auto model = write_random_adapter(base, dir.path / "adapter");
    ExportFlags flags;
    flags.from = (dir.path / "adapter").string();
    flags.format = "merged";
    flags.output = (dir.path / "merged.gguf").string();
    flags.outtype = outtype;
    run_export(flags);
    // No row of these models divides into Q8_0's blocks but some of gpt2's: F16 then.
    CHECK(relative(random_logits(*load_dir(flags.output)), random_logits(*model)) < 5e-2);
    CHECK_THAT(refusal(flags), Contains("is there already"));
  }
}

// llama.cpp #6536, #9065, peft #2018: adapters whose export loses something, unsaid.
TEST_CASE("exports refuse by name what they have no place for") {
  const TempDir dir;
  const std::string base = golden_dir() + "/llama/tied";
  write_random_adapter(base, dir.path / "plain");
  LizaConfig liza;
  liza.mag.mode = "constant";
  write_random_adapter(base, dir.path / "liza", liza);
  ExportFlags flags;
  flags.from = (dir.path / "liza").string();
  flags.output = (dir.path / "out").string();
  for (const char* format : {"merged", "gguf-lora"}) {
    flags.format = format;
    CHECK_THAT(refusal(flags), Contains("LiZA memory") && Contains("--drop-liza"));
  }
  CHECK(!fs::exists(flags.output));
  flags.drop_liza = true;
  run_export(flags);
  CHECK(fs::is_regular_file(flags.output));
  flags.from = (dir.path / "plain").string();
  flags.output = (dir.path / "more").string();
  flags.format = "merged";
  flags.outtype = "f16";
  CHECK_THAT(refusal(flags), Contains("no GGUF file"));
  flags.format = "peft";
  CHECK_THAT(refusal(flags), Contains("--outtype is for --format merged"));
  flags.outtype = "";
  flags.format = "onnx";
  CHECK_THAT(refusal(flags), Contains("expected peft, merged, gguf-lora or tptt"));
  flags.format = "gguf-lora";
  flags.model = golden_dir() + "/openelm/layer_wise";
  CHECK_THROWS_AS(run_export(flags), Error);
  replace_in(dir.path / "plain/adapter_config.json", "\"use_dora\": false", "\"use_dora\": true");
  CHECK_THAT(message_of<Error>([&] { run_export(flags); }), Contains("use_dora"));
  CHECK(!fs::exists(flags.output));
}

TEST_CASE("an adapter keeps the modules it was given") {
  // GPT-2's c_proj is the name of two modules of a layer.
  const TempDir dir;
  auto model = load_dir(golden_dir() + "/gpt2/plain");
  AdapterConfig config;
  config.lora.target_modules = {{"attn.c_proj", "transformer.h.1.mlp.c_fc"}};
  add_lora(*model, config.lora, 0);
  CHECK(trainables(*model).size() == 2 * 3);
  write_adapter(*model, config, dir.path.string());
  auto again = load_dir(golden_dir() + "/gpt2/plain");
  apply_adapter(*again, dir.path.string());
  CHECK(trainables(*again).size() == 2 * 3);
}

// llama.cpp #11554, unsloth #1546: adapters for llama.cpp.
TEST_CASE("rank-stabilised adapters with ranks and alphas of their own are scaled as PEFT does") {
  auto model = load_dir(golden_dir() + "/llama/tied");
  LoraConfig config;
  config.r = 4;
  config.lora_alpha = 6;
  config.use_rslora = true;
  config.rank_pattern = {{"k_proj", 9}, {"layers\\.1\\.mlp\\.up_proj", 1}};
  config.alpha_pattern = {{"v_proj", 3}};
  config.target_modules = {{}, kAllLinear};
  add_lora(*model, config, 0);
  for (const Linear* linear : model->linears()) {
    if (!linear->lora) continue;
    INFO(linear->name);
    const bool k = linear->name.ends_with("k_proj"), v = linear->name.ends_with("v_proj");
    const bool up = linear->name.ends_with("1.mlp.up_proj");
    CHECK(linear->lora->a.size(0) == (k ? 9 : up ? 1 : 4));
    CHECK(linear->lora->scaling == Approx(v ? 1.5 : k ? 2 : up ? 6 : 3));
  }
  config.alpha_pattern = {{"self_attn.v_proj", 3}, {"v_proj", 4}};
  CHECK_THAT(message_of<UsageError>([&] { add_lora(*model, config, 0); }),
             Contains("both fit module 'model.layers.0.self_attn.v_proj'"));
  config.alpha_pattern = {{"(", 3}};
  CHECK_THAT(message_of<Error>([&] { add_lora(*model, config, 0); }),
             Contains("pattern") && Contains("no valid regular expression"));
}
