#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <c10/core/GradMode.h>

#include <filesystem>

#include "models/formats/model_files.h"
#include "models/lora.h"
#include "models/registry.h"
#include "tests/catch.h"
#include "tests/models/tiny_model.h"

using namespace tptt;
using Catch::Matchers::Contains;
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
  CHECK((ours - expected).abs().max().item<double>() <= 1e-4 * expected.abs().max().item<double>());
}

TEST_CASE("blocks that stay packed give the logits and gradients of their dequantised weights") {
  const std::string path = golden_dir() + "/gguf_models/blocks.gguf";
  const at::Tensor ids =
      read_golden(golden_dir() + "/gguf_models/blocks.safetensors", "input_ids").to(at::kLong);
  const std::vector<int64_t> lengths(size_t(ids.size(0)), ids.size(1));
  const auto dense = load_causal_lm(find_model(path), at::kFloat, at::kCPU);
  const auto packed = load_causal_lm(find_model(path), at::kFloat, at::kCPU, true);
  int64_t kept = 0;  // some of the file's are plain numbers
  for (const Linear* linear : packed->linears()) kept += linear->weight.packed();
  CHECK(kept > 8);
  const bool checkpointing = GENERATE(false, true);
  std::vector<at::Tensor> seen[2];
  for (const auto& model : {&dense, &packed}) {
    auto& out = seen[model == &packed];
    add_random_lora(**model, 0.2);
    ForwardOptions options;
    options.dropout = DropoutKey{1, 2, 3};
    options.gradient_checkpointing = checkpointing;
    const at::Tensor hidden = (*model)->hidden(ids.flatten(), (*model)->context(lengths, options));
    out.push_back((*model)->logits(hidden));
    hidden.pow(2).sum().backward();
    for (const Trainable& p : trainables(**model)) out.push_back(p.tensor.grad());
  }
  REQUIRE(seen[0].size() == seen[1].size());
  for (size_t i = 0; i < seen[0].size(); ++i) {
    INFO(i);
    CHECK(relative(seen[1][i].detach(), seen[0][i].detach()) < 1e-5);
  }
}

TEST_CASE("only a GGUF file has blocks to keep") {
  CHECK_THROWS_WITH(
      load_causal_lm(find_model(golden_dir() + "/llama/tied"), at::kFloat, at::kCPU, true),
      Contains("quantization: keep needs a .gguf file"));
}
