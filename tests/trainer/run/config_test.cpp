#include "trainer/config.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>

#include "models/formats/error.h"
#include "tests/temp_dir.h"
#include "trainer/config_keys.h"
#include "trainer/config_text.h"
#include "trainer/schedule.h"

using namespace tptt;
using Catch::Contains;

namespace {

const std::string kMinimal =
    "model: {name_or_path: m}\ndata: {train: [{path: a.jsonl}]}\ntraining: {output_dir: out}\n";

const std::string kMinimalUnpacked =
    "model: {name_or_path: m}\ndata: {train: [{path: a.jsonl}], packing: false}\n"
    "training: {output_dir: out}\n";

Config load(const std::string& yaml, const std::vector<std::string>& overrides = {}) {
  const TempDir dir;
  const auto path = dir.path / "c.yaml";
  write_text(path, yaml);
  return load_config(path.string(), overrides);
}

/// The error for a YAML text, its path cut to "c.yaml".
std::string refusal(const std::string& yaml, const std::vector<std::string>& overrides = {}) {
  const std::string text = message_of<UsageError>([&] { load(yaml, overrides); });
  const size_t at = text.find("c.yaml");
  return at == std::string::npos ? text : text.substr(at);
}

struct Leaf {
  std::vector<std::string> path;
  std::string good;
  bool is_text, is_number;
};

struct LeafCollector {
  std::vector<Leaf>& out;
  std::vector<std::string> path;

  template <class Value>
  void operator()(const char* name, const Value& value, const Rule& rule, const char*) const {
    if (rule.adapter_only) return;
    std::vector<std::string> here = path;
    here.push_back(name);
    if constexpr (Section<Value>) {
      visit_keys(value, LeafCollector{out, here});
    } else if constexpr (std::is_same_v<Value, std::optional<LizaConfig>>) {
      const LizaConfig defaults = value ? *value : LizaConfig();
      (*this)(name, defaults, rule, "");
    } else {
      constexpr bool kNumber = std::is_same_v<Value, double> || std::is_same_v<Value, int64_t>;
      out.push_back({here, value_to_yaml(value), std::is_same_v<Value, std::string>, kNumber});
    }
  }
};

std::vector<Leaf> all_leaves() {
  std::vector<Leaf> leaves;
  const Config defaults;
  visit_keys(defaults, LeafCollector{leaves, {}});
  return leaves;
}

std::string dotted(const Leaf& leaf) {
  std::string text;
  for (const std::string& part : leaf.path) text += (text.empty() ? "" : ".") + part;
  return text;
}

/// A block YAML with the sections of `leaf` and then the given lines.
std::string yaml_with(const Leaf& leaf, const std::vector<std::string>& lines) {
  std::string text, indent;
  for (size_t i = 0; i + 1 < leaf.path.size(); ++i, indent += "  ") {
    text += indent + leaf.path[i] + ":\n";
  }
  for (const std::string& line : lines) text += indent + line + "\n";
  return text;
}

std::string at(const Leaf& leaf, size_t line_in_section) {
  return "c.yaml:" + std::to_string(leaf.path.size() - 1 + line_in_section) + ":";
}

}  // namespace

TEST_CASE("every key refuses a wrong type with its place and name") {
  const auto leaves = all_leaves();
  REQUIRE(leaves.size() > 40);
  for (const Leaf& leaf : leaves) {
    std::vector<std::string> wrong = {"{a: [1]}", "[[1]]", "~", ""};
    if (leaf.is_text) wrong = {"{a: 1}", "[a]", "~", "1.5", "010", "yes", "1_000", ".inf", "0x1f"};
    if (leaf.is_number) {
      wrong = {"{a: 1}", "[1]",   "~",     "abc",  "true",  "010",   "yes", ".inf",
               ".nan",   "1_000", "\"5\"", "0x10", "1e999", "-.inf", "+1"};
    }
    for (const std::string& value : wrong) {
      const std::string yaml = yaml_with(leaf, {leaf.path.back() + ": " + value});
      INFO(yaml);
      const std::string message = refusal(yaml);
      CHECK_THAT(message, Contains(at(leaf, 1)) && Contains("'" + dotted(leaf) + "'"));
    }
  }
}

TEST_CASE("every key misspelt names the nearest one") {
  for (const Leaf& leaf : all_leaves()) {
    const std::string name = leaf.path.back(), typo = name + "x";
    const std::string yaml = yaml_with(leaf, {typo + ": " + leaf.good});
    INFO(yaml);
    CHECK_THAT(refusal(yaml),
               Contains(at(leaf, 1)) && Contains("is unknown; did you mean '" + name));
  }
}

