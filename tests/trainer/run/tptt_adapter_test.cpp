#include "trainer/tptt_adapter.h"

#include <catch2/catch.hpp>

#include "models/formats/error.h"
#include "models/liza/operator_mode.h"
#include "tests/temp_dir.h"

using namespace tptt;
using Catch::Matchers::Contains;

namespace {

const char* kLora = R"("lora_config": {"peft_type": "LORA", "r": 4, "lora_alpha": 8,
  "lora_dropout": 0.05, "bias": "none", "target_modules": ["q_proj", "v_proj"]})";
const char* kNew = R"("recurrent_config": {"order": 2, "alpha_gate": "c", "beta_gate": "k",
  "linear": true, "trick": "rdt"})";

AdapterConfig read(const std::string& keys) {
  const TempDir dir;
  write_text(dir.path / "config.json", R"({"model_type": "tptt", "base_model_name": "org/base", )" +
                                           std::string(kLora) + ", " + keys + "}");
  REQUIRE(is_tptt_adapter(dir.path.string()));
  return read_adapter_config(dir.path.string());
}

AdapterConfig exportable() {
  AdapterConfig config;
  config.liza = default_liza("tptt");
  config.liza->operator_mode = "gated_delta_product";
  config.liza->cross_gate = true;
  config.liza->mag.effective_weight = 0.25;
  return config;
}

ModelFiles write_base(const TempDir& dir) {
  write_text(dir.path / "config.json", R"({"model_type": "llama", "hidden_size": 32})");
  return {dir.path.string(), dir.path.string(), "", ""};
}

}  // namespace

TEST_CASE("a directory of Python tptt is LoRA with a memory of its own operator") {
  const AdapterConfig config = read(std::string(kNew) + R"(, "operator_mode": "delta_product_c",
      "mag_weight": 0.3, "max_chunk_size": 32, "cross_gate": true, "base_scale_attn": null,
      "max_self_attn_length": 128, "linear_precision": "float32", "hidden_size": 99,
      "target_modules_names": ["attn", "self_attn", "attention"])");
  CHECK(config.base_model_name_or_path == "org/base");
  CHECK(config.lora.r == 4);
  CHECK(config.lora.target_modules.names == std::vector<std::string>{"q_proj", "v_proj"});
  REQUIRE(config.liza);
  CHECK(config.liza->implementation == "tptt");
  CHECK(config.liza->operator_mode == "delta_product_c");
  CHECK(config.liza->branch_scale == "none");
  CHECK(config.liza->max_chunk_size == 32);
  CHECK(config.liza->cross_gate);
  CHECK_FALSE(config.liza->base_scale_attn);
  CHECK(config.liza->max_self_attn_length == 128);
  CHECK(config.liza->target_modules == std::vector<std::string>{"all"});
  CHECK(config.liza->mag.mode == "constant");
  CHECK(config.liza->mag.effective_weight == 0.3);
}

TEST_CASE("a mode given by its parts, and the defaults of the package") {
  const AdapterConfig config =
      read(std::string(kNew) + R"(, "operator_mode": null, "linear_precision": "bfloat16",
           "target_modules_names": ["layers.1.self_attn"])");
  CHECK(config.liza->operator_mode == "delta_product_c");
  CHECK(config.liza->mag.effective_weight == 0.5);
  CHECK(config.liza->linear_precision == "float32");
  CHECK(config.liza->target_modules == std::vector<std::string>{"layers.1.self_attn"});
  // What 0.5 to 0.11 wrote: no recurrent_config.
  CHECK(read(R"("operator_mode": "delta_rule_v")").liza->operator_mode == "delta_rule_v");
}

