#pragma once

#include <c10/util/BFloat16.h>

#include <cstdint>

namespace tptt {

/// Numbers as bfloat16, rounded to nearest, ties to even.
void to_bfloat16(const float* from, int64_t count, c10::BFloat16* to);

}  // namespace tptt
