#include "data/tasks/task_rows.h"
#include "data/utf8.h"
#include "models/formats/error.h"

namespace tptt {

// The options stand in the blank, and what follows it is scored after each.
Doc read_winogrande(const Json& row, const std::string& where, Protocol) {
  const std::string sentence = json_string(row, "sentence", where);
  const size_t blank = sentence.find('_');
  if (blank == std::string::npos) throw Error(where + ": expected a '_' in \"sentence\"");
  const std::string rest = strip(sentence.substr(blank + 1));
  Doc doc{where, {}, {}, {}};
  for (const char* option : {"option1", "option2"}) {
    doc.contexts.push_back(sentence.substr(0, blank) + json_string(row, option, where));
    doc.choices.push_back(rest);
  }
  const std::string answer = json_string(row, "answer", where);
  if (answer != "1" && answer != "2")
    throw Error(where + ": \"answer\" is \"" + answer + "\"; expected \"1\" or \"2\"");
  doc.right = {answer == "1" ? 0 : 1};
  return doc;
}

}  // namespace tptt
