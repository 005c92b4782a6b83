#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "models/formats/gguf_names.h"
#include "models/formats/tensor_file.h"

namespace tptt {

/// All tensors of a model by Hugging Face name, whatever files they lie in.
struct WeightIndex {
  struct Entry {
    int file = 0;  // index into files
    TensorInfo info;
    GgufChange change = GgufChange::none;  // what a GGUF file did to the values
    int64_t permuted_heads = 0;            // of permuted_q and permuted_k
  };
  std::vector<ReadFile> files;
  std::map<std::string, Entry> entries;
};

/// Whether a file's name is that of pickled weights, which are never read; what to do instead.
bool is_pickle(const std::filesystem::path& path);
std::string pickle_advice();

/// From a directory with model.safetensors or model.safetensors.index.json (whose file names must
/// be plain names inside the directory). Throws Error; .bin and .pt files are refused by name.
WeightIndex index_safetensors_dir(const std::string& dir);

/// From a GGUF file; GGUF names become Hugging Face names for the file's architecture. Throws
/// Error.
WeightIndex index_gguf(const std::string& path);

}  // namespace tptt
