#include "data/bpe_tokenizer.h"
#include "models/formats/error.h"
#include "models/formats/gguf.h"

namespace tptt {
namespace {

constexpr const char* kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// What tokenizer.ggml.pre stands for.
struct PreKind {
  const char* name;
  std::vector<const char*> patterns;
  bool ignore_merges;
  bool nfc;
};

const std::vector<PreKind>& pre_kinds() {
  static const std::vector<PreKind> kinds = {
      {"smollm", {R"(\p{N})", kGpt2Pattern}, false, false},
      {"gpt-2", {kGpt2Pattern}, false, false},
      {"llama-bpe", {kLlama3Pattern}, true, false},
      {"qwen2", {kQwen2Pattern}, false, true},
  };
  return kinds;
}

const PreKind& find_kind(const GgufHeader& header) {
  const std::string name = header.get_string("tokenizer.ggml.pre", "gpt-2");
  std::string known;
  for (const PreKind& kind : pre_kinds()) {
    if (name == kind.name) return kind;
    known += (known.empty() ? "" : ", ") + std::string(kind.name);
  }
  throw Error(header.path + ": tokenizer.ggml.pre '" + name +
              "' is not supported; known: " + known);
}

}  // namespace

BpeParts read_gguf_tokenizer(const std::string& path) {
  const GgufHeader header = read_gguf_header(ReadFile(path));
  if (const std::string model = header.get_string("tokenizer.ggml.model"); model != "gpt2")
    throw Error(path + ": tokenizer.ggml.model '" + model + "' is not supported; known: gpt2");
  BpeParts parts;
  parts.where = path;
  const PreKind& kind = find_kind(header);
  for (const char* pattern : kind.patterns) parts.steps.push_back({Regex(pattern, path)});
  parts.ignore_merges = kind.ignore_merges;
  parts.nfc = kind.nfc;
  parts.tokens = header.get_strings("tokenizer.ggml.tokens");
  for (const std::string& merge : header.get_strings("tokenizer.ggml.merges")) {
    const size_t space = merge.find(' ', 1);
    if (space == std::string::npos)
      throw Error(path + ": merge '" + merge + "' must be two tokens");
    parts.merges.emplace_back(merge.substr(0, space), merge.substr(space + 1));
  }
  constexpr int64_t kControl = 3, kUserDefined = 4;
  const auto& types = header.get_ints("tokenizer.ggml.token_type");
  if (types.size() != parts.tokens.size())
    throw Error(path + ": tokenizer.ggml.token_type and tokens differ in length");
  for (size_t id = 0; id < types.size(); ++id) {
    if (types[id] != kControl && types[id] != kUserDefined) continue;
    AddedToken token;
    token.text = parts.tokens[id];
    token.id = int32_t(id);
    token.special = types[id] == kControl;
    parts.added.push_back(std::move(token));
  }
  const int64_t bos = header.get_int("tokenizer.ggml.bos_token_id", -1);
  if (header.get_bool("tokenizer.ggml.add_bos_token", false) && bos >= 0 &&
      bos < int64_t(parts.tokens.size()))
    parts.prefix.push_back(int32_t(bos));
  parts.chat_template = header.get_string("tokenizer.chat_template", "");
  return parts;
}

}  // namespace tptt
