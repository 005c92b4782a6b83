#include "data/tasks/task_rows.h"
#include "models/formats/error.h"

namespace tptt {

Doc read_piqa(const Json& row, const std::string& where, Protocol) {
  const bool own = row.contains("goal");
  Doc doc{where,
          {"Question: " + json_string(row, own ? "goal" : "question", where) + "\nAnswer:"},
          {},
          {}};
  if (!own) {
    read_choices(row, where, doc);
    return doc;
  }
  doc.choices = {json_string(row, "sol1", where), json_string(row, "sol2", where)};
  const int64_t label = json_int(row, "label", where);
  if (label != 0 && label != 1)
    throw Error(where + ": \"label\" is " + std::to_string(label) + "; expected 0 or 1");
  doc.right = {label};
  return doc;
}

}  // namespace tptt
