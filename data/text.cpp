#include "data/formats.h"

namespace tptt {

Row read_text_row(const Json& row, const std::string& where) {
  return {.completion = required_text(row, "text", where), .where = where, .is_document = true};
}

}  // namespace tptt
