#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tptt {

/// What llama.cpp's conversion does to a tensor's values.
enum class GgufChange {
  none,
  permuted_q,      // rows of each query head: two halves become pairs (rotary embedding's order)
  permuted_k,      // the same for key heads
  plus_one,        // Gemma's norms, which Transformers adds 1 to
  transposed,      // GPT-2's Conv1D: [in, out] becomes [out, in]
  stacked_experts  // one tensor [experts, out, in] for all experts of a layer
};

struct GgufName {
  std::string name;
  GgufChange change = GgufChange::none;
  int64_t expert = -1;  // the one that a Hugging Face name of stacked experts means
};

/// The names of general.architecture that have a table, sorted.
std::vector<std::string> gguf_architectures();

/// The Hugging Face name of a GGUF tensor, with "*" for the expert of stacked_experts, and the
/// GGUF name of a Hugging Face one; nothing when the architecture has no such tensor (RoPE
/// factors: they are configuration). A file with tied embeddings has no output.weight. Throws
/// Error for an architecture that has no table. Source: gguf-py's tensor_mapping.py and
/// llama.cpp's conversion.
std::optional<GgufName> hf_tensor_name(const std::string& architecture, const std::string& gguf);
std::optional<GgufName> gguf_tensor_name(const std::string& architecture, const std::string& hf);

/// The name of one expert, from a name with "*" for it.
std::string expert_name(const std::string& pattern, int64_t expert);

/// How many heads the rows of a permuted tensor divide into; 0 for a tensor that is not.
int64_t permuted_heads(GgufChange change, int64_t query_heads, int64_t kv_heads);

/// Which row of Hugging Face's tensor each row of a permuted GGUF tensor is: the two halves of a
/// head become pairs. `rows` must be an even number for each head.
std::vector<int64_t> permuted_rows(int64_t rows, int64_t heads);

}  // namespace tptt
