#include "data/tokenizer_config.h"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "models/formats/error.h"
#include "models/formats/tensor_file.h"

namespace tptt {
namespace {

namespace fs = std::filesystem;

std::optional<bool> optional_bool(const Json& json, const char* key, const std::string& where) {
  if (!json.contains(key) || json[key].is_null()) return std::nullopt;
  return json_bool(json, key, where);
}

int64_t id_of_key(const std::string& key, const std::string& where) {
  int64_t id = -1;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
  if (error != std::errc() || end != key.data() + key.size())
    throw Error(where + ": added_tokens_decoder key '" + key + "' must be a token id");
  return id;
}

std::string read_template_file(const fs::path& path) {
  const ReadFile in(path.string());
  std::string text(std::min<uint64_t>(in.size(), 1 << 20), '\0');
  in.read(0, text.data(), text.size());
  return text;
}

}  // namespace

AddedToken read_added_token(const Json& json, int64_t id, const std::string& where) {
  if (id < 0 || id >= kMaxVocab)
    throw Error(where + ": token id " + std::to_string(id) + " is out of range");
  AddedToken token;
  token.text = json_string(json, "content", where);
  token.id = int32_t(id);
  token.special = json_bool(json, "special", where, false);
  token.single_word = json_bool(json, "single_word", where, false);
  token.lstrip = json_bool(json, "lstrip", where, false);
  token.rstrip = json_bool(json, "rstrip", where, false);
  token.normalized = json_bool(json, "normalized", where, false);
  return token;
}

void check_token_id(int64_t id, size_t count, const std::string& where) {
  constexpr int64_t kHoles = 1 << 16;
  if (id < 0 || id >= kMaxVocab || id >= 2 * int64_t(count) + kHoles)
    throw Error(where + ": token id " + std::to_string(id) + " is out of range for " +
                std::to_string(count) + " tokens");
}

TokenizerConfig read_tokenizer_config(const std::string& dir) {
  TokenizerConfig config;
  const fs::path path = fs::path(dir) / "tokenizer_config.json";
  config.where = path.string();
  if (fs::is_regular_file(path)) {
    const Json json = read_json_file(path);
    const std::string& where = config.where;
    config.add_bos = optional_bool(json, "add_bos_token", where);
    config.add_eos = optional_bool(json, "add_eos_token", where);
    config.legacy = json_bool(json, "legacy", where, true);
    if (json.contains("added_tokens_decoder") && json["added_tokens_decoder"].is_object())
      for (const auto& [key, token] : json["added_tokens_decoder"].items())
        config.added.push_back(read_added_token(token, id_of_key(key, where), where));
    if (json.contains("chat_template") && json["chat_template"].is_string())
      config.chat_template = json["chat_template"];
  }
  if (const fs::path file = fs::path(dir) / "chat_template.jinja"; fs::is_regular_file(file))
    config.chat_template = read_template_file(file);
  return config;
}

}  // namespace tptt
