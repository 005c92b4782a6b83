#include "models/formats/gguf_names.h"

#include <cctype>
#include <span>
#include <string_view>

#include "models/formats/error.h"
#include "models/formats/names.h"

namespace tptt {
namespace {

// "*" is the layer, the second one of a Hugging Face name the expert.
struct Row {
  const char* gguf;
  const char* hf;
};

constexpr Row kEmbedding[] = {{"token_embd", "model.embed_tokens"}};
constexpr Row kFinalNorm[] = {{"output_norm", "model.norm"}};
constexpr Row kHead[] = {{"output", "lm_head"}};
constexpr Row kAttention[] = {{"blk.*.attn_q", "model.layers.*.self_attn.q_proj"},
                              {"blk.*.attn_k", "model.layers.*.self_attn.k_proj"},
                              {"blk.*.attn_v", "model.layers.*.self_attn.v_proj"},
                              {"blk.*.attn_output", "model.layers.*.self_attn.o_proj"}};
constexpr Row kQkNorms[] = {{"blk.*.attn_q_norm", "model.layers.*.self_attn.q_norm"},
                            {"blk.*.attn_k_norm", "model.layers.*.self_attn.k_norm"}};
constexpr Row kMlp[] = {{"blk.*.ffn_gate", "model.layers.*.mlp.gate_proj"},
                        {"blk.*.ffn_up", "model.layers.*.mlp.up_proj"},
                        {"blk.*.ffn_down", "model.layers.*.mlp.down_proj"}};
constexpr Row kExperts[] = {{"blk.*.ffn_gate_inp", "model.layers.*.mlp.gate"},
                            {"blk.*.ffn_gate_exps", "model.layers.*.mlp.experts.*.gate_proj"},
                            {"blk.*.ffn_up_exps", "model.layers.*.mlp.experts.*.up_proj"},
                            {"blk.*.ffn_down_exps", "model.layers.*.mlp.experts.*.down_proj"}};
constexpr Row kPreNorms[] = {{"blk.*.attn_norm", "model.layers.*.input_layernorm"},
                             {"blk.*.ffn_norm", "model.layers.*.post_attention_layernorm"}};
constexpr Row kPostNorms[] = {
    {"blk.*.post_attention_norm", "model.layers.*.post_attention_layernorm"},
    {"blk.*.post_ffw_norm", "model.layers.*.post_feedforward_layernorm"}};
constexpr Row kGemmaPreNorms[] = {{"blk.*.attn_norm", "model.layers.*.input_layernorm"},
                                  {"blk.*.ffn_norm", "model.layers.*.pre_feedforward_layernorm"}};
constexpr Row kPhi3[] = {{"blk.*.attn_qkv", "model.layers.*.self_attn.qkv_proj"},
                         {"blk.*.attn_output", "model.layers.*.self_attn.o_proj"},
                         {"blk.*.ffn_up", "model.layers.*.mlp.gate_up_proj"},
                         {"blk.*.ffn_down", "model.layers.*.mlp.down_proj"}};
constexpr Row kGpt2[] = {{"token_embd", "transformer.wte"},
                         {"position_embd", "transformer.wpe"},
                         {"output_norm", "transformer.ln_f"},
                         {"blk.*.attn_norm", "transformer.h.*.ln_1"},
                         {"blk.*.attn_qkv", "transformer.h.*.attn.c_attn"},
                         {"blk.*.attn_output", "transformer.h.*.attn.c_proj"},
                         {"blk.*.ffn_norm", "transformer.h.*.ln_2"},
                         {"blk.*.ffn_up", "transformer.h.*.mlp.c_fc"},
                         {"blk.*.ffn_down", "transformer.h.*.mlp.c_proj"}};

enum Values { kPlain, kPermutedHeads, kNormsPlusOne, kConv1d };

struct Architecture {
  const char* name;
  Values values;
  std::vector<std::span<const Row>> rows;
};

// To add an architecture: its line here.
const std::vector<Architecture>& table() {
  static const std::vector<Architecture> all = {
      {"gemma2",
       kNormsPlusOne,
       {kEmbedding, kFinalNorm, kAttention, kMlp, kGemmaPreNorms, kPostNorms}},
      {"gemma3",
       kNormsPlusOne,
       {kEmbedding, kFinalNorm, kHead, kAttention, kQkNorms, kMlp, kGemmaPreNorms, kPostNorms}},
      {"gpt2", kConv1d, {kGpt2, kHead}},
      {"granite", kPermutedHeads, {kEmbedding, kFinalNorm, kHead, kAttention, kMlp, kPreNorms}},
      {"llama", kPermutedHeads, {kEmbedding, kFinalNorm, kHead, kAttention, kMlp, kPreNorms}},
      {"olmo", kPermutedHeads, {kEmbedding, kHead, kAttention, kMlp}},
      {"olmo2", kPlain, {kEmbedding, kFinalNorm, kHead, kAttention, kQkNorms, kMlp, kPostNorms}},
      {"olmoe", kPlain, {kEmbedding, kFinalNorm, kHead, kAttention, kQkNorms, kExperts, kPreNorms}},
      {"phi3", kPlain, {kEmbedding, kFinalNorm, kHead, kPhi3, kPreNorms}},
      {"qwen2", kPlain, {kEmbedding, kFinalNorm, kHead, kAttention, kMlp, kPreNorms}},
      {"qwen3", kPlain, {kEmbedding, kFinalNorm, kHead, kAttention, kQkNorms, kMlp, kPreNorms}},
      {"smollm3", kPermutedHeads, {kEmbedding, kFinalNorm, kHead, kAttention, kMlp, kPreNorms}},
  };
  return all;
}

const Architecture& find(const std::string& name) {
  for (const Architecture& a : table())
    if (a.name == name) return a;
  throw Error("GGUF architecture '" + name + "' has no table of tensor names; known: " +
              list_names(table(), [](const Architecture& a) { return a.name; }));
}

// The numbers in the places of "*", or nothing.
std::optional<std::vector<std::string>> match(std::string_view pattern, std::string_view text) {
  std::vector<std::string> numbers;
  size_t t = 0;
  for (const char p : pattern) {
    if (p != '*') {
      if (t == text.size() || text[t++] != p) return std::nullopt;
      continue;
    }
    const size_t begin = t;
    while (t < text.size() && std::isdigit(static_cast<unsigned char>(text[t]))) ++t;
    if (t == begin || t - begin > 6 || (text[begin] == '0' && t - begin > 1)) return std::nullopt;
    numbers.emplace_back(text.substr(begin, t - begin));
  }
  return t == text.size() ? std::optional(numbers) : std::nullopt;
}

// Places that have no number keep their "*".
std::string fill(std::string_view pattern, const std::vector<std::string>& numbers) {
  std::string out;
  size_t n = 0;
  for (const char p : pattern) {
    if (p == '*' && n < numbers.size()) {
      out += numbers[n++];
    } else {
      out += p;
    }
  }
  return out;
}

GgufChange change_of(Values values, std::string_view gguf, bool weight) {
  const bool norm = gguf.ends_with("norm");
  if (gguf.ends_with("_exps")) return GgufChange::stacked_experts;
  if (values == kPermutedHeads && gguf == "blk.*.attn_q") return GgufChange::permuted_q;
  if (values == kPermutedHeads && gguf == "blk.*.attn_k") return GgufChange::permuted_k;
  if (values == kNormsPlusOne && norm) return GgufChange::plus_one;
  if (values == kConv1d && weight && !norm && gguf.starts_with("blk."))
    return GgufChange::transposed;
  return GgufChange::none;
}

std::optional<GgufName> translate(const std::string& architecture, const std::string& name,
                                  const char* Row::*from, const char* Row::*to) {
  const Architecture& a = find(architecture);
  const size_t dot = name.rfind('.');
  if (dot == std::string::npos) return std::nullopt;
  const std::string stem = name.substr(0, dot), suffix = name.substr(dot);
  if (suffix != ".weight" && suffix != ".bias") return std::nullopt;
  for (const std::span<const Row> rows : a.rows)
    for (const Row& row : rows) {
      const auto numbers = match(row.*from, stem);
      if (!numbers) continue;
      GgufName found{fill(row.*to, *numbers) + suffix,
                     change_of(a.values, row.gguf, suffix == ".weight")};
      if (numbers->size() == 2) found.expert = std::stoll((*numbers)[1]);
      return found;
    }
  return std::nullopt;
}

}  // namespace

std::vector<std::string> gguf_architectures() {
  std::vector<std::string> names;
  for (const Architecture& a : table()) names.emplace_back(a.name);
  return names;
}

std::optional<GgufName> hf_tensor_name(const std::string& architecture, const std::string& gguf) {
  return translate(architecture, gguf, &Row::gguf, &Row::hf);
}

std::optional<GgufName> gguf_tensor_name(const std::string& architecture, const std::string& hf) {
  return translate(architecture, hf, &Row::hf, &Row::gguf);
}

std::string expert_name(const std::string& pattern, int64_t expert) {
  return fill(pattern, {std::to_string(expert)});
}

int64_t permuted_heads(GgufChange change, int64_t query_heads, int64_t kv_heads) {
  return change == GgufChange::permuted_q   ? query_heads
         : change == GgufChange::permuted_k ? kv_heads
                                            : 0;
}

std::vector<int64_t> permuted_rows(int64_t rows, int64_t heads) {
  std::vector<int64_t> sources(static_cast<size_t>(rows));
  const int64_t size = rows / heads;
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t within = row % size;
    sources[size_t(row)] = row - within + within % 2 * (size / 2) + within / 2;
  }
  return sources;
}

}  // namespace tptt
