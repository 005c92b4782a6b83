#pragma once

#include <optional>
#include <string>
#include <vector>

#include "data/tokenizer.h"

namespace tptt {

struct Message {
  std::string role;  // system, user, assistant
  std::string content;
  std::string input = {};  // what an instruction is about (alpaca); most templates append it
  std::optional<bool> train = {};  // as the data say; else the assistant's messages train
};

/// A piece of a rendered conversation; `train` marks what the assistant writes, its end token
/// included (the mask assistant-only loss needs), but for answers with `train` false, and the text
/// of a user's message with `train` true.
struct TextPiece {
  std::string text;
  bool train = false;
};

/// Built-in templates; model files' own Jinja is never executed.
std::vector<std::string> chat_template_names();

/// The built-in template for `name`; "auto" recognises it by markers in the model's own template
/// text. Throws UsageError that lists the names when none fits, and when the template starts with a
/// BOS token that the tokenizer does not have.
std::string resolve_chat_template(const std::string& name, const Tokenizer& tokenizer);

/// Renders a conversation with a resolved template name; `eos` is the text of the model's EOS
/// token, which some templates write. With `add_generation_prompt` the text ends where the
/// assistant starts to write. Throws Error naming the message that the template has no place for.
std::vector<TextPiece> render_chat(const std::string& template_name,
                                   const std::vector<Message>& messages, const std::string& eos,
                                   bool add_generation_prompt = false);

/// Ids and training mask of rendered pieces: the whole text is encoded at once, so that no token
/// differs from what the model sees in chat; a token trains when its text starts in a train piece.
struct MaskedIds {
  TokenIds ids;
  std::vector<bool> train;
};
MaskedIds encode_pieces(const Tokenizer& tokenizer, const std::vector<TextPiece>& pieces);

}  // namespace tptt
