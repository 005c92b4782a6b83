#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>

#include "models/formats/error.h"
#include "models/formats/json.h"
#include "models/formats/model_files.h"
#include "models/formats/safetensors.h"
#include "trainer/adapter_config.h"
#include "trainer/commands.h"
#include "trainer/tptt_adapter.h"

namespace tptt {
namespace {

namespace fs = std::filesystem;

void print_tensors(const std::vector<TensorInfo>& tensors) {
  uint64_t bytes = 0;
  for (const TensorInfo& t : tensors) {
    std::string shape;
    for (const int64_t size : t.shape) shape += (shape.empty() ? "" : " x ") + std::to_string(size);
    std::printf("  %-64s %-5s %s\n", t.name.c_str(), to_string(t.type).c_str(), shape.c_str());
    bytes += t.nbytes;
  }
  std::printf("%zu tensors, %.1f MB\n", tensors.size(), double(bytes) / 1e6);
}

void print_model(const ModelConfig& c) {
  const AttentionConfig& a = c.layers.front().attention;
  std::printf("%s: %ld layers, hidden %ld, %ld heads (%ld key/value) of %ld, vocabulary %ld\n",
              c.model_type.c_str(), long(c.num_hidden_layers), long(c.hidden_size),
              long(a.num_attention_heads), long(a.num_key_value_heads), long(a.head_dim),
              long(c.vocab_size));
}

// Mean mu of each layer's gates [H], in the order of the layers.
void print_gates(const fs::path& path) {
  const ReadFile file(path.string());
  std::map<std::pair<size_t, std::string>, double> layers;  // shorter names first: 9 before 10
  for (const TensorInfo& info : read_safetensors_header(file).tensors) {
    if (!info.name.ends_with(".liza.gate")) continue;
    if (info.type != FileType::F32 || info.numel() < 1)
      throw Error(path.string() + ": tensor '" + info.name + "' is no gate: expected F32");
    std::vector<float> logits(info.numel());
    file.read(info.offset, logits.data(), info.nbytes);
    double& mu = layers[{info.name.size(), info.name}];
    for (const float logit : logits)
      mu += 1 / (1 + std::exp(-double(logit))) / double(logits.size());
  }
  for (const auto& [name, mu] : layers)
    std::printf("  %-40s mu %.3f\n", name.second.substr(0, name.second.find(".liza")).c_str(), mu);
}

// The last step of metrics.jsonl that tells what the memories were like.
Json last_ledger(const fs::path& metrics) {
  std::ifstream file(metrics);
  Json last;
  int64_t number = 0;
  for (std::string line; std::getline(file, line) && !file.eof();) {
    const Json row = parse_json(line, metrics.string() + ":" + std::to_string(++number));
    if (row.is_object() && row.contains("liza")) last = row;
  }
  return last;
}

std::string number_at(const Json& liza, const char* key, size_t i) {
  const Json& value = liza.at(key).at(i);
  if (!value.is_number()) return "-";
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value.get<double>());
  return text;
}

void print_ledger(const Json& row, const fs::path& metrics) {
  try {
    const Json& liza = row.at("liza");
    std::printf("memories at step %ld:\n  layer  %8s  %11s  %10s  %10s\n",
                long(row.at("step").get<int64_t>()), "mu", "softmax RMS", "linear RMS",
                "state norm");
    for (size_t i = 0; i < liza.at("mag_weight").size(); ++i)
      std::printf("  %5zu  %8s  %11s  %10s  %10s\n", i, number_at(liza, "mag_weight", i).c_str(),
                  number_at(liza, "softmax_rms", i).c_str(),
                  number_at(liza, "linear_rms", i).c_str(),
                  number_at(liza, "state_norm", i).c_str());
  } catch (const Json::exception&) {
    throw Error(metrics.string() +
                ": expected 'step' and one number a layer in each list of 'liza'");
  }
}

// ", rsLoRA, DoRA, trained whole: lm_head", as far as it is so.
std::string variant_text(const LoraConfig& lora) {
  std::string text;
  if (lora.use_rslora) text += ", rsLoRA";
  if (lora.use_dora) text += ", DoRA";
  if (!lora.rank_pattern.empty() || !lora.alpha_pattern.empty())
    text += ", with ranks or alphas of some modules' own";
  for (const std::string& module : lora.modules_to_save)
    text += (&module == &lora.modules_to_save[0] ? ", trained whole: " : " and ") + module;
  return text;
}

// `metrics`: of the run that the adapter came from, or empty.
void inspect_adapter(const fs::path& dir, const fs::path& metrics) {
  const AdapterConfig config = read_adapter_config(dir.string());
  std::printf("LoRA adapter for %s: r %ld, lora_alpha %g%s%s\n",
              config.base_model_name_or_path.c_str(), long(config.lora.r), config.lora.lora_alpha,
              variant_text(config.lora).c_str(),
              config.liza ? "; stock PEFT runs its softmax branch alone" : "");
  if (config.liza) {
    const LizaConfig& liza = *config.liza;
    std::printf("LiZA memory: %s (%s), MaG %s, mean weight %.3f\n", liza.operator_mode.c_str(),
                liza.implementation.c_str(), liza.mag.mode.c_str(), liza.mag.effective_weight);
    if (liza.max_self_attn_length)
      std::printf("softmax attention: the last %ld tokens and %ld sinks\n",
                  long(*liza.max_self_attn_length), long(liza.num_sink_tokens));
    const Json ledger = last_ledger(metrics);
    if (!ledger.is_null()) {
      print_ledger(ledger, metrics);
    } else if (fs::exists(dir / "liza.safetensors")) {
      print_gates(dir / "liza.safetensors");
    }
  }
  print_tensors(
      read_safetensors_header(ReadFile((dir / "adapter_model.safetensors").string())).tensors);
}

bool is_adapter(const fs::path& dir) {
  return fs::exists(dir / "adapter_config.json") || is_tptt_adapter(dir.string());
}

}  // namespace

void run_inspect(const std::string& path) {
  const fs::path dir(path);
  if (is_adapter(dir / "adapter")) return inspect_adapter(dir / "adapter", dir / "metrics.jsonl");
  if (is_adapter(dir)) return inspect_adapter(dir, {});
  if (fs::path(path).extension() == ".safetensors")
    return print_tensors(read_safetensors_header(ReadFile(path)).tensors);
  const ModelFiles files = find_model(path);
  const ModelConfig config = read_model_config(files);
  std::vector<TensorInfo> tensors;
  for (const auto& [name, entry] : index_weights(files).entries) tensors.push_back(entry.info);
  print_model(config);
  print_tensors(tensors);
}

}  // namespace tptt
