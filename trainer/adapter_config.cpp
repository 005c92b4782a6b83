#include "trainer/adapter_config.h"

#include <filesystem>

#include "models/formats/error.h"
#include "models/liza/operator_mode.h"
#include "trainer/config_text.h"
#include "trainer/tptt_adapter.h"

namespace tptt {
namespace {

namespace fs = std::filesystem;

// Settings under which the stored tensors mean something else than scale * B A on a frozen base.
void refuse_variants(const Json& json, const std::string& where) {
  if (json_bool(json, "lora_bias", where, false))
    throw Error(where + ": lora_bias is not supported; train or convert the adapter without it");
  for (const char* key : {"layer_replication", "target_parameters", "trainable_token_indices"}) {
    if (json.contains(key) && !json[key].is_null() && !json[key].empty())
      throw Error(where + ": " + key + " is not supported; expected null");
  }
  if (json.contains("alora_invocation_tokens") && !json["alora_invocation_tokens"].is_null())
    throw Error(where + ": alora_invocation_tokens is not supported; expected null");
  // These train on a base that their own initialisation changed.
  const Json init = json.contains("init_lora_weights") ? json["init_lora_weights"] : Json(true);
  if (init.is_string() && init != "gaussian" && init != "eva" && init != "orthogonal" &&
      init != "pissa")
    throw Error(where + ": init_lora_weights '" + init.get<std::string>() +
                "' is not supported; convert the adapter to plain LoRA (PEFT: "
                "save_pretrained(..., path_initial_model_for_weight_conversion=...))");
  if (json_string(json, "bias", where, "none") != "none")
    throw Error(where + ": bias is not supported; expected \"none\"");
}

constexpr int64_t kMaxRank = 65536;

void check_rank(int64_t r, const std::string& where) {
  if (r < 1 || r > kMaxRank)
    throw Error(where + ": r must be from 1 to " + std::to_string(kMaxRank));
}

const Json& pattern_object(const Json& json, const char* key, const std::string& where) {
  static const Json none = Json::object();
  if (!json.contains(key) || json[key].is_null()) return none;
  if (!json[key].is_object()) throw Error(where + ": " + key + " must be an object");
  return json[key];
}

void read_patterns(const Json& json, const std::string& where, LoraConfig& lora) {
  const Json& ranks = pattern_object(json, "rank_pattern", where);
  for (const auto& [pattern, unused] : ranks.items()) {
    lora.rank_pattern.emplace_back(pattern, json_int(ranks, pattern, where + ": rank_pattern"));
    check_rank(lora.rank_pattern.back().second, where + ": rank_pattern");
  }
  const Json& alphas = pattern_object(json, "alpha_pattern", where);
  for (const auto& [pattern, unused] : alphas.items())
    lora.alpha_pattern.emplace_back(pattern,
                                    json_number(alphas, pattern, where + ": alpha_pattern"));
}

// A list of names, or a text.
ModuleNames module_names(const Json& json, const char* key, const std::string& where) {
  ModuleNames out;
  if (!json.contains(key) || json[key].is_null()) return out;
  if (json[key].is_string()) return {{}, json[key].get<std::string>()};
  if (!json[key].is_array()) throw Error(where + ": " + key + " must be a list of names or a text");
  for (const Json& name : json[key]) {
    if (!name.is_string()) throw Error(where + ": " + key + " must hold names");
    out.names.push_back(name);
  }
  return out;
}

std::vector<int64_t> layer_list(const Json& json, const std::string& where) {
  const char* key = "layers_to_transform";
  if (!json.contains(key) || json[key].is_null()) return {};
  std::vector<int64_t> layers;
  for (const Json& layer : json[key].is_array() ? json[key] : Json::array({json[key]})) {
    if (!layer.is_number_unsigned()) throw Error(where + ": " + key + " must hold layer numbers");
    layers.push_back(layer);
  }
  return layers;
}

}  // namespace

LoraConfig lora_from_peft(const Json& json, const std::string& where) {
  refuse_variants(json, where);
  LoraConfig lora;
  lora.r = json_int(json, "r", where);
  lora.lora_alpha = json_number(json, "lora_alpha", where);
  lora.lora_dropout = json_number(json, "lora_dropout", where, 0.0);
  lora.use_rslora = json_bool(json, "use_rslora", where, false);
  check_rank(lora.r, where);
  read_patterns(json, where, lora);
  lora.use_dora = json_bool(json, "use_dora", where, false);
  if (json.contains("init_lora_weights") && json["init_lora_weights"] == "pissa")
    lora.init_lora_weights = "pissa";
  lora.target_modules = module_names(json, "target_modules", where);
  lora.exclude_modules = module_names(json, "exclude_modules", where);
  lora.layers_to_transform = layer_list(json, where);
  lora.modules_to_save = module_names(json, "modules_to_save", where).names;
  if (lora.target_modules.empty())
    throw Error(where +
                ": target_modules must be a list of module names, a regular expression or " +
                "all-linear");
  return lora;
}

Json lora_to_peft(const LoraConfig& lora, bool inference_mode) {
  const auto names = [](const ModuleNames& modules) {
    return modules.empty()        ? Json()
           : modules.text.empty() ? Json(modules.names)
                                  : Json(modules.text);
  };
  const auto list = [](const auto& values) { return values.empty() ? Json() : Json(values); };
  return {
      {"peft_type", "LORA"},
      {"task_type", "CAUSAL_LM"},
      {"inference_mode", inference_mode},
      {"r", lora.r},
      {"lora_alpha", lora.lora_alpha},
      {"lora_dropout", lora.lora_dropout},
      {"use_rslora", lora.use_rslora},
      {"rank_pattern", Json(Json::object_t(lora.rank_pattern.begin(), lora.rank_pattern.end()))},
      {"alpha_pattern", Json(Json::object_t(lora.alpha_pattern.begin(), lora.alpha_pattern.end()))},
      {"bias", "none"},
      {"fan_in_fan_out", false},
      {"init_lora_weights", true},
      {"use_dora", lora.use_dora},
      {"modules_to_save", list(lora.modules_to_save)},
      {"layers_to_transform", list(lora.layers_to_transform)},
      {"exclude_modules", names(lora.exclude_modules)},
      {"target_modules", names(lora.target_modules)}};
}

AdapterConfig read_adapter_config(const std::string& dir) {
  if (is_tptt_adapter(dir)) return read_tptt_config(dir);
  const std::string where = (fs::path(dir) / "adapter_config.json").string();
  if (!fs::is_regular_file(where))
    throw UsageError(where + " is missing; expected an adapter directory of PEFT or Python tptt");
  const Json json = read_json_file(where);
  if (json_string(json, "peft_type", where) != "LORA")
    throw Error(where + ": peft_type must be LORA, got " + json_string(json, "peft_type", where));
  AdapterConfig config;
  config.lora = lora_from_peft(json, where);
  config.base_model_name_or_path = json_string(json, "base_model_name_or_path", where, "");
  const fs::path liza = fs::path(dir) / "liza_config.json";
  if (fs::exists(liza)) config.liza = liza_from_json(read_json_file(liza).dump(), liza.string());
  return config;
}

void check_continues(const AdapterConfig& adapter, const Config& config) {
  if (!adapter.liza) return;  // LoRA alone: a memory may be added
  const std::string where =
      "model.adapter_name_or_path '" + config.model.adapter_name_or_path + "' ";
  if (!config.liza)
    throw UsageError(where +
                     "was trained with a memory; add its liza section to the configuration");
  const std::string& mode = adapter.liza->mag.mode;
  if (memory_learns(*adapter.liza) && config.liza->mag.mode != mode)
    throw UsageError(where + "has learned gates; set liza.mag.mode to " + mode);
  Config before = config;
  before.liza = adapter.liza;
  for (const Conflict& conflict : list_conflicts(before, config)) {
    const std::string& key = conflict.key;
    const bool speed_only = key == "liza.max_chunk_size" && adapter.liza->implementation == "exact";
    if (!key.starts_with("liza.mag.") && key != "liza.linear_precision" &&
        key != "liza.memory_lr_multiplier" && !key.starts_with("liza.transfer_") && !speed_only)
      throw UsageError(where + "was trained with " + key + " " + conflict.before + ", not " +
                       conflict.now);
  }
}

}  // namespace tptt
