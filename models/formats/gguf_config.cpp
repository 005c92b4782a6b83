#include "models/formats/gguf_config.h"

#include <algorithm>

#include "models/formats/error.h"
#include "models/formats/gguf.h"

namespace tptt {
namespace {

std::vector<float> read_factors(const ReadFile& file, const TensorInfo& info) {
  const std::string where = file.path() + ": tensor '" + info.name + "'";
  if (info.type != FileType::F32 || info.shape.size() != 1 || info.numel() > 65536)
    throw Error(where + ": expected one number a frequency of type F32");
  std::vector<float> factors(info.numel());
  file.read(info.offset, factors.data(), info.nbytes);
  return factors;
}

Json read_rope(const GgufHeader& header, const ReadFile& file, const std::string& prefix) {
  Json rope = {{"rope_theta", header.get_number(prefix + "rope.freq_base", 10000.0)}};
  const std::string type = header.get_string(prefix + "rope.scaling.type", "none");
  rope["rope_type"] = type == "none" ? "default" : type;
  rope["factor"] = header.get_number(prefix + "rope.scaling.factor", 1.0);
  for (const TensorInfo& info : header.tensors)
    if (info.name == kGgufRopeFactors) rope["freq_factors"] = read_factors(file, info);
  return rope;
}

std::vector<int64_t> read_ends(const GgufHeader& header) {
  std::vector<int64_t> ends;
  for (const char* name : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"}) {
    const int64_t id = header.get_int(name, -1);
    if (id >= 0 && std::find(ends.begin(), ends.end(), id) == ends.end()) ends.push_back(id);
  }
  return ends;
}

}  // namespace

Json gguf_config_json(const std::string& path) {
  const ReadFile file(path);
  const GgufHeader header = read_gguf_header(file);
  const std::string architecture = header.get_string("general.architecture");
  if (architecture != "llama")
    throw Error(path + ": GGUF architecture '" + architecture + "' is not supported; known: llama");
  const std::string prefix = architecture + ".";
  const int64_t heads = header.get_int(prefix + "attention.head_count");
  const int64_t hidden = header.get_int(prefix + "embedding_length");
  Json json = {{"model_type", architecture},
               {"hidden_size", hidden},
               {"intermediate_size", header.get_int(prefix + "feed_forward_length")},
               {"num_hidden_layers", header.get_int(prefix + "block_count")},
               {"num_attention_heads", heads},
               {"num_key_value_heads", header.get_int(prefix + "attention.head_count_kv", heads)},
               {"head_dim", header.get_int(prefix + "attention.key_length",
                                           hidden / std::max<int64_t>(heads, 1))},
               {"max_position_embeddings", header.get_int(prefix + "context_length", 2048)},
               {"rms_norm_eps", header.get_number(prefix + "attention.layer_norm_rms_epsilon")},
               {"rope_parameters", read_rope(header, file, prefix)},
               {"tie_word_embeddings", true},
               {"dtype", "float32"},
               {"eos_token_id", read_ends(header)}};
  if (header.has("tokenizer.ggml.bos_token_id"))
    json["bos_token_id"] = header.get_int("tokenizer.ggml.bos_token_id");
  for (const TensorInfo& info : header.tensors) {
    if (info.name == "output.weight") json["tie_word_embeddings"] = false;
    if (info.name == "token_embd.weight") json["vocab_size"] = info.shape[0];
    if (info.name == "blk.0.attn_q.bias") json["attention_bias"] = true;
    if (info.name == "blk.0.ffn_gate.bias") json["mlp_bias"] = true;
  }
  return json;
}

}  // namespace tptt
