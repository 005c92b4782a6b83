#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "models/formats/tensor_file.h"

namespace tptt {

/// The parsed header of a safetensors file (format: huggingface/safetensors README).
struct SafetensorsHeader {
  std::vector<TensorInfo> tensors;              // in file order, offsets absolute
  std::map<std::string, std::string> metadata;  // "__metadata__"
};

/// Parses and validates the header: length, JSON, types, shapes against offsets, no overlap, no
/// hole, no tail. Throws Error naming the file and the tensor.
SafetensorsHeader read_safetensors_header(const ReadFile& file);

/// A tensor to write; `data` must hold exactly its bytes, little-endian, row-major.
struct TensorToWrite {
  std::string name;
  FileType type = FileType::F32;
  std::vector<int64_t> shape;
  std::span<const std::byte> data;
};

/// Writes a safetensors file (names sorted, header padded to 8 bytes) to a temporary name beside
/// `path`, fsyncs it and renames it into place. Throws Error.
void write_safetensors(const std::string& path, std::vector<TensorToWrite> tensors,
                       const std::map<std::string, std::string>& metadata = {{"format", "pt"}});

/// The same from `info` (name, type, shape), one tensor in memory at a time: `data` gives the bytes
/// of each, called once in the order of the names.
void write_safetensors(const std::string& path, std::vector<TensorInfo> info,
                       const std::map<std::string, std::string>& metadata,
                       const std::function<std::vector<std::byte>(const TensorInfo&)>& data);

/// Copies every tensor of one file to another under the name that `rename` gives it. Throws Error.
void copy_tensors(const std::string& from, const std::string& to,
                  const std::function<std::string(const std::string&)>& rename);

}  // namespace tptt