TEST_CASE("every key given twice is refused") {
  for (const Leaf& leaf : all_leaves()) {
    const std::string line = leaf.path.back() + ": " + leaf.good;
    const std::string yaml = yaml_with(leaf, {line, line});
    INFO(yaml);
    CHECK_THAT(refusal(yaml), Contains(at(leaf, 2)) && Contains("is given twice"));
  }
}

TEST_CASE("every number with a range refuses what lies outside") {
  for (const Leaf& leaf : all_leaves()) {
    if (!leaf.is_number) continue;
    const std::string yaml = yaml_with(leaf, {leaf.path.back() + ": -1"});
    INFO(yaml);
    CHECK_THAT(refusal(yaml), Contains(at(leaf, 1)) && Contains("must be"));
  }
}

TEST_CASE("an unknown key is shown with file, line, column and the nearest key") {
  CHECK_THAT(refusal("training:\n  output_dir: out\n  learning_rat: 1e-3\n"),
             Contains("c.yaml:3:3: key 'training.learning_rat' is unknown; did you mean "
                      "'learning_rate'?"));
}

TEST_CASE("settings of later versions are refused as not supported yet") {
  CHECK_THAT(refusal("liza: {linear_precision: bfloat16}"),
             Contains("not supported yet: expected one of float32, float64"));
}

TEST_CASE("what starts from the package's recipe and what does not go together") {
  const Config config =
      load(kMinimalUnpacked + "liza: {implementation: tptt, max_self_attn_length: 64}");
  CHECK(config.liza->mag.mode == "gradual");
  CHECK(config.liza->branch_scale == "none");
  CHECK(config.liza->max_self_attn_length == 64);
  CHECK_THAT(to_yaml(config), Contains("max_self_attn_length: 64"));
  CHECK_THAT(refusal(kMinimal + "liza: {implementation: tptt}"),
             Contains("'liza.implementation' tptt knows no boundaries between packed examples"));
  CHECK_THAT(refusal(kMinimal + "liza: {max_self_attn_length: 0}"),
             Contains("'liza.max_self_attn_length' must be at least 1"));
  CHECK_THAT(refusal(kMinimal + "liza: {base_scale_attn: true}"),
             Contains("'liza.base_scale_attn' needs branch_scale: none"));
  CHECK_THAT(refusal(kMinimal + "liza: {cross_gate: true}"),
             Contains("'liza.cross_gate' does not go with mag.mode: learned"));
  CHECK_THAT(
      refusal(kMinimal + "liza: {branch_scale: learned, mag: {mode: token}, cross_gate: true}"),
      Contains("'liza.cross_gate' does not go with mag.mode: token"));
  CHECK_THAT(refusal(kMinimal + "liza: {mag: {mode: token, mag_weight: 0}}"),
             Contains("must be above 0 and below 1 with mode token"));
  CHECK_THAT(
      refusal(kMinimalUnpacked + "liza: {implementation: tptt, operator_mode: learned_delta_rule}"),
      Contains("'liza.operator_mode' is not what the Python package has"));
  CHECK_THAT(refusal(kMinimalUnpacked +
                     "liza: {implementation: tptt, branch_scale: learned, mag: {mode: token}}"),
             Contains("'liza.branch_scale' is not what the Python package has"));
  CHECK_THAT(refusal(kMinimal + "liza: {transfer_steps: 3}"),
             Contains("'liza.transfer_steps' needs max_self_attn_length"));
  CHECK_THAT(refusal(kMinimal + "liza: {transfer_steps: 3.5, max_self_attn_length: 8}"),
             Contains("'liza.transfer_steps' must be a whole number of steps or a fraction"));
  CHECK_THAT(refusal(kMinimal + "liza: {transfer_steps: 3, max_self_attn_length: 8, "
                                "mag: {mode: constant}}"),
             Contains("'liza.transfer_steps' needs mag.mode token or learned"));
  CHECK_THAT(refusal(kMinimal + "liza: {mag: {mode: token}}"),
             Contains("'liza.branch_scale' learned and mag.mode: token go together"));
  CHECK_THAT(refusal(kMinimal + "liza: {target_modules: []}"), Contains("empty list"));
}

