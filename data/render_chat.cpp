#include "data/chat_template.h"
#include "data/utf8.h"
#include "models/formats/error.h"

namespace tptt {
namespace {

using Messages = std::vector<Message>;

[[noreturn]] void refuse(const ChatTemplate& t, const Messages& messages, size_t index,
                         const std::string& expected, const std::string& why) {
  throw Error("messages[" + std::to_string(index) + "]: role '" + messages[index].role +
              "', expected " + expected + "; chat template '" + t.name + "' " + why);
}

void check_roles(const ChatTemplate& t, const Messages& messages) {
  if (messages.empty()) throw Error("a conversation has no messages; expected at least one");
  const bool system = messages[0].role == "system";
  if (system && t.system_place == SystemPlace::refused)
    refuse(t, messages, 0, "'user'", "has no place for a system text");
  if (!system && t.needs_system)
    refuse(t, messages, 0, "'system'", std::string("needs one: ") + t.needs_system);
  const bool folds =
      t.system_place == SystemPlace::first_user || t.system_place == SystemPlace::last_user;
  if (system && folds && messages.size() == 1)
    refuse(t, messages, 0, "a user's message after it", "writes the system text into a user's");
  for (size_t i = system; i < messages.size(); ++i) {
    const std::string& role = messages[i].role;
    if (role != "user" && role != "assistant")
      refuse(t, messages, i, "'user' or 'assistant'", "takes 'system' in the first message only");
    const char* turn = (i - system) % 2 == 0 ? "user" : "assistant";
    if (t.alternates && role != turn)
      refuse(t, messages, i, std::string("'") + turn + "'", "takes user and assistant in turn");
  }
}

// The index of the user's message that takes the system text.
size_t folding_turn(const ChatTemplate& t, const Messages& messages) {
  if (t.system_place == SystemPlace::first_user) return 1;
  size_t last = messages.size() - 1;
  while (messages[last].role != "user") --last;
  return last;
}

Messages prepared(const ChatTemplate& t, Messages messages) {
  if (t.rewrite) messages = t.rewrite(std::move(messages));
  for (Message& m : messages)
    if (!m.input.empty()) m.content += t.input_before + m.input;
  if (t.skips_empty_system && messages[0].role == "system" && messages[0].content.empty())
    messages.erase(messages.begin());
  if (t.default_system && (messages.empty() || messages[0].role != "system"))
    messages.insert(messages.begin(), {"system", t.default_system});
  return messages;
}

class Writer {
 public:
  Writer(const ChatTemplate& t, const std::string& eos) : template_(t), eos_(eos) {}

  void text(const std::string& text, bool train = false) {
    if (text.empty()) return;
    if (!pieces.empty() && pieces.back().train == train) {
      pieces.back().text += text;
    } else {
      pieces.push_back({text, train});
    }
  }

  // A text of the table, its special tokens filled in.
  void mark(const std::string& text, bool train = false) { this->text(filled(text), train); }

  std::vector<TextPiece> pieces;

 private:
  std::string filled(std::string text) const {
    replace(text, "{bos}", template_.bos);
    if (text.find("{eos}") == std::string::npos) return text;
    if (eos_.empty())
      throw Error(std::string("chat template '") + template_.name +
                  "' ends turns with the model's EOS token, and the model names none; expected "
                  "eos_token_id in its config");
    replace(text, "{eos}", eos_);
    return text;
  }

  static void replace(std::string& text, const std::string& from, const std::string& to) {
    if (const size_t at = text.find(from); at != std::string::npos)
      text.replace(at, from.size(), to);
  }

  const ChatTemplate& template_;
  const std::string& eos_;
};

void write_user(const ChatTemplate& t, const Message& m, const std::string& folded, Writer& out) {
  std::string body = t.user.trim && !t.trims_folded ? strip(m.content) : m.content;
  body = folded + body;
  if (t.user.trim && t.trims_folded) body = strip(body);
  out.mark(t.user.before);
  out.text(body, m.train.value_or(false));
  out.mark(t.user.after);
}

void write_answer(const AnswerText& a, const Message& m, const std::string& prompt_lead, bool last,
                  Writer& out) {
  const std::string content = a.trim ? strip(m.content) : m.content;
  const bool train = m.train.value_or(true);
  out.mark(a.before);
  const bool led = content.compare(0, prompt_lead.size(), prompt_lead) == 0;
  if (led) out.text(prompt_lead);
  out.text(a.lead + content.substr(led ? prompt_lead.size() : 0), train);
  out.mark(a.end, train);
  out.mark(a.after);
  if (!last) out.mark(a.between);
}

}  // namespace

std::vector<TextPiece> render_chat(const std::string& template_name,
                                   const std::vector<Message>& messages, const std::string& eos,
                                   bool add_generation_prompt) {
  const ChatTemplate& t = find_chat_template(template_name);
  check_roles(t, messages);
  const Messages turns = prepared(t, messages);
  const std::string lead = t.prompt_lead ? t.prompt_lead(messages) : "";
  Writer out(t, eos);
  out.mark(t.start);
  std::string folded;
  size_t folding = 0;
  for (size_t i = 0; i < turns.size(); ++i) {
    const Message& m = turns[i];
    if (m.role == "system") {
      const std::string text = t.system.trim ? strip(m.content) : m.content;
      if (t.system_place == SystemPlace::own_turn) {
        out.mark(t.system.before);
        out.text(text);
        out.mark(t.system.after);
      } else {
        folded = t.system.before + text + t.system.after;
        folding = folding_turn(t, turns);
      }
    } else if (m.role == "user") {
      write_user(t, m, i == folding ? folded : "", out);
    } else {
      write_answer(t.assistant, m, lead, i + 1 == turns.size(), out);
    }
  }
  if (add_generation_prompt) {
    out.mark(t.assistant.before);
    out.text(lead);
  } else {
    out.mark(t.finish);
  }
  return out.pieces;
}

}  // namespace tptt
