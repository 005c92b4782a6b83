#include "data/formats.h"
#include "models/formats/error.h"

namespace tptt {
namespace {

Message read_message(const Json& item, const std::string& where, bool first) {
  if (!item.is_object())
    throw Error(where + ": expected an object {role, content}, got " + item.type_name());
  Message message;
  message.role = json_string(item, "role", where);
  if (message.role != "system" && message.role != "user" && message.role != "assistant")
    throw Error(where + ": key 'role' is " + json_quoted(message.role) +
                "; expected system, user or assistant");
  if (message.role == "system" && !first)
    throw Error(where + ": key 'role' is 'system'; expected it in the first message only");
  const bool answer = message.role == "assistant";
  message.content =
      answer ? required_text(item, "content", where) : json_string(item, "content", where);
  return message;
}

}  // namespace

Row read_messages_row(const Json& row, const std::string& where) {
  if (!row.contains("messages")) throw Error(where + ": key 'messages' is missing");
  const Json& items = row["messages"];
  if (!items.is_array() || items.empty())
    throw Error(where + ": key 'messages' must be a list of {role, content}, got " +
                (items.is_array() ? "an empty one" : items.type_name()));
  Row out;
  out.where = where;
  for (const Json& item : items) {
    const size_t index = out.messages.size();
    const std::string at = where + ": messages[" + std::to_string(index) + "]";
    out.messages.push_back(read_message(item, at, index == 0));
  }
  if (out.messages.back().role != "assistant")
    throw Error(where + ": the last of 'messages' must have role 'assistant', got '" +
                out.messages.back().role + "'");
  return out;
}

}  // namespace tptt
