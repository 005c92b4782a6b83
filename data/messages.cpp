#include "data/formats.h"
#include "models/formats/error.h"

namespace tptt {

Row read_messages_row(const Json& row, const std::string& where) {
  if (!row.contains("messages") || !row["messages"].is_array() || row["messages"].empty())
    throw Error(where + ": key 'messages' must be a list of {role, content}");
  Row out;
  out.where = where;
  for (const Json& item : row["messages"]) {
    const std::string at = where + ": messages[" + std::to_string(out.messages.size()) + "]";
    Message message{json_string(item, "role", at), json_string(item, "content", at)};
    if (message.role != "system" && message.role != "user" && message.role != "assistant")
      throw Error(at + ": role '" + message.role +
                  "' is not known; expected system, user or assistant");
    if (message.role == "system" && !out.messages.empty())
      throw Error(at + ": a system message must come first");
    out.messages.push_back(std::move(message));
  }
  if (out.messages.back().role != "assistant")
    throw Error(where + ": the last message must be the assistant's, got role '" +
                out.messages.back().role + "'");
  return out;
}

}  // namespace tptt
