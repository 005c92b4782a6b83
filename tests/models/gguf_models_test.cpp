#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <c10/core/GradMode.h>

#include <filesystem>

#include "models/formats/model_files.h"
#include "tests/catch.h"
#include "tests/models/tiny_model.h"

using namespace tptt;
namespace fs = std::filesystem;

TEST_CASE("models that llama.cpp's converter wrote give the logits of what it read", "[golden]") {
  const c10::AutoGradMode no_grad(false);
  for (const auto& entry : fs::directory_iterator(golden_dir() + "/gguf_models")) {
    if (entry.path().extension() != ".gguf" || entry.path().stem() == "blocks") continue;
    INFO(entry.path());
    std::string dir = entry.path().stem().string();  // FAMILY-NAME
    dir[dir.find('-')] = '/';
    dir = golden_dir() + "/" + dir;
    const Golden golden = read_golden_file(dir);
    const at::Tensor expected = read_golden(dir + "/golden.safetensors", "logits").flatten(0, 1);
    const at::Tensor ours = logits(*load_dir(entry.path()), golden.ids, golden.lengths);
    CHECK((ours - expected).abs().max().item<double>() <=
          1e-4 * expected.abs().max().item<double>());
  }
}

TEST_CASE("a model in ggml's blocks gives the logits of its dequantised weights", "[golden]") {
  const c10::AutoGradMode no_grad(false);
  const std::string path = golden_dir() + "/gguf_models/blocks";
  const at::Tensor ids = read_golden(path + ".safetensors", "input_ids").to(at::kLong);
  const at::Tensor expected = read_golden(path + ".safetensors", "logits").flatten(0, 1);
  const std::vector<int64_t> lengths(size_t(ids.size(0)), ids.size(1));
  const at::Tensor ours = logits(*load_dir(path + ".gguf"), ids.flatten(), lengths);
  CHECK((ours - expected).abs().max().item<double>() <=
        1e-4 * expected.abs().max().item<double>());
}
