#include "trainer/adapter.h"

#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include "models/formats/atomic_file.h"
#include "models/formats/error.h"
#include "models/formats/json.h"
#include "models/formats/safetensors.h"
#include "models/liza/inject.h"
#include "models/liza/operator_mode.h"
#include "models/lora.h"
#include "models/weights.h"
#include "trainer/config.h"
#include "trainer/schedule.h"
#include "trainer/tptt_adapter.h"

namespace tptt {
namespace {

namespace fs = std::filesystem;
using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

NamedTensors named(CausalLM& model, bool gates) {
  NamedTensors tensors;
  for (const Trainable& t : trainables(model))
    if ((t.kind == TrainableKind::gate) == gates) tensors.emplace_back(t.name, t.tensor);
  return tensors;
}

void replace(NamedTensors& tensors, const std::string& name, const at::Tensor& by) {
  for (auto& [known, tensor] : tensors)
    if (known == name) tensor = by;
}

std::string name_a(const Linear& linear) {
  return peft_name(linear.name) + ".lora_A.weight";
}
std::string name_b(const Linear& linear) {
  return peft_name(linear.name) + ".lora_B.weight";
}

// What adapter files hold. PiSSA's beginning, which the base lacks, stands beside A and B: the same
// update as plain LoRA of twice the rank on the base as it is.
NamedTensors adapter_tensors(CausalLM& model) {
  NamedTensors tensors = named(model, false);
  for (const Linear* linear : model.linears()) {
    if (!linear->lora || !linear->lora->initial_a.defined()) continue;
    replace(tensors, name_a(*linear), linear->lora->all_a());
    replace(tensors, name_b(*linear), linear->lora->all_b());
  }
  return tensors;
}

LoraConfig as_plain_lora(LoraConfig lora) {
  if (!lora.init_lora_weights.starts_with("pissa")) return lora;
  const double alpha = lora.use_rslora ? std::sqrt(2.0) : 2.0;
  lora.r *= 2;
  lora.lora_alpha *= alpha;
  for (auto& [pattern, r] : lora.rank_pattern) r *= 2;
  for (auto& [pattern, value] : lora.alpha_pattern) value *= alpha;
  lora.init_lora_weights = "true";
  return lora;
}

// Takes apart what adapter_tensors put side by side.
void split_pissa(const Linear& linear, const at::Tensor& a, const at::Tensor& b) {
  c10::AutoGradMode no_grad(false);
  const Lora& lora = *linear.lora;
  const int64_t r = lora.a.size(0);
  at::Tensor(lora.a).copy_(a.narrow(0, 0, r));
  at::Tensor(lora.b).copy_(b.narrow(1, 0, r));
  at::Tensor(lora.initial_a).copy_(a.narrow(0, r, r));
  at::Tensor(lora.initial_b).copy_(b.narrow(1, r, r).neg());
}

// Whether a file holds PiSSA's beginnings too: PEFT's own files of init_lora_weights pissa do not.
bool has_beginnings(const std::string& path, const Linear& linear) {
  for (const TensorInfo& info : read_safetensors_header(ReadFile(path)).tensors)
    if (info.name == name_a(linear)) return info.shape.at(0) != linear.lora->a.size(0);
  return false;
}

void read_adapter_tensors(CausalLM& model, const std::string& path) {
  NamedTensors tensors = named(model, false);
  std::vector<std::pair<const Linear*, std::pair<at::Tensor, at::Tensor>>> doubled;
  for (const Linear* linear : model.linears()) {
    if (!linear->lora || !linear->lora->initial_a.defined() || !has_beginnings(path, *linear))
      continue;
    const at::Tensor a = linear->lora->all_a().detach(), b = linear->lora->all_b().detach();
    replace(tensors, name_a(*linear), a);
    replace(tensors, name_b(*linear), b);
    doubled.push_back({linear, {a, b}});
  }
  read_tensors(path, tensors, peft_name_of_tptt);
  for (const auto& [linear, pair] : doubled) split_pissa(*linear, pair.first, pair.second);
}

// The modules that carry LoRA, by the last part of their names, as PEFT writes "all-linear".
std::vector<std::string> adapted_modules(CausalLM& model) {
  std::set<std::string> names;
  for (const Linear* linear : model.linears())
    if (linear->lora) names.insert(linear->name.substr(linear->name.rfind('.') + 1));
  return {names.begin(), names.end()};
}

std::string readme(const AdapterConfig& config) {
  std::string text = "---\nlibrary_name: peft\nbase_model: " + config.base_model_name_or_path +
                     "\n---\n# LoRA adapter trained by tptt\n\n";
  if (!config.dequantised_from.empty())
    text += "Trained on " + fs::path(config.dequantised_from).filename().string() +
            ", a GGUF file whose weights were dequantised: on the unquantised weights of its\n"
            "source the outputs differ by the quantisation.\n\n";
  if (!config.liza) return text + "Plain LoRA: loads with `peft.PeftModel.from_pretrained`.\n";
  return text +
         "**Stock PEFT runs the softmax branch alone.** This adapter was trained with a LiZA "
         "memory\n"
         "beside each attention; its settings are in liza_config.json (learned gates in\n"
         "liza.safetensors), which only tptt reads: `tptt generate MODEL --adapter DIR`.\n";
}

}  // namespace

void read_tensors(const std::string& path, const NamedTensors& tensors,
                  const std::function<std::string(const std::string&)>& rename) {
  const ReadFile file(path);
  const SafetensorsHeader header = read_safetensors_header(file);
  std::map<std::string, at::Tensor> wanted(tensors.begin(), tensors.end());
  c10::AutoGradMode no_grad(false);
  for (const TensorInfo& info : header.tensors) {
    const auto found = wanted.find(rename ? rename(info.name) : info.name);
    const std::string where = path + ": tensor '" + info.name + "' ";
    if (found == wanted.end()) throw Error(where + "has no place in this model");
    if (info.shape != found->second.sizes().vec())
      throw Error(where + "has another shape than this model and rank r need");
    if (info.type != FileType::F32 && info.type != FileType::F16 && info.type != FileType::BF16)
      throw Error(where + "has type " + to_string(info.type) + ", expected F32, F16 or BF16");
    found->second.copy_(read_float_tensor(file, info));
    wanted.erase(found);
  }
  if (!wanted.empty()) throw Error(path + ": tensor '" + wanted.begin()->first + "' is missing");
}

void write_tensors(const std::string& path, const NamedTensors& tensors) {
  std::vector<at::Tensor> keep;
  std::vector<TensorToWrite> out;
  for (const auto& [name, tensor] : tensors) {
    keep.push_back(tensor.detach().to(at::kCPU, at::kFloat).contiguous());
    const auto* data = static_cast<const std::byte*>(keep.back().const_data_ptr());
    out.push_back({name, FileType::F32, tensor.sizes().vec(), {data, keep.back().nbytes()}});
  }
  write_safetensors(path, std::move(out));
}

bool has_gates(const std::optional<LizaConfig>& liza) {
  return liza && memory_learns(*liza);
}

void load_adapter_weights(CausalLM& model, const std::string& dir, bool gates) {
  read_adapter_tensors(model, (fs::path(dir) / "adapter_model.safetensors").string());
  if (gates) read_tensors((fs::path(dir) / "liza.safetensors").string(), named(model, true));
}

AdapterConfig apply_adapter(CausalLM& model, const std::string& dir) {
  AdapterConfig config = read_adapter_config(dir);
  add_lora(model, config.lora, 0);
  if (config.liza) inject_liza(model, *config.liza);
  load_adapter_weights(model, dir, has_gates(config.liza));
  return config;
}

void write_adapter(CausalLM& model, const AdapterConfig& config, const std::string& dir) {
  const fs::path root(dir);
  write_tensors((root / "adapter_model.safetensors").string(), adapter_tensors(model));
  LoraConfig lora = as_plain_lora(config.lora);
  if (lora.target_modules.text == kAllLinear) lora.target_modules = {adapted_modules(model)};
  Json json = lora_to_peft(lora, /*inference_mode=*/true);
  json["base_model_name_or_path"] = config.base_model_name_or_path;
  json["fan_in_fan_out"] = model.config.conv1d;  // PEFT's word for [in, out] weights
  write_file_atomic((root / "adapter_config.json").string(), json.dump(2) + "\n");
  write_file_atomic((root / "README.md").string(), readme(config));
  if (!config.liza) return;
  LizaConfig liza = *config.liza;
  double mean = 0;
  const auto weights = mag_weights(model);
  for (const double w : weights) mean += w / double(weights.size());
  liza.mag.effective_weight = mag_alternates(liza.mag) ? liza.mag.mag_weight : std::min(mean, 1.0);
  write_file_atomic((root / "liza_config.json").string(), liza_to_json(liza));
  const NamedTensors gates = named(model, true);
  if (!gates.empty()) write_tensors((root / "liza.safetensors").string(), gates);
}

}  // namespace tptt
