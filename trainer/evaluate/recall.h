#pragma once

#include <string>

#include "models/formats/json.h"

namespace tptt {

/// The results of `tptt recall` as one page with its plots, readable without network.
std::string recall_page(const Json& results);

}  // namespace tptt