TEST_CASE("mode cyclic needs its weights") {
  CHECK_THAT(refusal(kMinimal + "liza: {mag: {mode: cyclic}}"),
             Contains("'liza.mag.weight_list' is needed with mode cyclic"));
  CHECK_THAT(refusal(kMinimal + "liza: {mag: {mode: cyclic, weight_list: [0.1, 2]}}"),
             Contains("must be at least 0 and at most 1"));
  const Config config = load(kMinimal + "liza: {mag: {mode: cyclic, weight_list: [0, 0.5]}}");
  CHECK(config.liza.value().mag.weight_list == std::vector<double>{0, 0.5});
  CHECK_THAT(to_yaml(config), Contains("weight_list: [0, 0.5]"));
}

TEST_CASE("required keys are asked for") {
  CHECK_THAT(refusal(""), Contains("key 'model.name_or_path' is required"));
  CHECK_THAT(refusal("model: {name_or_path: m}"), Contains("key 'data.train' is required"));
  CHECK_THAT(refusal("model: {name_or_path: m}\ndata: {train: []}"), Contains("empty list"));
  CHECK_THAT(refusal("model: {name_or_path: m}\ndata: {train: [{limit: 3}]}"),
             Contains("c.yaml:2:16: key 'data.train.path' is required"));
  CHECK_THAT(refusal("model: {name_or_path: m}\ndata: {train: [{path: a}]}"),
             Contains("key 'training.output_dir' is required"));
  CHECK_THAT(refusal("model: {name_or_path: \"\"}"), Contains("must not be empty"));
}

TEST_CASE("the minimal configuration takes the defaults and plain LoRA") {
  const Config config = load(kMinimal);
  CHECK_FALSE(config.liza);
  CHECK(config.training.learning_rate == 5e-4);
  CHECK(config.data.train.at(0).path == "a.jsonl");
  CHECK(load(kMinimal + "liza: {}\n").liza);
  CHECK_FALSE(load(kMinimal + "liza: none\n").liza);
}

TEST_CASE("target_modules is a list of names, a regular expression or all-linear") {
  const auto targets = [](const std::string& value) {
    return load(kMinimal + "lora: {target_modules: " + value + "}").lora.target_modules;
  };
  CHECK(targets("all-linear") == ModuleNames{{}, "all-linear"});
  CHECK(targets("[all-linear]") == ModuleNames{{}, "all-linear"});
  CHECK(targets("[q_proj]") == ModuleNames{{"q_proj"}, ""});
  CHECK(targets("'.*mlp.*'") == ModuleNames{{}, ".*mlp.*"});
  CHECK_THAT(refusal("lora: {target_modules: {a: b}}"), Contains("a list of names"));
  CHECK_THAT(refusal("lora: {target_modules: [q, q]}"), Contains("twice"));
  CHECK_THAT(refusal("lora: {target_modules: [q, all-linear]}"), Contains("alone"));
  CHECK_THAT(refusal(kMinimal + "lora: {target_modules: []}"), Contains("empty"));
}

TEST_CASE("the variants of LoRA are read and written back") {
  const Config config = load(kMinimal + R"(lora:
  exclude_modules: [lm_head]
  layers_to_transform: [0, 3]
  rank_pattern: {k_proj: 16, '.*mlp.*': 4}
  alpha_pattern: {v_proj: 2.5}
  use_rslora: true
  use_dora: true
  init_lora_weights: pissa_niter_4
  loraplus_lr_ratio: 16
  modules_to_save: [embed_tokens]
)");
  CHECK(config.lora.rank_pattern ==
        std::vector<std::pair<std::string, int64_t>>{{"k_proj", 16}, {".*mlp.*", 4}});
  CHECK(config.lora.layers_to_transform == std::vector<int64_t>{0, 3});
  CHECK(config.lora.init_lora_weights == "pissa_niter_4");
  CHECK(to_yaml(load(to_yaml(config))) == to_yaml(config));
  for (const char* wrong : {"init_lora_weights: olora", "init_lora_weights: pissa_niter_x",
                            "rank_pattern: {a: 0}", "alpha_pattern: {a: b}", "use_dora: yes",
                            "layers_to_transform: [-1]", "modules_to_save: lm_head"}) {
    INFO(wrong);
    CHECK_THAT(refusal(kMinimal + "lora: {" + wrong + "}"), Contains("key 'lora."));
  }
}

