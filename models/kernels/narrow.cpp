#include "models/kernels/narrow.h"

#include "models/kernels/simd.h"

namespace tptt {

TPTT_SIMD void to_bfloat16(const float* from, int64_t count, c10::BFloat16* to) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) store(to, i, from[i]);
}

}  // namespace tptt
