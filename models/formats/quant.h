#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "models/formats/file_type.h"

namespace tptt {

/// Converts `numel` float32 values, whole blocks, to `type` at `to`, with the gguf package's bits:
/// F16 and BF16 round half to even, Q8_0 half away from zero. Throws Error that begins with
/// `where` for a type that is not written (written: F32, F16, BF16, Q8_0) and for a Q8_0 block
/// with a value that is not finite or beyond 127 * 65504.
void from_float32(FileType type, const float* from, int64_t numel, std::byte* to,
                  const std::string& where);

}  // namespace tptt
