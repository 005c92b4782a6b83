#include "data/tasks/split_files.h"

#include <algorithm>
#include <filesystem>
#include <optional>

#include "models/formats/error.h"

namespace tptt {
namespace {

namespace fs = std::filesystem;

constexpr const char* kExtensions[] = {".csv", ".jsonl", ".json", ".parquet"};
constexpr std::pair<const char*, const char*> kSplits[] = {
    {"train", "train"},      {"dev", "dev"},        {"validation", "validation"},
    {"valid", "validation"}, {"val", "validation"}, {"test", "test"}};

std::string split_named(const std::string& name) {
  for (const auto& [spelled, split] : kSplits)
    if (name == spelled) return split;
  return "";
}

// "test-00000-of-00001" is "test".
std::string without_shard(const std::string& stem) {
  const size_t of = stem.rfind("-of-");
  if (of == std::string::npos) return stem;
  const size_t number = stem.rfind('-', of - 1);
  return number == std::string::npos ? stem : stem.substr(0, number);
}

// What a file's name and the folder it lies in ("": none) say.
std::optional<SplitFile> describe(const fs::path& path, const std::string& folder) {
  const std::string stem = without_shard(path.stem().string());
  if (const std::string split = split_named(stem); !split.empty())
    return SplitFile{path.string(), split_named(folder).empty() ? folder : "", split};
  const size_t end = stem.find_last_of("_-");
  const std::string last = end == std::string::npos ? "" : split_named(stem.substr(end + 1));
  if (!last.empty()) return SplitFile{path.string(), stem.substr(0, end), last};
  if (const std::string split = split_named(folder); !split.empty())
    return SplitFile{path.string(), stem, split};
  return std::nullopt;
}

bool is_data(const fs::path& path) {
  return std::find(std::begin(kExtensions), std::end(kExtensions), path.extension().string()) !=
         std::end(kExtensions);
}

void look_into(const fs::path& directory, const std::string& folder, int depth,
               std::vector<SplitFile>& found) {
  std::error_code error;
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    if (it->is_directory()) {
      // In the Hub's repositories the files lie in CONFIG or in "data".
      const std::string name = it->path().filename().string();
      if (depth > 0) look_into(it->path(), name == "data" ? folder : name, depth - 1, found);
    } else if (is_data(it->path())) {
      if (auto file = describe(it->path(), folder)) found.push_back(std::move(*file));
    }
  }
  if (error) throw Error(directory.string() + ": " + error.message());
}

}  // namespace

std::string whole_file(const std::string& path) {
  const fs::path file(path);
  const std::string stem = file.stem().string(), whole = without_shard(stem);
  const std::string name = whole == stem ? stem : whole + "-*";
  return (file.parent_path() / name).string() + file.extension().string();
}

std::vector<SplitFile> find_split_files(const std::string& directory) {
  std::vector<SplitFile> found;
  look_into(directory, "", 2, found);
  std::sort(found.begin(), found.end(),
            [](const SplitFile& a, const SplitFile& b) { return a.path < b.path; });
  return found;
}

}  // namespace tptt
