#include "data/conversation.h"
#include "data/formats.h"

namespace tptt {
namespace {

std::string role_of(const std::string& name) {
  if (name == "system") return name;
  if (name == "human" || name == "user") return "user";
  return name == "gpt" || name == "assistant" ? "assistant" : "";
}

}  // namespace

Row read_sharegpt_row(const Json& row, const std::string& where) {
  return read_conversation(
      row, where,
      {"conversations", "from", "value", role_of, "human, gpt, system (or user, assistant)"});
}

}  // namespace tptt
