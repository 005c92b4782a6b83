#include <filesystem>

#include "data/bpe_tokenizer.h"
#include "data/tokenizer_config.h"
#include "data/tokenizer_json_steps.h"
#include "models/formats/error.h"

namespace tptt {
namespace {

bool is_null(const Json& json, const char* key) {
  return !json.contains(key) || json[key].is_null();
}

constexpr size_t kMostSteps = 64;  // of a part; real ones have up to five

void put_token(BpeParts& parts, int64_t id, size_t count, const std::string& token) {
  check_token_id(id, count, parts.where);
  std::vector<std::string>& tokens = parts.vocab.tokens;
  if (size_t(id) >= tokens.size()) tokens.resize(size_t(id) + 1);
  tokens[size_t(id)] = token;
}

// A merge is "left right" or, in newer files, ["left", "right"].
void read_merges(const Json& model, const std::string& where, BpeVocab& vocab) {
  if (!model.contains("merges") || !model["merges"].is_array())
    throw Error(where + ": model.merges must be a list");
  for (const Json& merge : model["merges"]) {
    if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
      vocab.merges.emplace_back(merge[0], merge[1]);
      continue;
    }
    const std::string text = merge.is_string() ? merge.get<std::string>() : "";
    const size_t space = text.find(' ');
    if (space == std::string::npos) throw Error(where + ": a merge must be two tokens");
    vocab.merges.emplace_back(text.substr(0, space), text.substr(space + 1));
  }
}

void read_model(const Json& model, BpeParts& parts) {
  const std::string& where = parts.where;
  if (const std::string type = json_string(model, "type", where, "BPE"); type != "BPE")
    throw Error(where + ": tokenizer model '" + type + "' is not supported; known: BPE");
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"})
    if (!json_string(model, key, where, "").empty())
      throw Error(where + ": BPE " + key + " is not supported");
  if (json_number(model, "dropout", where, 0) != 0)
    throw Error(where + ": BPE dropout is not supported; expected null");
  BpeVocab& vocab = parts.vocab;
  vocab.byte_fallback = json_bool(model, "byte_fallback", where, false);
  vocab.fuse_unk = json_bool(model, "fuse_unk", where, false);
  vocab.ignore_merges = json_bool(model, "ignore_merges", where, false);
  if (!model.contains("vocab") || !model["vocab"].is_object())
    throw Error(where + ": model.vocab must be an object");
  for (const auto& [token, id] : model["vocab"].items())
    put_token(parts, json_int(model["vocab"], token, where), model["vocab"].size(), token);
  const std::string unk = json_string(model, "unk_token", where, "");
  if (!unk.empty()) vocab.unk_id = int32_t(json_int(model["vocab"], unk, where));
  read_merges(model, where, vocab);
}

void read_added(const Json& json, BpeParts& parts) {
  if (is_null(json, "added_tokens")) return;
  if (!json["added_tokens"].is_array()) throw Error(parts.where + ": added_tokens must be a list");
  for (const Json& item : json["added_tokens"]) {
    AddedToken token = read_added_token(item, json_int(item, "id", parts.where), parts.where);
    put_token(parts, token.id, parts.vocab.tokens.size() + json["added_tokens"].size(), token.text);
    parts.added.push_back(std::move(token));
  }
}

}  // namespace

BpeParts read_tokenizer_json(const std::string& dir) {
  const std::filesystem::path path = std::filesystem::path(dir) / "tokenizer.json";
  const Json json = read_json_file(path);
  BpeParts parts;
  parts.where = path.string();
  if (is_null(json, "model")) throw Error(parts.where + ": key 'model' is missing");
  read_model(json["model"], parts);
  read_added(json, parts);
  if (!is_null(json, "normalizer")) read_normalizer(json["normalizer"], parts);
  if (!is_null(json, "pre_tokenizer")) read_pre_tokenizer(json["pre_tokenizer"], parts);
  if (!is_null(json, "post_processor")) read_post_processor(json["post_processor"], parts);
  if (is_null(json, "decoder"))
    throw Error(parts.where + ": key 'decoder' is missing; expected how tokens become text");
  read_decoder(json["decoder"], parts);
  for (const size_t steps :
       {parts.normalizer.size(), parts.pre_tokenizer.size(), parts.decoder.size()})
    if (steps > kMostSteps)
      throw Error(parts.where + ": a part of the tokenizer has more than " +
                  std::to_string(kMostSteps) + " steps");
  // As in Transformers, the post-processor holds over tokenizer_config.json's add_bos_token.
  parts.chat_template = read_tokenizer_config(dir).chat_template;
  return parts;
}

}  // namespace tptt
