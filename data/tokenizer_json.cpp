#include <algorithm>
#include <filesystem>
#include <fstream>

#include "data/bpe_tokenizer.h"
#include "models/formats/error.h"
#include "models/formats/json.h"

namespace tptt {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxVocab = 4'000'000;

bool is_null(const Json& json, const char* key) {
  return !json.contains(key) || json[key].is_null();
}

std::string type_of(const Json& json, const std::string& where) {
  return json_string(json, "type", where);
}

void read_normalizer(const Json& json, const std::string& where, BpeParts& parts) {
  const std::string type = type_of(json, where);
  if (type == "NFC") {
    parts.nfc = true;
  } else if (type == "Sequence" && json.contains("normalizers") && json["normalizers"].is_array()) {
    for (const Json& inner : json["normalizers"]) read_normalizer(inner, where, parts);
  } else {
    throw Error(where + ": normalizer '" + type + "' is not supported; known: NFC, Sequence");
  }
}

SplitBehavior read_behavior(const Json& json, const std::string& where) {
  const std::string name = json_string(json, "behavior", where);
  constexpr std::pair<const char*, SplitBehavior> kNames[] = {
      {"Removed", SplitBehavior::removed},
      {"Isolated", SplitBehavior::isolated},
      {"MergedWithPrevious", SplitBehavior::merged_with_previous},
      {"MergedWithNext", SplitBehavior::merged_with_next},
      {"Contiguous", SplitBehavior::contiguous}};
  for (const auto& [known, behavior] : kNames)
    if (name == known) return behavior;
  throw Error(where + ": Split behavior '" + name + "' is not supported");
}

std::string escaped(const std::string& literal) {
  std::string out;
  for (const char c : literal) {
    if (std::string_view("\\^$.|?*+()[]{}-#").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

PreTokenizerStep read_split(const Json& json, const std::string& where) {
  if (!json.contains("pattern") || !json["pattern"].is_object())
    throw Error(where + ": Split needs a pattern {Regex} or {String}");
  const Json& pattern = json["pattern"];
  const std::string regex = pattern.contains("Regex")
                                ? json_string(pattern, "Regex", where)
                                : escaped(json_string(pattern, "String", where));
  return {Regex(regex, where), read_behavior(json, where), json_bool(json, "invert", where, false)};
}

void read_pre_tokenizer(const Json& json, const std::string& where, BpeParts& parts,
                        bool& byte_level) {
  const std::string type = type_of(json, where);
  if (type == "Sequence" && json.contains("pretokenizers") && json["pretokenizers"].is_array()) {
    for (const Json& inner : json["pretokenizers"])
      read_pre_tokenizer(inner, where, parts, byte_level);
  } else if (type == "ByteLevel") {
    if (json_bool(json, "add_prefix_space", where, true))
      throw Error(where + ": ByteLevel with add_prefix_space is not supported");
    if (json_bool(json, "use_regex", where, true))
      parts.steps.push_back({Regex(kGpt2Pattern, where)});
    byte_level = true;
  } else if (type == "Digits") {
    const bool single = json_bool(json, "individual_digits", where, false);
    parts.steps.push_back({Regex(single ? R"(\p{N})" : R"(\p{N}+)", where)});
  } else if (type == "Split") {
    parts.steps.push_back(read_split(json, where));
  } else {
    throw Error(where + ": pre_tokenizer '" + type +
                "' is not supported; known: ByteLevel, Digits, Split, Sequence");
  }
}

TokenIds special_ids(const Json& json, const std::string& name, const std::string& where) {
  if (!json.contains("special_tokens") || !json["special_tokens"].contains(name) ||
      !json["special_tokens"][name].contains("ids"))
    throw Error(where + ": TemplateProcessing names the unknown token '" + name + "'");
  TokenIds ids;
  for (const Json& id : json["special_tokens"][name]["ids"]) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() > uint64_t(kMaxVocab))
      throw Error(where + ": special token ids must be counts");
    ids.push_back(id.get<int32_t>());
  }
  return ids;
}

void read_post_processor(const Json& json, const std::string& where, BpeParts& parts) {
  const std::string type = type_of(json, where);
  if (type == "ByteLevel") return;  // changes offsets only
  if (type == "Sequence" && json.contains("processors") && json["processors"].is_array()) {
    for (const Json& inner : json["processors"]) read_post_processor(inner, where, parts);
    return;
  }
  if (type != "TemplateProcessing" || !json.contains("single") || !json["single"].is_array())
    throw Error(where + ": post_processor '" + type +
                "' is not supported; known: ByteLevel, TemplateProcessing, Sequence");
  bool after = false;
  for (const Json& item : json["single"]) {
    if (item.contains("Sequence")) {
      after = true;
      continue;
    }
    if (!item.contains("SpecialToken")) throw Error(where + ": unknown TemplateProcessing item");
    const std::string name = json_string(item["SpecialToken"], "id", where);
    for (const int32_t id : special_ids(json, name, where))
      (after ? parts.suffix : parts.prefix).push_back(id);
  }
}

void put_token(BpeParts& parts, int64_t id, const std::string& token) {
  if (id < 0 || id >= kMaxVocab)
    throw Error(parts.where + ": token id " + std::to_string(id) + " is out of range");
  if (size_t(id) >= parts.tokens.size()) parts.tokens.resize(size_t(id) + 1);
  parts.tokens[size_t(id)] = token;
}

void read_merges(const Json& model, const std::string& where, BpeParts& parts) {
  if (!model.contains("merges") || !model["merges"].is_array())
    throw Error(where + ": model.merges must be a list");
  for (const Json& merge : model["merges"]) {
    if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
      parts.merges.emplace_back(merge[0], merge[1]);
      continue;
    }
    const std::string text = merge.is_string() ? merge.get<std::string>() : "";
    const size_t space = text.find(' ');
    if (space == std::string::npos) throw Error(where + ": a merge must be two tokens");
    parts.merges.emplace_back(text.substr(0, space), text.substr(space + 1));
  }
}

void read_model(const Json& model, const std::string& where, BpeParts& parts) {
  if (const std::string type = json_string(model, "type", where, "BPE"); type != "BPE")
    throw Error(where + ": tokenizer model '" + type + "' is not supported; known: BPE");
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"})
    if (!json_string(model, key, where, "").empty())
      throw Error(where + ": BPE " + key + " is not supported");
  if (json_bool(model, "byte_fallback", where, false))
    throw Error(where + ": BPE byte_fallback is not supported; expected a byte-level tokenizer");
  parts.ignore_merges = json_bool(model, "ignore_merges", where, false);
  if (!model.contains("vocab") || !model["vocab"].is_object())
    throw Error(where + ": model.vocab must be an object");
  const Json& vocab = model["vocab"];
  for (const auto& [token, id] : vocab.items())
    put_token(parts, json_int(vocab, token, where), token);
  const std::string unk = json_string(model, "unk_token", where, "");
  if (!unk.empty()) parts.unk_id = int32_t(json_int(vocab, unk, where));
  read_merges(model, where, parts);
}

void read_added(const Json& json, const std::string& where, BpeParts& parts) {
  if (is_null(json, "added_tokens")) return;
  if (!json["added_tokens"].is_array()) throw Error(where + ": added_tokens must be a list");
  for (const Json& item : json["added_tokens"]) {
    AddedToken token;
    token.text = json_string(item, "content", where);
    const int64_t id = json_int(item, "id", where);
    put_token(parts, id, token.text);
    token.id = int32_t(id);
    token.special = json_bool(item, "special", where, false);
    token.single_word = json_bool(item, "single_word", where, false);
    token.lstrip = json_bool(item, "lstrip", where, false);
    token.rstrip = json_bool(item, "rstrip", where, false);
    token.normalized = json_bool(item, "normalized", where, false);
    parts.added.push_back(std::move(token));
  }
}

std::string read_chat_template(const fs::path& dir) {
  if (const fs::path file = dir / "chat_template.jinja"; fs::is_regular_file(file)) {
    const ReadFile in(file.string());
    std::string text(std::min<uint64_t>(in.size(), 1 << 20), '\0');
    in.read(0, text.data(), text.size());
    return text;
  }
  const fs::path config = dir / "tokenizer_config.json";
  if (!fs::is_regular_file(config)) return "";
  const Json json = read_json_file(config);
  return json.contains("chat_template") && json["chat_template"].is_string()
             ? json["chat_template"].get<std::string>()
             : "";
}

}  // namespace

