#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "models/formats/tensor_file.h"

namespace tptt {

/// A GGUF metadata value. Integers of all widths become int64 (uint64 above int64's range is
/// refused), floats become double, arrays are homogeneous.
using GgufValue = std::variant<bool, int64_t, double, std::string, std::vector<bool>,
                               std::vector<int64_t>, std::vector<double>, std::vector<std::string>>;

/// How a metadata value is stored (numbers: ggml docs/gguf.md).
enum class GgufType : uint32_t {
  U8,
  I8,
  U16,
  I16,
  U32,
  I32,
  F32,
  Bool,
  String,
  Array,
  U64,
  I64,
  F64
};

/// A metadata value as a file stores it: llama.cpp takes, say, a block_count only as U32.
struct GgufEntry {
  std::string key;
  GgufType type = GgufType::U32;
  GgufType element = GgufType::U32;  // of an Array
  GgufValue value;
};

/// The parsed header of a GGUF file, version 2 or 3 (format: ggml docs/gguf.md).
struct GgufHeader {
  std::string path;
  std::map<std::string, GgufValue> metadata;
  std::vector<GgufEntry> stored;    // each key's types in file order; the values are in metadata
  std::vector<TensorInfo> tensors;  // in file order, offsets absolute, shape outermost first

  bool has(const std::string& key) const { return metadata.count(key) != 0; }
  /// Typed access; Error naming file and key when missing (no fallback given) or of another type.
  int64_t get_int(const std::string& key) const;
  int64_t get_int(const std::string& key, int64_t fallback) const;
  double get_number(const std::string& key) const;
  double get_number(const std::string& key, double fallback) const;
  bool get_bool(const std::string& key, bool fallback) const;
  std::string get_string(const std::string& key) const;
  std::string get_string(const std::string& key, const std::string& fallback) const;
  const std::vector<std::string>& get_strings(const std::string& key) const;
  const std::vector<int64_t>& get_ints(const std::string& key) const;
  const std::vector<double>& get_numbers(const std::string& key) const;
  /// The metadata as the file stores it, for write_gguf.
  std::vector<GgufEntry> entries() const;
};

/// The tensors that hold RoPE scaling factors; part of the configuration.
inline constexpr const char* kGgufRopeFactors = "rope_freqs.weight";
inline constexpr const char* kGgufLongFactors = "rope_factors_long.weight";
inline constexpr const char* kGgufShortFactors = "rope_factors_short.weight";

/// Parses and validates a GGUF header; every count is bounded by the bytes left in the file.
/// Throws Error naming the file and the key or tensor.
GgufHeader read_gguf_header(const ReadFile& file);

}  // namespace tptt
