#pragma once

#include <string>

#include "data/dataset.h"
#include "models/formats/json.h"

namespace tptt {

/// What a format calls the parts of a conversation.
struct ConversationKeys {
  const char* list;
  const char* role;
  const char* content;
  std::string (*to_role)(const std::string& name);  // system, user, assistant; else ""
  const char* role_names;                           // for messages
};

/// A row whose list of messages ends with the assistant's. A message's `train` (true, false) or
/// `weight` (1, 0) says whether it trains. Throws Error that names `where`, the message and the
/// key.
Row read_conversation(const Json& row, const std::string& where, const ConversationKeys& keys);

}  // namespace tptt
