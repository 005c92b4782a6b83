#pragma once

#include <cstddef>
#include <cstdint>

#include "models/formats/file_type.h"

namespace tptt {

/// Converts `numel` elements of `type` at `from` to float32 at `to`; for block types numel is a
/// multiple of the block. Integer types are a programmer error.
void to_float32(FileType type, const std::byte* from, int64_t numel, float* to);

}  // namespace tptt
