#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "models/causal_lm.h"

namespace tptt {

/// tests/golden, or TPTT_GOLDEN_DIR: files that a script has just made.
std::string golden_dir();

/// The tiny model tests/golden/llama/NAME.
std::unique_ptr<CausalLM> load_tiny(const std::string& name, at::ScalarType dtype = at::kFloat);

/// Every tests/golden/FAMILY/NAME, made by make_family_golden.py.
std::vector<std::string> golden_models();

/// The model of a directory.
std::unique_ptr<CausalLM> load_dir(const std::string& dir, at::ScalarType dtype = at::kFloat);

/// The golden.json of such a directory.
struct Golden {
  at::Tensor ids;                // [N] int64, all rows one after another
  std::vector<int64_t> lengths;  // of each row
  std::vector<int64_t> greedy;   // what follows the first 12 tokens of row 0
};
Golden read_golden_file(const std::string& dir);

/// One tensor of a float32 safetensors file.
at::Tensor read_golden(const std::string& path, const std::string& name);

/// Logits [N, V] of sequences one after another.
at::Tensor logits(const CausalLM& model, const at::Tensor& ids, const std::vector<int64_t>& lengths,
                  DecodeCache* cache = nullptr);

/// ||a - b|| / ||b||, in double.
double relative(const at::Tensor& a, const at::Tensor& b);

/// LoRA on every Linear with B filled at random, so that it matters.
void add_random_lora(CausalLM& model, double dropout = 0);

}  // namespace tptt
