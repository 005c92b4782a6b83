#include "trainer/tptt_adapter.h"

#include <algorithm>
#include <filesystem>

#include "models/formats/error.h"
#include "models/liza/operator_mode.h"
#include "trainer/config.h"
#include "trainer/log.h"

namespace tptt {
namespace {

namespace fs = std::filesystem;

const char* letter(Gate gate) {
  switch (gate) {
    case Gate::none:
      return "c";
    case Gate::key:
      return "k";
    case Gate::value:
      return "v";
    case Gate::key_value:
      return "kv";
    case Gate::learned:  // not in the package: check_exportable refuses it
      break;
  }
  return "";
}

const char* letter(Trick trick) {
  switch (trick) {
    case Trick::none:
    case Trick::dt:
      return "dt";
    case Trick::rot:
      return "rot";
    case Trick::rdt:
      return "rdt";
  }
  return "";
}

Json recurrent_config(const OperatorMode& mode) {
  return {{"order", mode.order},
          {"alpha_gate", letter(mode.alpha)},
          {"beta_gate", letter(mode.beta)},
          {"linear", !mode.gelu},
          {"trick", letter(mode.trick)}};
}

// A mode that was given by its parts alone.
std::string mode_of_parts(const Json& json, const std::string& where) {
  Json parts = json.contains("recurrent_config") ? json["recurrent_config"] : Json();
  if (parts.is_object() && json_int(parts, "order", where, 0) == 1) parts["trick"] = "dt";
  for (const std::string& name : package_modes())
    if (parts == recurrent_config(find_operator_mode(name))) return name;
  throw Error(where + ": operator_mode is null and recurrent_config is none of the known modes");
}

bool has(const Json& json, const char* key) {
  return json.contains(key) && !json[key].is_null();
}

// The package's names for what we call liza; null and missing keys take the package's defaults.
Json liza_keys(const Json& json, const std::string& where) {
  Json liza = {{"implementation", "tptt"}};
  for (const char* key : {"operator_mode", "max_chunk_size", "linear_precision", "cross_gate",
                          "base_scale_attn", "max_self_attn_length", "num_sink_tokens"})
    if (has(json, key)) liza[key] = json[key];
  if (!has(json, "operator_mode")) liza["operator_mode"] = mode_of_parts(json, where);
  const std::string precision = json_string(json, "linear_precision", where, "float32");
  if (precision == "bfloat16" || precision == "float16") {
    log_warning(where + ": linear_precision " + precision + " is computed in float32");
    liza["linear_precision"] = "float32";
  }
  const double weight = json_number(json, "mag_weight", where, 0.5);
  liza["mag"] = {{"mode", "constant"}, {"mag_weight", weight}, {"effective_weight", weight}};
  if (!has(json, "target_modules_names")) return liza;
  const Json& names = json["target_modules_names"];
  const bool every = names.is_array() && std::any_of(names.begin(), names.end(), [](const Json& n) {
                       return n == "attn" || n == "self_attn" || n == "attention";
                     });
  liza["target_modules"] = every ? Json("all") : names;
  return liza;
}

void warn_of_version(const Json& json, const std::string& where) {
  const bool named = json.contains("recurrent_config") && json["recurrent_config"].is_object();
  if (named && json["recurrent_config"].contains("beta_gate")) return;
  if (json.contains("base_model_config")) return;  // made for 0.12 by hand or by us
  log_warning(where +
              ": written by tptt 0.5 to 0.11, trained under another operator than the one of "
              "0.12.1 computed here; expect other outputs than in training");
}

bool removed(std::string& text, const std::string& part) {
  const size_t at = text.find(part);
  if (at != std::string::npos) text.erase(at, part.size());
  return at != std::string::npos;
}

// What the package can load the base from.
std::string base_name(const ModelFiles& base) {
  if (const std::string name = source_repository(base); !name.empty()) return name;
  if (base.gguf.empty()) return fs::canonical(base.dir).string();
  log_warning(base.gguf +
              ": the package reads no GGUF; set base_model_name in the exported config.json to the "
              "repository that the file was made from");
  return fs::canonical(base.gguf).string();
}

void check_exportable(const LizaConfig& liza) {
  const auto refuse = [](const std::string& setting, const std::string& instead) {
    throw UsageError("--format tptt: the package has no " + setting + "; train with " + instead);
  };
  if (liza.implementation != "tptt")
    refuse("liza.implementation: " + liza.implementation, "liza.implementation: tptt");
  if (has_learned_gate(liza.mag))
    refuse("liza.mag.mode: " + liza.mag.mode, "gradual, constant, cyclic or switch");
  if (liza.branch_scale != "none")
    refuse("liza.branch_scale: " + liza.branch_scale, "liza.branch_scale: none");
}

}  // namespace

bool is_tptt_adapter(const std::string& dir) {
  const fs::path config = fs::path(dir) / "config.json";
  if (!fs::is_regular_file(config) || fs::exists(fs::path(dir) / "adapter_config.json"))
    return false;
  const Json json = read_json_file(config);
  return json.is_object() && json.value("model_type", Json()) == "tptt";
}

AdapterConfig read_tptt_config(const std::string& dir) {
  const std::string where = (fs::path(dir) / "config.json").string();
  const Json json = read_json_file(where);
  if (json_bool(json, "bidirectional", where, false))
    throw Error(where + ": bidirectional is not supported; this is a causal model");
  if (!has(json, "lora_config"))
    throw Error(where +
                ": lora_config is null: trained without LoRA, on the base's own weights; only "
                "LoRA adapters can be read");
  warn_of_version(json, where);
  AdapterConfig config;
  config.lora = lora_from_peft(json["lora_config"], where + ": lora_config");
  config.liza = liza_from_json(liza_keys(json, where).dump(), where);
  config.base_model_name_or_path = json_string(json, "base_model_name", where, "");
  return config;
}

std::string peft_name_of_tptt(const std::string& name) {
  std::string module = name;
  if (!removed(module, ".lora_A") && !removed(module, ".lora_B")) return name;
  std::string out = name;
  if (out.starts_with("base_model.")) out.erase(0, std::string("base_model.").size());
  removed(out, ".base_attn");
  removed(out, ".default");
  return "base_model." + out;
}

std::string tptt_name_of_peft(const std::string& name, const std::vector<std::string>& attentions) {
  const std::string prefix = "base_model.", weight = ".weight";
  if (!name.starts_with(prefix + "model.") ||
      !(name.ends_with(".lora_A" + weight) || name.ends_with(".lora_B" + weight)))
    throw Error("tensor '" + name + "' is no LoRA matrix under PEFT's name");
  std::string out = name.substr(prefix.size());
  for (const std::string& attention : attentions) {
    const std::string inside = "model." + attention + ".";
    if (out.starts_with(inside)) out.insert(inside.size(), "base_attn.");
  }
  return out.substr(0, out.size() - weight.size()) + ".default" + weight;
}

std::string tptt_config_json(const AdapterConfig& config, const ModelFiles& base,
                             const std::vector<std::string>& attentions) {
  if (!config.liza) throw UsageError("--format tptt: the adapter has no memory; use --format peft");
  const LizaConfig& liza = *config.liza;
  check_exportable(liza);
  const bool every = liza.target_modules == std::vector<std::string>{"all"};
  const std::vector<std::string> defaults = {"attn", "self_attn", "attention"};
  Json json = {{"model_type", "tptt"},
               {"architectures", {"TpttModel"}},
               {"base_model_name", base_name(base)},
               {"base_model_config", read_config_json(base)},
               {"target_modules_names", every ? defaults : attentions},
               {"operator_mode", liza.operator_mode},
               {"recurrent_config", recurrent_config(find_operator_mode(liza.operator_mode))},
               {"max_chunk_size", liza.max_chunk_size},
               {"linear_precision", liza.linear_precision},
               {"cross_gate", liza.cross_gate},
               {"base_scale_attn", liza.base_scale_attn},
               {"mag_weight", liza.mag.effective_weight},
               {"padding_side", "right"},
               {"bidirectional", false},
               {"lora_config", lora_to_peft(config.lora, false)}};
  if (liza.max_self_attn_length) {
    log_warning("the package has no sliding window: it fails on sequences longer than " +
                std::to_string(*liza.max_self_attn_length) + " tokens");
    json["max_self_attn_length"] = *liza.max_self_attn_length;
    json["num_sink_tokens"] = liza.num_sink_tokens;  // for us: the package ignores it
  }
  return json.dump(2) + "\n";
}

std::string tptt_readme() {
  return R"(# LiZA adapter for Python tptt 0.12.1

    import tptt
    from transformers import AutoConfig

    AutoConfig.register("tptt", tptt.TpttConfig)
    model = tptt.TpttModel(AutoConfig.from_pretrained(DIR), attn_implementation="eager")

`TpttModel.from_pretrained(DIR)` does the same, but replaces the output head by the embedding, which
is another model where the base does not tie them. Use `attn_implementation="eager"` in any case:
under the default the package's attention is not causal with padding.
)";
}

}  // namespace tptt
