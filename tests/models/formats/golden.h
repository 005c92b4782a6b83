#pragma once

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "models/formats/tensor_file.h"

/// tests/golden/gguf, or that folder of TPTT_GOLDEN_DIR: files that a script has just made.
inline std::string golden_gguf(const std::string& name) {
  const char* made = std::getenv("TPTT_GOLDEN_DIR");
  return (made ? made : TPTT_SOURCE_DIR "/tests/golden") + std::string("/gguf/") + name;
}

/// The tensor of that name. Throws std::out_of_range.
inline const tptt::TensorInfo& named(const std::vector<tptt::TensorInfo>& tensors,
                                     const std::string& name) {
  for (const tptt::TensorInfo& info : tensors)
    if (info.name == name) return info;
  throw std::out_of_range(name);
}
