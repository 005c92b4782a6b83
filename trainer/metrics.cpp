#include "trainer/metrics.h"

#include <filesystem>

#include "models/formats/atomic_file.h"
#include "models/formats/error.h"

namespace tptt {

Metrics::Metrics(const std::string& path, int64_t resumed_step) : path_(path) {
  std::string kept;
  if (std::filesystem::exists(path)) {
    std::ifstream in(path);
    for (std::string line; std::getline(in, line);) {
      const Json row = Json::parse(line, nullptr, false);  // a crash may leave half a line
      if (!row.is_discarded() && row.contains("step") && row["step"].is_number_integer() &&
          row["step"].get<int64_t>() <= resumed_step)
        kept += line + "\n";
    }
  }
  write_file_atomic(path, kept);
  out_.open(path, std::ios::app);
}

void Metrics::write(const Json& row) {
  out_ << row.dump() << std::endl;
  if (!out_) throw Error(path_ + ": cannot write; is the disk full?");
}

}  // namespace tptt
