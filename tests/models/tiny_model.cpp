#include "tests/models/tiny_model.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "models/formats/error.h"
#include "models/formats/json.h"
#include "models/formats/model_files.h"
#include "models/formats/safetensors.h"
#include "models/lora.h"
#include "models/registry.h"

namespace tptt {

namespace fs = std::filesystem;

std::string golden_dir() {
  const char* made = std::getenv("TPTT_GOLDEN_DIR");
  return made ? made : TPTT_SOURCE_DIR "/tests/golden";
}

std::unique_ptr<CausalLM> load_tiny(const std::string& name, at::ScalarType dtype) {
  return load_dir(golden_dir() + "/llama/" + name, dtype);
}

std::unique_ptr<CausalLM> load_dir(const std::string& dir, at::ScalarType dtype) {
  return load_causal_lm(find_model(dir), dtype, at::kCPU);
}

std::vector<std::string> golden_models() {
  std::vector<std::string> all;
  for (const auto& family : fs::directory_iterator(golden_dir()))
    for (const auto& model :
         family.is_directory() ? fs::directory_iterator(family) : fs::directory_iterator())
      if (fs::exists(model.path() / "golden.safetensors")) all.push_back(model.path().string());
  std::sort(all.begin(), all.end());
  return all;
}

Golden read_golden_file(const std::string& dir) {
  const Json json = read_json_file(dir + "/golden.json");
  Golden golden;
  std::vector<int64_t> flat;
  for (const Json& row : json["input_ids"]) {
    golden.lengths.push_back(int64_t(row.size()));
    for (const Json& id : row) flat.push_back(id.get<int64_t>());
  }
  golden.ids = at::tensor(flat, at::kLong);
  golden.greedy = json["greedy"].get<std::vector<int64_t>>();
  return golden;
}

at::Tensor read_golden(const std::string& path, const std::string& name) {
  const ReadFile file(path);
  for (const TensorInfo& info : read_safetensors_header(file).tensors) {
    if (info.name != name) continue;
    at::Tensor tensor = at::empty(info.shape, at::kFloat);
    file.read(info.offset, tensor.mutable_data_ptr(), info.nbytes);
    return tensor;
  }
  throw Error(path + ": no tensor " + name);
}

at::Tensor logits(const CausalLM& model, const at::Tensor& ids, const std::vector<int64_t>& lengths,
                  DecodeCache* cache) {
  return model.logits(model.hidden(ids, model.context(lengths, {}, cache)));
}

double relative(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor ad = a.detach().to(at::kDouble), bd = b.detach().to(at::kDouble);
  return (ad - bd).norm().item<double>() / (bd.norm().item<double>() + 1e-30);
}

void add_random_lora(CausalLM& model, double dropout) {
  LoraConfig config;
  config.r = 4;
  config.lora_alpha = 8;
  config.lora_dropout = dropout;
  config.target_modules = {{}, kAllLinear};
  add_lora(model, config, 3);
  c10::AutoGradMode no_grad(false);
  auto generator = at::make_generator<at::CPUGeneratorImpl>(uint64_t(5));
  for (const Trainable& t : trainables(model))
    if (t.name.find("lora_B") != std::string::npos) at::Tensor(t.tensor).normal_(0, 0.1, generator);
}

}  // namespace tptt
