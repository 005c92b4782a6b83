#pragma once

#include <string>
#include <vector>

namespace tptt {

/// A file of a data set's directory and what its name says it holds.
struct SplitFile {
  std::string path;
  std::string config;  // folder or subject: "ARC-Easy", "virology"; "": the directory's own
  std::string split;   // train, dev, validation or test
};

/// What a file is a shard of: "test-00000-of-00001.parquet" of "test-*.parquet" in its folder;
/// another file is its own.
std::string whole_file(const std::string& path);

/// The files below a directory, two folders deep, by path: SPLIT.jsonl,
/// SPLIT-00000-of-00001.parquet and the same in a folder CONFIG; CONFIG_SPLIT.csv, also in a folder
/// SPLIT; SPLIT/CONFIG.jsonl. Other files are passed over. Throws Error for a directory that cannot
/// be read.
std::vector<SplitFile> find_split_files(const std::string& directory);

}  // namespace tptt
