#include "data/file_kinds.h"
#include "models/formats/error.h"

namespace tptt {

void each_parquet_row(const std::string& path, const TakeRow&) {
  throw Error(path +
              ": this tptt was built without Parquet; run scripts/setup.sh (it installs Arrow with "
              "pyarrow), build with cmake -DTPTT_PARQUET=ON, or convert the file to JSONL");
}

}  // namespace tptt
