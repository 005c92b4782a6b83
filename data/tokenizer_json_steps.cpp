#include "data/tokenizer_json_steps.h"

#include "data/tokenizer_config.h"
#include "models/formats/error.h"
#include "models/formats/names.h"

namespace tptt {
namespace {

using Reader = void (*)(const Json& json, BpeParts& parts);

struct Component {
  const char* type;
  Reader read;
};

// Calls the reader of the component's type.
template <size_t count>
void read_component(const Json& json, const char* role, const Component (&known)[count],
                    BpeParts& parts) {
  if (!json.is_object()) throw Error(parts.where + ": " + role + " must be an object");
  const std::string type = json_string(json, "type", parts.where);
  for (const Component& component : known)
    if (type == component.type) return component.read(json, parts);
  throw Error(parts.where + ": " + role + " '" + type + "' is not supported; known: " +
              list_names(known, [](const Component& component) { return component.type; }));
}

const Json& list_of(const Json& json, const char* key, const BpeParts& parts) {
  if (!json.contains(key) || !json[key].is_array())
    throw Error(parts.where + ": Sequence needs a list '" + key + "'");
  return json[key];
}

std::string literal_pattern(const Json& json, const char* owner, const BpeParts& parts) {
  if (!json.contains("pattern") || !json["pattern"].is_object() ||
      !json["pattern"].contains("String"))
    throw Error(parts.where + ": " + owner + " needs a pattern {String}");
  const std::string text = json_string(json["pattern"], "String", parts.where);
  if (text.empty()) throw Error(parts.where + ": " + owner + " has an empty pattern");
  return text;
}

// Metaspace of the pre-tokeniser and of the decoder; older files say add_prefix_space.
PreTokenizerStep::Prepend read_prepend_scheme(const Json& json, const std::string& where) {
  const bool space = json_bool(json, "add_prefix_space", where, true);
  const std::string name = json_string(json, "prepend_scheme", where, space ? "always" : "never");
  if (name == "always") return PreTokenizerStep::Prepend::always;
  if (name == "first") return PreTokenizerStep::Prepend::first;
  if (name == "never") return PreTokenizerStep::Prepend::never;
  throw Error(where + ": Metaspace prepend_scheme '" + name +
              "' is not supported; known: always, first, never");
}

std::string read_replacement(const Json& json, const std::string& where) {
  const std::string text = json_string(json, "replacement", where);
  if (text.empty()) throw Error(where + ": Metaspace has an empty replacement");
  return text;
}

void read_byte_level(const Json& json, BpeParts& parts) {
  if (json_bool(json, "add_prefix_space", parts.where, true)) {
    PreTokenizerStep step;
    step.kind = PreTokenizerStep::Kind::prefix_space;
    parts.pre_tokenizer.push_back(std::move(step));
  }
  if (json_bool(json, "use_regex", parts.where, true))
    parts.pre_tokenizer.push_back(split_step(kGpt2Pattern, parts.where));
  parts.vocab.byte_level = true;
}

void read_digits(const Json& json, BpeParts& parts) {
  const bool single = json_bool(json, "individual_digits", parts.where, false);
  parts.pre_tokenizer.push_back(split_step(single ? R"(\p{N})" : R"(\p{N}+)", parts.where));
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
  throw Error(where + ": Split behavior '" + name +
              "' is not supported; known: Removed, Isolated, MergedWithPrevious, MergedWithNext, "
              "Contiguous");
}

void read_split(const Json& json, BpeParts& parts) {
  const bool regex =
      json.contains("pattern") && json["pattern"].is_object() && json["pattern"].contains("Regex");
  PreTokenizerStep step = split_step(regex ? json_string(json["pattern"], "Regex", parts.where)
                                           : escaped_pattern(literal_pattern(json, "Split", parts)),
                                     parts.where);
  step.behavior = read_behavior(json, parts.where);
  step.invert = json_bool(json, "invert", parts.where, false);
  parts.pre_tokenizer.push_back(std::move(step));
}

void read_metaspace(const Json& json, BpeParts& parts) {
  PreTokenizerStep step;
  step.kind = PreTokenizerStep::Kind::metaspace;
  step.space = read_replacement(json, parts.where);
  step.prepend = read_prepend_scheme(json, parts.where);
  if (json_bool(json, "split", parts.where, true))
    step.regex.emplace_back(escaped_pattern(step.space), parts.where);
  step.behavior = SplitBehavior::merged_with_next;
  parts.pre_tokenizer.push_back(std::move(step));
}

TokenIds special_ids(const Json& json, const std::string& name, const std::string& where) {
  if (!json.contains("special_tokens") || !json["special_tokens"].contains(name) ||
      !json["special_tokens"][name].contains("ids"))
    throw Error(where + ": TemplateProcessing names the unknown token '" + name + "'");
  TokenIds ids;
  for (const Json& id : json["special_tokens"][name]["ids"]) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() >= uint64_t(kMaxVocab))
      throw Error(where + ": special token ids must be counts");
    ids.push_back(id.get<int32_t>());
  }
  return ids;
}