TEST_CASE("report_to is a list of choices") {
  using Names = std::vector<std::string>;
  const auto with = [](const std::string& value) {
    return "model: {name_or_path: m}\ndata: {train: [{path: a.jsonl}]}\n"
           "training:\n  output_dir: out\n  report_to: " +
           value;
  };
  CHECK(load(with("[tensorboard, jsonl]")).training.report_to == Names{"tensorboard", "jsonl"});
  CHECK_THAT(refusal(with("jsonl")), Contains("c.yaml:5:14: key 'training.report_to' must be a "
                                              "list of some of jsonl, tensorboard, html"));
  CHECK_THAT(refusal(with("[jsonl, wandb]")),
             Contains("c.yaml:5:22: key 'training.report_to' cannot be wandb: expected one of "
                      "jsonl, tensorboard, html"));
  CHECK_THAT(refusal(with("[html]")), Contains("c.yaml:5:14: key 'training.report_to' has html, "
                                               "which is drawn from metrics.jsonl: add jsonl"));
  CHECK_THAT(refusal(with("[jsonl, jsonl]")), Contains("lists jsonl twice"));
  CHECK_THAT(refusal(with("[]")), Contains("empty list"));
}

TEST_CASE("settings are checked against each other") {
  CHECK_THAT(refusal(kMinimal + "liza: {mag: {mag_weight: 0}}"), Contains("with mode learned"));
  CHECK_THAT(refusal(kMinimal, {"training.warmup_steps=1.5"}), Contains("whole number of steps"));
  CHECK_THAT(refusal(kMinimal, {"training.eval_steps=5"}), Contains("needs data.eval"));
  CHECK(load(kMinimal, {"training.eval_steps=5", "data.eval_split=0.1"}).data.eval_split == 0.1);
  CHECK_THAT(refusal(kMinimal, {"data.eval_split=0.1", "data.eval=[{path: b}]"}),
             Contains("'data.eval_split' does not go with data.eval"));
  CHECK_THAT(refusal(kMinimal, {"data.eval_split=2.5"}), Contains("whole number of rows"));
  CHECK_THAT(refusal(kMinimal, {"data.eval=[{path: b, weight: 2}]"}), Contains("takes no weight"));
  CHECK_THAT(refusal(kMinimal, {"data.train=[{path: b, weight: 0}]"}), Contains("above 0"));
  CHECK_THAT(refusal(kMinimal, {"data.group_by_length=true"}),
             Contains("'data.group_by_length' has no effect with data.packing"));
  CHECK_THAT(refusal(kMinimalUnpacked, {"data.group_by_length=true", "data.shuffle=false"}),
             Contains("'data.group_by_length'") && Contains("data.shuffle"));
  CHECK_THAT(refusal(kMinimal, {"model.device=cuda:x"}), Contains("auto, cpu, cuda, cuda:N"));
  CHECK(load(kMinimal, {"model.device=cuda:1"}).model.device == "cuda:1");
}

TEST_CASE("overrides replace values and are named in errors") {
  const Config config = load(kMinimal, {"training.max_steps=20", "data.train=[{path: b, limit: 3}]",
                                        "lora.target_modules=[q_proj]", "liza.mag.mode=constant",
                                        "model.adapter_name_or_path=\"\""});
  CHECK(config.training.max_steps == 20);
  CHECK(config.data.train.at(0).limit == 3);
  CHECK(config.liza.value().mag.mode == "constant");
  CHECK_THAT(refusal(kMinimal, {"training.max_step=20"}),
             Contains("override 'training.max_step=20'") && Contains("did you mean 'max_steps'"));
  CHECK_THAT(refusal(kMinimal, {"training.max_steps=abc"}),
             Contains("override 'training.max_steps=abc'") && Contains("whole number"));
  CHECK_THAT(refusal(kMinimal, {"training.max_steps"}), Contains("expected key=value"));
  CHECK_THAT(refusal(kMinimal, {"training.max_steps.x=1"}), Contains("override"));
  CHECK_THAT(refusal(kMinimal, {"model.name_or_path.x=1"}), Contains("cannot be set inside"));
}

