#include "data/chat_template.h"
#include "data/utf8.h"

namespace tptt {
namespace {

bool contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

bool starts_with(const std::string& text, const std::string& part) {
  return text.compare(0, part.size(), part) == 0;
}

bool ends_with(const std::string& text, const std::string& part) {
  return text.size() >= part.size() &&
         text.compare(text.size() - part.size(), part.size(), part) == 0;
}

std::string without_all(std::string text, const std::string& part) {
  for (size_t at = 0; (at = text.find(part, at)) != std::string::npos;) text.erase(at, part.size());
  return text;
}

std::string strip_newlines_left(const std::string& text) {
  const size_t begin = text.find_first_not_of('\n');
  return begin == std::string::npos ? "" : text.substr(begin);
}

std::string strip_newlines(const std::string& text) {
  return strip_newlines_left(text.substr(0, text.find_last_not_of('\n') + 1));
}

// ---- Qwen3: reasoning is kept after the last question only ----

constexpr const char* kEmptyThought = "<think>\n\n</think>\n\n";

struct Answer {
  std::string reasoning, content;
};

Answer split_reasoning(const std::string& text) {
  const std::string open = "<think>", close = "</think>";
  if (!contains(text, "</think>")) return {"", text};
  std::string reasoning = text.substr(0, text.find(close));
  if (const size_t at = reasoning.rfind(open); at != std::string::npos)
    reasoning = reasoning.substr(at + open.size());
  return {strip_newlines(reasoning),
          strip_newlines_left(text.substr(text.rfind(close) + close.size()))};
}

size_t last_question(const std::vector<Message>& messages) {
  for (size_t i = messages.size(); i-- > 0;) {
    const std::string& text = messages[i].content;
    const bool tool = starts_with(text, "<tool_response>") && ends_with(text, "</tool_response>");
    if (messages[i].role == "user" && !tool) return i;
  }
  return messages.size() - 1;
}

// ---- SmolLM3: a system turn that names the reasoning mode ----

constexpr const char* kSmolLm3Lead = "<think>\n\n</think>\n";
constexpr const char* kSmolLm3 =
    "You are a helpful AI assistant named SmolLM, trained by Hugging Face.";
constexpr const char* kSmolLm3Thinks =
    " Your role as an assistant involves thoroughly exploring questions through a systematic "
    "thinking process before providing the final precise and accurate solutions. This requires "
    "engaging in a comprehensive cycle of analysis, summarizing, exploration, reassessment, "
    "reflection, backtracking, and iteration to develop well-considered thinking process. Please "
    "structure your response into two main sections: Thought and Solution using the specified "
    "format: <think> Thought section </think> Solution section. In the Thought section, detail "
    "your reasoning process in steps. Each step should include detailed considerations such as "
    "analysing questions, summarizing relevant findings, brainstorming new ideas, verifying the "
    "accuracy of the current steps, refining any errors, and revisiting previous steps. In the "
    "Solution section, based on various attempts, explorations, and reflections from the Thought "
    "section, systematically present the final solution that you deem correct. The Solution "
    "section should be logical, accurate, and concise and detail necessary steps needed to reach "
    "the conclusion.";

std::string system_text(const std::vector<Message>& messages) {
  return messages[0].role == "system" ? messages[0].content : "";
}

bool smollm3_thinks(const std::vector<Message>& messages) {
  return !contains(system_text(messages), "/no_think");
}

std::string smollm3_system(const std::vector<Message>& messages) {
  const std::string given = system_text(messages);
  std::string own = strip_right(without_all(without_all(given, "/no_think"), "/think"));
  if (contains(given, "/system_override")) return strip_right(without_all(own, "/system_override"));
  const bool thinks = smollm3_thinks(messages);
  if (own.empty()) own = std::string(kSmolLm3) + (thinks ? kSmolLm3Thinks : "");
  return std::string("## Metadata\n\nKnowledge Cutoff Date: June 2025\nReasoning Mode: ") +
         (thinks ? "/think" : "/no_think") + "\n\n## Custom Instructions\n\n" + own + "\n\n";
}

// ---- Alpaca ----

constexpr const char* kAlpaca =
    "Below is an instruction that describes a task. Write a response that appropriately completes "
    "the request.";
constexpr const char* kAlpacaWithInput =
    "Below is an instruction that describes a task, paired with an input that provides further "
    "context. Write a response that appropriately completes the request.";

}  // namespace

std::vector<Message> rewrite_qwen3(std::vector<Message> messages) {
  const size_t question = last_question(messages);
  for (size_t i = 0; i < messages.size(); ++i) {
    if (messages[i].role != "assistant") continue;
    const Answer answer = split_reasoning(messages[i].content);
    messages[i].content = answer.content;
    if (i > question && (i + 1 == messages.size() || !answer.reasoning.empty()))
      messages[i].content =
          "<think>\n" + answer.reasoning + "\n</think>\n\n" + strip_newlines_left(answer.content);
  }
  return messages;
}

std::string lead_qwen3_nothink(const std::vector<Message>&) {
  return kEmptyThought;
}

std::vector<Message> rewrite_smollm3(std::vector<Message> messages) {
  const std::string lead = lead_smollm3(messages), system = smollm3_system(messages);
  for (Message& m : messages)
    if (m.role == "assistant") m.content = lead + strip_newlines_left(m.content);
  if (messages[0].role != "system") messages.insert(messages.begin(), {"system", ""});
  messages[0].content = system;
  return messages;
}

std::string lead_smollm3(const std::vector<Message>& messages) {
  return smollm3_thinks(messages) ? "" : kSmolLm3Lead;
}

std::vector<Message> rewrite_alpaca(std::vector<Message> messages) {
  const char* preamble = messages[0].input.empty() ? kAlpaca : kAlpacaWithInput;
  if (messages[0].role != "system") messages.insert(messages.begin(), {"system", preamble});
  return messages;
}

}  // namespace tptt
