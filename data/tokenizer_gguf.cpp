#include <cmath>
#include <limits>

#include "data/bpe_tokenizer.h"
#include "models/formats/error.h"
#include "models/formats/gguf.h"
#include "models/formats/names.h"

namespace tptt {
namespace {

constexpr const char* kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kTekkenPattern =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kGpt4oPattern =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kDigitPattern = R"(\p{N})";

// What tokenizer.ggml.pre stands for.
struct PreKind {
  const char* name;
  std::vector<const char*> patterns;
  bool ignore_merges = false;
  bool nfc = false;
  bool add_bos = false;  // where the file does not say
};

const std::vector<PreKind>& pre_kinds() {
  static const std::vector<PreKind> kinds = {
      {"gpt-2", {kGpt2Pattern}},
      {"olmo", {kGpt2Pattern}, false, true},
      {"granite-docling", {kGpt2Pattern}},
      {"smollm", {kDigitPattern, kGpt2Pattern}},
      {"starcoder", {kDigitPattern, kGpt2Pattern}},
      {"refact", {kDigitPattern, kGpt2Pattern}},  // Granite
      {"llama-bpe", {kLlama3Pattern}, true, false, true},
      {"llama3", {kLlama3Pattern}, true, false, true},
      {"llama-v3", {kLlama3Pattern}, true, false, true},
      {"dbrx", {kLlama3Pattern}},  // OLMo 2, Phi-4
      {"smaug-bpe", {kLlama3Pattern}},
      {"qwen2", {kQwen2Pattern}, false, true},
      {"deepseek-r1-qwen", {kQwen2Pattern}, false, true},
      {"tekken", {kTekkenPattern}, true, false, true},
      {"gpt-4o", {kGpt4oPattern}},  // Phi-4-mini
  };
  return kinds;
}

std::string architecture(const GgufHeader& header) {
  return header.get_string("general.architecture", "");
}

const PreKind& find_kind(const GgufHeader& header) {
  const std::string name =
      header.get_string("tokenizer.ggml.pre", architecture(header) == "gpt2" ? "gpt-2" : "");
  if (name.empty())
    throw Error(header.path +
                ": tokenizer.ggml.pre is missing, so how words are split is not known; convert the "
                "model again with a newer llama.cpp");
  for (const PreKind& kind : pre_kinds())
    if (name == kind.name) return kind;
  throw Error(header.path + ": tokenizer.ggml.pre '" + name + "' is not supported; known: " +
              list_names(pre_kinds(), [](const PreKind& kind) { return kind.name; }));
}

// tokenizer.ggml.token_type, as in SentencePiece.
enum TokenType : int64_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4 };

const std::vector<int64_t>& token_types(const GgufHeader& header, const BpeParts& parts) {
  const auto& types = header.get_ints("tokenizer.ggml.token_type");
  if (types.size() != parts.vocab.tokens.size())
    throw Error(header.path + ": tokenizer.ggml.token_type and tokens differ in length");
  return types;
}

// Phi 3's own tokens take the white space behind them, which GGUF has no place for; llama.cpp
// knows it by name as well. Phi 4 has another vocabulary.
void set_phi3_rstrip(BpeParts& parts) {
  for (AddedToken& token : parts.added)
    token.rstrip = token.text != "<unk>" && token.text != "<s>" && token.text != "<|endoftext|>";
}

void add_tokens(const GgufHeader& header, bool with_unknown, BpeParts& parts) {
  const std::vector<int64_t>& types = token_types(header, parts);
  for (size_t id = 0; id < types.size(); ++id) {
    const bool special = types[id] == kControl || (with_unknown && types[id] == kUnknown);
    if (!special && types[id] != kUserDefined) continue;
    AddedToken token;
    token.text = parts.vocab.tokens[id];
    token.id = int32_t(id);
    token.special = special;
    parts.added.push_back(std::move(token));
  }
}

void add_bos_and_eos(const GgufHeader& header, bool default_bos, int64_t bos, int64_t eos,
                     BpeParts& parts) {
  const auto add = [&](const std::string& name, bool wanted, int64_t id, TokenIds& ids) {
    wanted = header.get_bool("tokenizer.ggml.add_" + name + "_token", wanted);
    id = header.get_int("tokenizer.ggml." + name + "_token_id", id);
    if (wanted && id >= 0 && id < int64_t(parts.vocab.tokens.size())) ids.push_back(int32_t(id));
  };
  add("bos", default_bos, bos, parts.prefix);
  add("eos", false, eos, parts.suffix);
}

void read_byte_level_bpe(const GgufHeader& header, BpeParts& parts) {
  const PreKind& kind = find_kind(header);
  for (const char* pattern : kind.patterns)
    parts.pre_tokenizer.push_back(split_step(pattern, parts.where));
  if (kind.nfc) parts.normalizer.push_back({NormalizerStep::Kind::nfc});
  parts.vocab.ignore_merges = kind.ignore_merges;
  parts.vocab.byte_level = true;
  for (const std::string& merge : header.get_strings("tokenizer.ggml.merges")) {
    const size_t space = merge.find(' ', 1);
    if (space == std::string::npos)
      throw Error(parts.where + ": merge '" + merge + "' must be two tokens");
    parts.vocab.merges.emplace_back(merge.substr(0, space), merge.substr(space + 1));
  }
  parts.decoder.push_back({DecoderStep::Kind::byte_level});
  add_tokens(header, false, parts);
  add_bos_and_eos(header, kind.add_bos, -1, -1, parts);
}

// SentencePiece's BPE: no words, the pair that becomes the token of the highest score first.
void read_sentencepiece_bpe(const GgufHeader& header, BpeParts& parts) {
  parts.vocab.byte_fallback = parts.vocab.fuse_unk = true;
  parts.vocab.unk_id = int32_t(header.get_int("tokenizer.ggml.unknown_token_id", 0));
  if (parts.vocab.unk_id < 0 || size_t(parts.vocab.unk_id) >= parts.vocab.tokens.size())
    throw Error(parts.where + ": tokenizer.ggml.unknown_token_id is outside the vocabulary");
  const std::vector<int64_t>& types = token_types(header, parts);
  parts.vocab.scores = header.get_numbers("tokenizer.ggml.scores");
  if (parts.vocab.scores.size() != types.size())
    throw Error(parts.where + ": tokenizer.ggml.scores and tokens differ in length");
  for (size_t id = 0; id < types.size(); ++id)
    if (types[id] != kNormal) parts.vocab.scores[id] = std::numeric_limits<double>::quiet_NaN();
  const bool prefix = header.get_bool("tokenizer.ggml.add_space_prefix", true);
  if (prefix)
    parts.normalizer.push_back({NormalizerStep::Kind::prepend, "", std::string(kSpaceSymbol)});
  parts.normalizer.push_back({NormalizerStep::Kind::replace, " ", std::string(kSpaceSymbol)});
  parts.decoder = {{DecoderStep::Kind::replace, std::string(kSpaceSymbol), " "},
                   {DecoderStep::Kind::byte_fallback},
                   {DecoderStep::Kind::fuse}};
  if (prefix) parts.decoder.push_back({DecoderStep::Kind::strip, " ", "", 1});
  add_tokens(header, true, parts);
  if (architecture(header) == "phi3") set_phi3_rstrip(parts);
  add_bos_and_eos(header, true, 1, 2, parts);
}

}  // namespace

BpeParts read_gguf_tokenizer(const std::string& path) {
  const GgufHeader header = read_gguf_header(ReadFile(path));
  BpeParts parts;
  parts.where = path;
  parts.vocab.tokens = header.get_strings("tokenizer.ggml.tokens");
  if (const std::string model = header.get_string("tokenizer.ggml.model"); model == "gpt2") {
    read_byte_level_bpe(header, parts);
  } else if (model == "llama") {
    read_sentencepiece_bpe(header, parts);
  } else {
    throw Error(path + ": tokenizer.ggml.model '" + model +
                "' is not supported; known: gpt2, llama");
  }
  parts.chat_template = header.get_string("tokenizer.chat_template", "");
  return parts;
}

}  // namespace tptt