TEST_CASE("to_yaml reads back to the same configuration") {
  Config config = load(kMinimal + "liza: {operator_mode: gated_delta_rule}");
  config.model.name_or_path = "weird \"name\" \\ : # {x}\n\x01 \xc3\xa9";
  config.model.adapter_name_or_path = "010";
  config.data.train.push_back({.path = "- yes", .format = "alpaca", .weight = 0.3, .limit = 7});
  config.data.eval.push_back({.path = "no"});
  config.data.columns.prompt = "a question";
  config.data.prompt_template = "{a}\n{{}}: \"";
  config.training.learning_rate = 0.1 + 0.2;
  config.training.adam_epsilon = 1e-300;
  config.training.output_dir = "-x";
  const std::string yaml = to_yaml(config);
  INFO(yaml);
  const Config again = load(yaml);
  CHECK(to_yaml(again) == yaml);
  CHECK(again.model.name_or_path == config.model.name_or_path);
  CHECK(again.training.learning_rate == config.training.learning_rate);
  CHECK(again.data.train.at(1).path == "- yes");
  CHECK(again.data.train.at(1).weight == 0.3);
  CHECK(again.data.columns.prompt == "a question");
  config.liza.reset();
  CHECK_FALSE(load(to_yaml(config)).liza);
}

TEST_CASE("resume conflicts name what may not change") {
  const Config before = load(kMinimal + "liza: {}");
  Config now = before;
  now.training.max_steps = 9;
  now.training.num_train_epochs = 1;
  now.training.logging_steps = now.training.eval_steps = now.training.save_steps = 7;
  now.training.save_total_limit = 5;
  now.training.report_to = {"jsonl"};
  CHECK(resume_conflicts(before, now).empty());
  now.training.learning_rate = 1;
  now.data.train[0].limit = 3;
  now.liza->mag.mag_weight = 0.2;
  using Names = std::vector<std::string>;
  CHECK(resume_conflicts(before, now) ==
        Names{"liza.mag.mag_weight", "data.train", "training.learning_rate"});
  now = before;
  now.liza.reset();
  now.lora.r = 4;
  CHECK(resume_conflicts(before, now) == Names{"liza", "lora.r"});
}

TEST_CASE("auto fits what the earlier run resolved it to") {
  Config before = load(kMinimal), now = before;
  before.model.dtype = "bfloat16";
  CHECK(resume_conflicts(before, now).empty());
  adopt_resolved(before, now);
  CHECK(now.model.dtype == "bfloat16");
  now.model.dtype = "float32";
  CHECK(resume_conflicts(before, now) == std::vector<std::string>{"model.dtype"});
}

TEST_CASE("liza_config.json round trip") {
  LizaConfig liza;
  liza.operator_mode = "gated_delta_rule";
  CHECK_THAT(liza_to_json(liza), !Contains("effective_weight"));
  liza.mag.effective_weight = 0.125;
  const LizaConfig again = liza_from_json(liza_to_json(liza), "l.json");
  CHECK(liza_to_json(again) == liza_to_json(liza));
  CHECK(again.mag.effective_weight == 0.125);
  CHECK(liza_from_json("{}", "l.json").max_chunk_size == 64);
}

TEST_CASE("liza_config.json with wrong content is an error but no usage error") {
  const auto refused = [](const std::string& text) -> std::string {
    try {
      liza_from_json(text, "l.json");
    } catch (const UsageError&) {
      return "usage error";
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  CHECK_THAT(refused(R"({"operator_mod": "delta_rule"})"),
             Contains("l.json: ") && Contains("did you mean"));
  CHECK_THAT(refused(R"({"mag": {"mag_weight": "0.1"}})"), Contains("'mag.mag_weight' must be"));
  CHECK_THAT(refused(R"({"max_chunk_size": 64.0})"), Contains("whole number"));
  CHECK_THAT(refused("[]"), Contains("a map of keys"));
}

TEST_CASE("liza effective_weight is no key of the YAML") {
  CHECK_THAT(refusal("liza: {mag: {effective_weight: 0.1}}"), Contains("is unknown"));
}

TEST_CASE("the quickstart configuration loads") {
  const Config config = load_config(TPTT_SOURCE_DIR "/configs/quickstart.yaml", {});
  CHECK(config.liza.value().mag.mode == "learned");
  CHECK(config.lora.target_modules.text == kAllLinear);
  CHECK(num_warmup_steps(config.training, config.training.max_steps) == 7);
}

// TPTT_WRITE_REFERENCE=1 brings the page up to date.
TEST_CASE("configs/README.md holds the generated reference") {
  const std::string path = TPTT_SOURCE_DIR "/configs/README.md";
  if (std::getenv("TPTT_WRITE_REFERENCE")) {
    const std::string page = read_text(path);
    std::ofstream(path) << page.substr(0, page.find("## `model`")) << config_reference();
  }
  CHECK_THAT(read_text(TPTT_SOURCE_DIR "/configs/README.md"), Contains(config_reference()));
}
