#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tptt {

/// The LoRA of one Linear: y += scale * B A x.
struct GgufLora {
  std::string module;  // Hugging Face's path, "model.layers.0.self_attn.q_proj"
  int64_t rank = 0, in = 0, out = 0;
  std::span<const float> a = {};  // [rank, in]
  std::span<const float> b = {};  // [out, rank]
  double scale = 1;
};

/// The base model that an adapter is for, as its GGUF file describes it.
struct GgufLoraBase {
  std::string architecture;  // general.architecture
  int64_t query_heads = 0, kv_heads = 0;
};

/// Writes a LoRA adapter that llama.cpp loads onto the GGUF file of the base (llama-adapter.cpp).
/// Each module's scale is multiplied into its B and adapter.lora.alpha is 0, which llama.cpp
/// takes as scale 1: rank-stabilised and per-module scales stay exact, where alpha / rank would
/// not. Rows of B follow the base's permuted q and k; fused and Conv1D projections are one tensor
/// each as they are, since A is [rank, in] and B [out, rank] for all of them. Throws Error naming
/// `path` and the module: one that llama.cpp can give no adapter (embedding, head, an expert or a
/// module without a GGUF tensor), sizes that do not agree, and what write_gguf refuses.
void write_gguf_lora(const std::string& path, const GgufLoraBase& base,
                     const std::vector<GgufLora>& adapters);

}  // namespace tptt
