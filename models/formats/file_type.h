#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace tptt {

/// Element types of tensors in files; the Q ones are ggml blocks.
enum class FileType {
  F64,
  F32,
  F16,
  BF16,
  I64,
  I32,
  I16,
  I8,
  U8,
  BOOL,
  Q8_0,
  Q4_0,
  Q4_1,
  Q5_0,
  Q5_1,
  Q2_K,
  Q3_K,
  Q4_K,
  Q5_K,
  Q6_K
};

/// What a type is. To add one: its line in the table of file_type.cpp.
struct FileTypeInfo {
  FileType type;
  const char* name;  // as the formats write it ("BF16")
  int ggml_id;       // -1: no GGUF tensor has it
  int block;         // elements
  int block_bytes;
  /// Decodes `numel` elements, a multiple of `block`; null for integers.
  void (*to_float32)(const std::byte* from, int64_t numel, float* to);
  /// y[i] = the product of x and the i-th of `count` rows of `numel` elements; of blocks only.
  void (*dot_rows)(const std::byte* rows, int64_t count, const float* x, int64_t numel, float* y);
};

std::span<const FileTypeInfo> file_types();
const FileTypeInfo& info_of(FileType type);
std::string to_string(FileType type);

/// The type of a GGUF tensor by ggml's number for it. Throws Error that begins with `where` and
/// names ggml's type and the known ones.
FileType ggml_type(uint32_t id, const std::string& where);

}  // namespace tptt
