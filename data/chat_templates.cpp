#include "data/chat_templates.h"

#include <algorithm>

#include "data/chat_template.h"
#include "models/formats/error.h"
#include "models/formats/names.h"

namespace tptt {
namespace {

std::string known_names() {
  return list_names(chat_template_names(), [](const std::string& name) { return name; });
}

bool is_own(const ChatTemplate& t, const std::string& text) {
  const auto found = [&](const char* part) { return text.find(part) != std::string::npos; };
  return !t.by_name_only && std::all_of(t.markers.begin(), t.markers.end(), found) &&
         std::none_of(t.foreign.begin(), t.foreign.end(), found);
}

const ChatTemplate& recognised(const std::string& text) {
  for (const ChatTemplate& t : chat_template_table())
    if (is_own(t, text)) return t;
  throw UsageError(std::string("chat_template: the model's own template is ") +
                   (text.empty() ? "missing" : "not recognised") +
                   "; name one of: " + known_names());
}

}  // namespace

std::vector<std::string> chat_template_names() {
  std::vector<std::string> names;
  for (const ChatTemplate& t : chat_template_table()) names.push_back(t.name);
  return names;
}

const ChatTemplate& find_chat_template(const std::string& name) {
  for (const ChatTemplate& t : chat_template_table())
    if (name == t.name) return t;
  throw UsageError("chat_template '" + name +
                   "' is not known; expected auto or one of: " + known_names());
}

std::string resolve_chat_template(const std::string& name, const Tokenizer& tokenizer) {
  const ChatTemplate& t =
      name == "auto" ? recognised(tokenizer.chat_template_text()) : find_chat_template(name);
  if (*t.bos && !tokenizer.token_id(t.bos))
    throw UsageError(std::string("chat_template '") + t.name + "' starts with the token " + t.bos +
                     ", which the model's tokenizer does not have; name another template");
  return t.name;
}

MaskedIds encode_pieces(const Tokenizer& tokenizer, const std::vector<TextPiece>& pieces) {
  std::string text;
  std::vector<std::pair<size_t, bool>> ends;  // where each piece ends, and whether it trains
  for (const TextPiece& piece : pieces) {
    text += piece.text;
    ends.emplace_back(text.size(), piece.train);
  }
  MaskedIds masked;
  std::vector<size_t> offsets;
  masked.ids = tokenizer.encode(text, false, &offsets);
  size_t piece = 0;
  for (const size_t offset : offsets) {
    while (piece + 1 < ends.size() && offset >= ends[piece].first) ++piece;
    masked.train.push_back(ends[piece].second);
  }
  return masked;
}

}  // namespace tptt
