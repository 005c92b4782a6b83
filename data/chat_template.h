#pragma once

#include <string>
#include <vector>

#include "data/chat_templates.h"

namespace tptt {

/// What is written around the contents of one role. In every text of a template "{bos}" and "{eos}"
/// stand for those tokens' texts.
struct TurnText {
  const char* before = "";
  const char* after = "";
  bool trim = false;  // outer white space of the content goes, as with Jinja's trim
};

/// The assistant's turns; lead, content and end are what it writes (and trains on).
struct AnswerText {
  const char* before = "";  // also the generation prompt
  const char* lead = "";
  const char* end = "";
  const char* after = "";
  const char* between = "";  // after it, unless it is the last message
  bool trim = false;
};

enum class SystemPlace { own_turn, first_user, last_user, refused };

/// A family's published format as data; hooks hold what data cannot say.
struct ChatTemplate {
  const char* name = "";
  /// The model's own template is this one when it holds all of `markers` and none of `foreign`.
  std::vector<const char*> markers = {};
  std::vector<const char*> foreign = {};
  bool by_name_only = false;  // no model's own

  const char* bos = "";     // the family's BOS where the template writes it
  const char* start = "";   // before the first turn
  const char* finish = "";  // after the last turn, where no answer is asked for
  TurnText system = {};     // in a user turn: what stands around the system text there
  TurnText user = {};
  AnswerText assistant = {};

  SystemPlace system_place = SystemPlace::own_turn;
  bool trims_folded = false;        // trim the user's turn with the system text in it, not before
  bool skips_empty_system = false;  // an empty system text counts as none
  const char* default_system = nullptr;
  const char* needs_system = nullptr;  // why a conversation without system text is refused
  bool alternates = false;             // user and assistant must take turns
  const char* input_before = "\n\n";   // between a message and its input

  /// The messages as the template changes them.
  std::vector<Message> (*rewrite)(std::vector<Message>) = nullptr;
  /// What the generation prompt gives of the answer; not trained on where an answer starts with it.
  std::string (*prompt_lead)(const std::vector<Message>&) = nullptr;
};

/// All built-in templates, one line each.
const std::vector<ChatTemplate>& chat_template_table();

/// The table's line. Throws UsageError that lists the names.
const ChatTemplate& find_chat_template(const std::string& name);

std::vector<Message> rewrite_qwen3(std::vector<Message> messages);
std::vector<Message> rewrite_smollm3(std::vector<Message> messages);
std::vector<Message> rewrite_alpaca(std::vector<Message> messages);
std::string lead_qwen3_nothink(const std::vector<Message>& messages);
std::string lead_smollm3(const std::vector<Message>& messages);

}  // namespace tptt
