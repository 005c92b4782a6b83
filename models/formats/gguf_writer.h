#pragma once

#include <functional>
#include <string>
#include <vector>

#include "models/formats/gguf.h"

namespace tptt {

/// A tensor to write; the shape is outermost first, as in TensorInfo.
struct GgufTensor {
  std::string name;
  FileType type = FileType::F32;
  std::vector<int64_t> shape;
};

/// Gives the bytes of one tensor; called once for each, in order.
using GgufTensorData = std::function<std::vector<std::byte>(const GgufTensor& tensor)>;

/// Writes a GGUF file, version 3 (format: ggml docs/gguf.md), one tensor in memory at a time, to
/// a temporary name beside `path` and renames it into place. Tensors are aligned to the entry
/// general.alignment, or to 32. Throws Error naming the file and the key or tensor: a file that is
/// there already, a value that is not of its entry's type or does not fit it, a key or tensor
/// that is there twice, a name longer than ggml's 63 bytes, a shape or type that GGUF has not.
void write_gguf(const std::string& path, const std::vector<GgufEntry>& metadata,
                const std::vector<GgufTensor>& tensors, const GgufTensorData& data);

}  // namespace tptt