void read_template(const Json& json, BpeParts& parts) {
  bool after = false;
  for (const Json& item : list_of(json, "single", parts)) {
    if (item.contains("Sequence")) {
      after = true;
      continue;
    }
    if (!item.contains("SpecialToken"))
      throw Error(parts.where + ": unknown TemplateProcessing item");
    const std::string name = json_string(item["SpecialToken"], "id", parts.where);
    for (const int32_t id : special_ids(json, name, parts.where))
      (after ? parts.suffix : parts.prefix).push_back(id);
  }
}

void read_strip(const Json& json, BpeParts& parts) {
  if (json_int(json, "stop", parts.where, 0) != 0)
    throw Error(parts.where + ": decoder Strip with a stop is not supported; known: start");
  DecoderStep step{DecoderStep::Kind::strip, json_string(json, "content", parts.where)};
  const int64_t start = json_int(json, "start", parts.where, 0);
  if (start < 0 || step.pattern.empty())
    throw Error(parts.where + ": decoder Strip needs a content and a count to strip");
  step.start = size_t(start);
  parts.decoder.push_back(std::move(step));
}

void read_metaspace_decoder(const Json& json, BpeParts& parts) {
  DecoderStep step{DecoderStep::Kind::metaspace, read_replacement(json, parts.where)};
  step.drop_first = read_prepend_scheme(json, parts.where) != PreTokenizerStep::Prepend::never;
  parts.decoder.push_back(std::move(step));
}

// Once fused the text is one token, which a stream never has as a whole.
void check_decoder(const BpeParts& parts) {
  bool fused = false;
  for (const DecoderStep& step : parts.decoder) {
    if (fused && step.kind != DecoderStep::Kind::strip && step.kind != DecoderStep::Kind::fuse)
      throw Error(parts.where + ": a decoder step after Fuse is not supported; known: Strip");
    fused =
        fused || step.kind == DecoderStep::Kind::fuse || step.kind == DecoderStep::Kind::byte_level;
  }
}

void read_decoder_part(const Json& json, BpeParts& parts) {
  static const Component known[] = {
      {"ByteLevel", [](const Json&, BpeParts& p) { p.decoder.push_back({}); }},
      {"ByteFallback",
       [](const Json&, BpeParts& p) { p.decoder.push_back({DecoderStep::Kind::byte_fallback}); }},
      {"Fuse", [](const Json&, BpeParts& p) { p.decoder.push_back({DecoderStep::Kind::fuse}); }},
      {"Metaspace", read_metaspace_decoder},
      {"Replace",
       [](const Json& j, BpeParts& p) {
         p.decoder.push_back({DecoderStep::Kind::replace, literal_pattern(j, "decoder Replace", p),
                              json_string(j, "content", p.where)});
       }},
      {"Strip", read_strip},
      {"Sequence", [](const Json& j, BpeParts& p) {
         for (const Json& inner : list_of(j, "decoders", p)) read_decoder_part(inner, p);
       }}};
  read_component(json, "decoder", known, parts);
}

}  // namespace

void read_normalizer(const Json& json, BpeParts& parts) {
  static const Component known[] = {
      {"NFC", [](const Json&, BpeParts& p) { p.normalizer.push_back({}); }},
      {"Prepend",
       [](const Json& j, BpeParts& p) {
         p.normalizer.push_back(
             {NormalizerStep::Kind::prepend, "", json_string(j, "prepend", p.where)});
       }},
      {"Replace",
       [](const Json& j, BpeParts& p) {
         p.normalizer.push_back({NormalizerStep::Kind::replace,
                                 literal_pattern(j, "normalizer Replace", p),
                                 json_string(j, "content", p.where)});
       }},
      {"Sequence", [](const Json& j, BpeParts& p) {
         for (const Json& inner : list_of(j, "normalizers", p)) read_normalizer(inner, p);
       }}};
  read_component(json, "normalizer", known, parts);
}

void read_pre_tokenizer(const Json& json, BpeParts& parts) {
  static const Component known[] = {{"ByteLevel", read_byte_level},
                                    {"Digits", read_digits},
                                    {"Metaspace", read_metaspace},
                                    {"Split", read_split},
                                    {"Sequence", [](const Json& j, BpeParts& p) {
                                       for (const Json& inner : list_of(j, "pretokenizers", p))
                                         read_pre_tokenizer(inner, p);
                                     }}};
  read_component(json, "pre_tokenizer", known, parts);
}

void read_post_processor(const Json& json, BpeParts& parts) {
  static const Component known[] = {
      {"ByteLevel", [](const Json&, BpeParts&) {}},  // changes offsets only
      {"TemplateProcessing", read_template},
      {"Sequence", [](const Json& j, BpeParts& p) {
         for (const Json& inner : list_of(j, "processors", p)) read_post_processor(inner, p);
       }}};
  read_component(json, "post_processor", known, parts);
}

void read_decoder(const Json& json, BpeParts& parts) {
  read_decoder_part(json, parts);
  check_decoder(parts);
}

}  // namespace tptt
