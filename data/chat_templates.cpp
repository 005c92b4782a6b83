#include "data/chat_templates.h"

#include <algorithm>

#include "models/formats/error.h"

namespace tptt {
namespace {

constexpr const char* kSmolLmSystem =
    "You are a helpful AI assistant named SmolLM, trained by Hugging Face";

void add(std::vector<TextPiece>& pieces, const std::string& text, bool train) {
  if (text.empty()) return;
  if (!pieces.empty() && pieces.back().train == train) {
    pieces.back().text += text;
  } else {
    pieces.push_back({text, train});
  }
}

std::vector<TextPiece> render_chatml(const std::vector<Message>& messages, bool prompt) {
  std::vector<TextPiece> pieces;
  for (const Message& m : messages) {
    const bool train = m.role == "assistant";
    add(pieces, "<|im_start|>" + m.role + "\n", false);
    add(pieces, m.content + "<|im_end|>", train);
    add(pieces, "\n", false);
  }
  if (prompt) add(pieces, "<|im_start|>assistant\n", false);
  return pieces;
}

// SmolLM2's: chatml with its own system turn where the conversation has none.
std::vector<TextPiece> render_smollm2(const std::vector<Message>& messages, bool prompt) {
  std::vector<Message> turns = messages;
  if (!turns.empty() && turns.front().role != "system")
    turns.insert(turns.begin(), {"system", kSmolLmSystem});
  return render_chatml(turns, prompt);
}

struct Template {
  const char* name;
  std::vector<TextPiece> (*render)(const std::vector<Message>&, bool);
  /// Texts that must all be in a model's own template for it to be this one.
  std::vector<const char*> markers;
};

// More particular ones first.
const std::vector<Template>& templates() {
  static const std::vector<Template> table = {
      {"smollm2", render_smollm2, {"<|im_start|>", "<|im_end|>", kSmolLmSystem}},
      {"chatml", render_chatml, {"<|im_start|>", "<|im_end|>", "message['role']"}},
  };
  return table;
}

std::string known_names() {
  std::string names;
  for (const std::string& name : chat_template_names()) names += (names.empty() ? "" : ", ") + name;
  return names;
}

}  // namespace

std::vector<std::string> chat_template_names() {
  std::vector<std::string> names;
  for (const Template& t : templates()) names.push_back(t.name);
  return names;
}

std::string resolve_chat_template(const std::string& name, const Tokenizer& tokenizer) {
  for (const Template& t : templates())
    if (name == t.name) return name;
  if (name != "auto")
    throw UsageError("chat_template '" + name +
                     "' is not known; expected auto or one of: " + known_names());
  const std::string text = tokenizer.chat_template_text();
  // A template with a default system turn of its own, tools or other branches is not plain chatml.
  const bool own_system =
      text.find("You are") != std::string::npos && text.find(kSmolLmSystem) == std::string::npos;
  for (const Template& t : templates()) {
    if (!own_system && std::all_of(t.markers.begin(), t.markers.end(), [&](const char* marker) {
          return text.find(marker) != std::string::npos;
        }))
      return t.name;
  }
  throw UsageError(std::string("chat_template: the model's own template is ") +
                   (text.empty() ? "missing" : "not recognised") +
                   "; name one of: " + known_names());
}

std::vector<TextPiece> render_chat(const std::string& template_name,
                                   const std::vector<Message>& messages,
                                   bool add_generation_prompt) {
  for (const Template& t : templates())
    if (template_name == t.name) return t.render(messages, add_generation_prompt);
  throw UsageError("chat_template '" + template_name +
                   "' is not known; expected one of: " + known_names());
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
