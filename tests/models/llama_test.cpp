#include "models/llama.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>

#include "models/formats/json.h"
#include "tests/catch.h"
#include "tests/models/tiny_model.h"

using namespace tptt;

namespace {

at::Tensor read_ids(const std::string& path, std::vector<int64_t>* lengths) {
  const Json json = read_json_file(path);
  std::vector<int64_t> flat;
  for (const auto& row : json["input_ids"]) {
    lengths->push_back(int64_t(row.size()));
    for (const auto& id : row) flat.push_back(id.get<int64_t>());
  }
  return at::tensor(flat, at::kLong);
}

}  // namespace

TEST_CASE("logits of tiny models of odd shapes are Transformers'", "[golden]") {
  const c10::AutoGradMode no_grad(false);
  for (const char* name : {"tied", "gqa_bias_bf16_sharded", "mqa_head_dim_f16", "linear_rope",
                           "llama3_rope", "odd_sharded", "gguf_float", "gguf_blocks"}) {
    INFO(name);
    const std::string dir = golden_dir() + "/llama/" + name;
    std::vector<int64_t> lengths;
    const at::Tensor ids = read_ids(dir + "/input_ids.json", &lengths);
    const at::Tensor expected = read_golden(dir + "/logits.safetensors", "logits").flatten(0, 1);
    const at::Tensor ours = logits(*load_tiny(name), ids, lengths);
    REQUIRE(ours.sizes() == expected.sizes());
    const double worst = (ours - expected).abs().max().item<double>();
    const double largest = expected.abs().max().item<double>();
    INFO("max abs difference " << worst << " of " << largest);
    CHECK(worst <= 1e-4 * largest);
    CHECK(largest > 0.1);
  }
}
