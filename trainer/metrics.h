#pragma once

#include <cstdint>
#include <fstream>
#include <string>

#include "models/formats/json.h"

namespace tptt {

/// metrics.jsonl: one object a logged step. On resume, rows after the resumed step are dropped.
class Metrics {
 public:
  Metrics(const std::string& path, int64_t resumed_step);
  void write(const Json& row);

 private:
  std::string path_;
  std::ofstream out_;
};

}  // namespace tptt