TEST_CASE("what the package does and we do not is refused by name") {
  CHECK_THROWS_WITH(read(R"("operator_mode": "gla")"), Contains("gla"));
  CHECK_THROWS_WITH(read(R"("operator_mode": null, "recurrent_config": {"order": 7})"),
                    Contains("none of the known modes"));
  CHECK_THROWS_WITH(read(R"("operator_mode": "delta_rule", "bidirectional": true)"),
                    Contains("bidirectional"));
  CHECK_THROWS_WITH(read(R"("operator_mode": "delta_rule", "linear_precision": 32)"),
                    Contains("linear_precision"));
  CHECK_THROWS_WITH(read(R"("operator_mode": "delta_rule", "mag_weight": 2)"),
                    Contains("mag_weight"));
  const TempDir dir;
  write_text(dir.path / "config.json",
             R"({"model_type": "tptt", "operator_mode": "delta_rule", "lora_config": null})");
  CHECK_THROWS_WITH(read_adapter_config(dir.path.string()), Contains("lora_config is null"));
}

TEST_CASE("tensor names of every version become PEFT's") {
  const std::string peft = "base_model.model.model.layers.3.self_attn.q_proj.lora_A.weight";
  for (const char* name :
       {"base_model.model.model.layers.3.self_attn.base_attn.q_proj.lora_A.weight",
        "base_model.model.model.layers.3.self_attn.base_attn.q_proj.lora_A.default.weight",
        "model.model.layers.3.self_attn.base_attn.q_proj.lora_A.default.weight",
        "model.model.layers.3.self_attn.base_attn.q_proj.lora_A.weight"})
    CHECK(peft_name_of_tptt(name) == peft);
  CHECK(peft_name_of_tptt("backbone.lm_head.weight") == "backbone.lm_head.weight");
  const std::vector<std::string> attentions{"model.layers.3.self_attn"};
  CHECK(tptt_name_of_peft(peft, attentions) ==
        "model.model.layers.3.self_attn.base_attn.q_proj.lora_A.default.weight");
  CHECK(tptt_name_of_peft("base_model.model.model.layers.30.self_attn.q_proj.lora_B.weight",
                          attentions) ==
        "model.model.layers.30.self_attn.q_proj.lora_B.default.weight");
}

TEST_CASE("tensors that are no LoRA matrices are not exported") {
  for (const char* name : {"x", "base_model.model.lm_head.weight", "model.a.lora_A.weight"})
    CHECK_THROWS_WITH(tptt_name_of_peft(name, {}), Contains(name));
}

TEST_CASE("an exported configuration reads back as the same function") {
  for (const std::string& mode : package_modes()) {
    const TempDir dir, base;
    AdapterConfig config = exportable();
    config.liza->operator_mode = mode;
    config.liza->max_self_attn_length = 128, config.liza->num_sink_tokens = 0;
    write_text(dir.path / "config.json", tptt_config_json(config, write_base(base), {}));
    const AdapterConfig back = read_adapter_config(dir.path.string());
    CHECK(back.liza->operator_mode == mode);
    CHECK(back.liza->cross_gate);
    CHECK(back.liza->mag.effective_weight == 0.25);
    CHECK(back.liza->max_self_attn_length == 128);
    CHECK(back.liza->num_sink_tokens == 0);
    CHECK(back.lora.target_modules == config.lora.target_modules);
    CHECK(back.base_model_name_or_path == base.path.string());
  }
}

TEST_CASE("an adapter that the package cannot compute is not exported") {
  const TempDir base;
  const ModelFiles files = write_base(base);
  const auto message = [&](auto change) {
    AdapterConfig config = exportable();
    change(config);
    return message_of<UsageError>([&] { tptt_config_json(config, files, {}); });
  };
  CHECK_THAT(message([](auto& c) { c.liza->implementation = "exact"; }),
             Contains("liza.implementation: exact"));
  CHECK_THAT(message([](auto& c) { c.liza->mag.mode = "learned"; }), Contains("mag.mode: learned"));
  CHECK_THAT(message([](auto& c) { c.liza->branch_scale = "match"; }),
             Contains("branch_scale: match"));
  CHECK_THAT(message([](auto& c) { c.liza.reset(); }), Contains("no memory"));
}
