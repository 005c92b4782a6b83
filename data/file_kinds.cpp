#include "data/file_kinds.h"

#include <algorithm>
#include <filesystem>

#include "models/formats/error.h"
#include "models/formats/tensor_file.h"

namespace tptt {
namespace {

const FileKind kKinds[] = {
    {"Parquet",
     [](const std::string& extension, const std::string& head) {
       return extension == ".parquet" || head.starts_with("PAR1");
     },
     each_parquet_row},
    {"CSV", [](const std::string& extension, const std::string&) { return extension == ".csv"; },
     each_csv_row},
    {"text", [](const std::string& extension, const std::string&) { return extension == ".txt"; },
     each_text_row},
    {"JSON", [](const std::string&, const std::string&) { return true; }, each_json_row},
};

struct Packed {
  const char* name;
  std::string magic;
};

const Packed kPacked[] = {{"gzip", "\x1F\x8B"},
                          {"zstd", "\x28\xB5\x2F\xFD"},
                          {"xz", "\xFD\x37zXZ"},
                          {"bzip2", "BZh"},
                          {"zip", "PK\x03\x04"}};

std::string lower_extension(const std::string& path) {
  std::string extension = std::filesystem::path(path).extension().string();
  for (char& c : extension)
    if (c >= 'A' && c <= 'Z') c = char(c - 'A' + 'a');
  return extension;
}

}  // namespace

const FileKind& find_file_kind(const std::string& path) {
  const ReadFile file(path);
  std::string head(std::min<uint64_t>(file.size(), 8), '\0');
  file.read(0, head.data(), head.size());
  for (const Packed& packed : kPacked)
    if (head.starts_with(packed.magic))
      throw Error(path + ": is compressed (" + packed.name + "); unpack it and name the result");
  const std::string extension = lower_extension(path);
  return *std::find_if(std::begin(kKinds), std::end(kKinds),
                       [&](const FileKind& kind) { return kind.fits(extension, head); });
}

}  // namespace tptt
