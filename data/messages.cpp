#include "data/conversation.h"
#include "data/formats.h"

namespace tptt {
namespace {

std::string same_role(const std::string& name) {
  return name == "system" || name == "user" || name == "assistant" ? name : "";
}

}  // namespace

Row read_messages_row(const Json& row, const std::string& where) {
  return read_conversation(row, where,
                           {"messages", "role", "content", same_role, "system, user or assistant"});
}

}  // namespace tptt
