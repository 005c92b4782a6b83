#include "data/tokenizer.h"

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "data/bpe_tokenizer.h"
#include "data/sentencepiece_tokenizer.h"
#include "models/formats/error.h"
#include "models/formats/tensor_file.h"

namespace tptt {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse(const fs::path& file, const std::string& what) {
  const std::string dir = file.parent_path().string();
  throw Error(file.string() + ": " + what +
              "; write a tokenizer.json beside it with Transformers: "
              "AutoTokenizer.from_pretrained(\"" +
              dir + "\").save_pretrained(\"" + dir + "\")");
}

// A tiktoken vocabulary is lines of base64 and a rank; a SentencePiece model begins with a byte 10.
bool is_tiktoken(const fs::path& path) {
  const ReadFile file(path.string());
  std::string head(std::min<uint64_t>(file.size(), 4), '\0');
  file.read(0, head.data(), head.size());
  return !head.empty() && std::all_of(head.begin(), head.end(), [](char c) {
    return std::isalnum(uint8_t(c)) || c == '+' || c == '/' || c == '=';
  });
}

std::unique_ptr<Tokenizer> load_from_dir(const fs::path& dir) {
  if (fs::is_regular_file(dir / "tokenizer.json"))
    return make_bpe_tokenizer(read_tokenizer_json(dir.string()));
  if (const fs::path model = dir / "tokenizer.model"; fs::is_regular_file(model)) {
    if (is_tiktoken(model)) refuse(model, "a tiktoken vocabulary is not supported");
    return load_sentencepiece_tokenizer(dir.string());
  }
  for (const char* name : {"vocab.json", "vocab.txt", "merges.txt", "tekken.json", "tiktoken.model",
                           "spiece.model", "tokenizer.pkl"})
    if (const fs::path file = dir / name; fs::exists(file))
      refuse(file, "is not read without a tokenizer.json");
  throw Error(dir.string() + " has no tokenizer; expected tokenizer.json or tokenizer.model");
}

}  // namespace

std::unique_ptr<Tokenizer> load_tokenizer(const ModelFiles& files) {
  return files.gguf.empty() ? load_from_dir(files.dir)
                            : make_bpe_tokenizer(read_gguf_tokenizer(files.gguf));
}

std::string Tokenizer::decode(const TokenIds& ids, bool skip_special) const {
  Decoder decoder(this->decoder());
  std::string text;
  for (const int32_t id : ids)
    if (!skip_special || !is_special(id)) text += decoder.push(token(id));
  return text + decoder.finish();
}

std::string StreamDecoder::push(int32_t id) {
  return tokenizer_.is_special(id) ? "" : decoder_.push(tokenizer_.token(id));
}

}  // namespace tptt
