#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace tptt {

/// Size and 64-bit FNV-1a hash of a file's bytes.
struct FileSum {
  uint64_t size = 0;
  uint64_t fnv1a64 = 0;
};

/// Throws Error when the path is no regular file or cannot be read.
FileSum sum_file(const std::filesystem::path& path);

/// 16 lower-case hexadecimal digits.
std::string to_hex(uint64_t value);

}  // namespace tptt