BpeParts read_tokenizer_json(const std::string& dir) {
  const fs::path path = fs::path(dir) / "tokenizer.json";
  if (!fs::is_regular_file(path))
    throw Error(path.string() + " is missing; expected a Hugging Face tokenizer.json");
  const Json json = read_json_file(path);
  BpeParts parts;
  parts.where = path.string();
  if (is_null(json, "model")) throw Error(parts.where + ": key 'model' is missing");
  read_model(json["model"], parts.where, parts);
  read_added(json, parts.where, parts);
  bool byte_level = false;
  if (!is_null(json, "normalizer")) read_normalizer(json["normalizer"], parts.where, parts);
  if (!is_null(json, "pre_tokenizer"))
    read_pre_tokenizer(json["pre_tokenizer"], parts.where, parts, byte_level);
  if (!byte_level)
    throw Error(parts.where + ": expected a byte-level BPE tokenizer (pre_tokenizer ByteLevel)");
  if (!is_null(json, "post_processor"))
    read_post_processor(json["post_processor"], parts.where, parts);
  if (!is_null(json, "decoder") && type_of(json["decoder"], parts.where) != "ByteLevel")
    throw Error(parts.where + ": decoder '" + type_of(json["decoder"], parts.where) +
                "' is not supported; known: ByteLevel");
  parts.chat_template = read_chat_template(dir);
  return parts;
}

}  // namespace tptt
