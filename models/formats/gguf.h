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

/// The parsed header of a GGUF file, version 2 or 3 (format: ggml docs/gguf.md).
struct GgufHeader {
  std::string path;
  std::map<std::string, GgufValue> metadata;
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
};

/// The tensor that holds RoPE scaling factors; part of the configuration.
inline constexpr const char* kGgufRopeFactors = "rope_freqs.weight";

/// Parses and validates a GGUF header; every count is bounded by the bytes left in the file.
/// Throws Error naming the file and the key or tensor.
GgufHeader read_gguf_header(const ReadFile& file);

}  // namespace tptt
