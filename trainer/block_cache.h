#pragma once

#include <algorithm>
#include <cstddef>

namespace tptt {

/// Makes LibTorch's CPU tensors of 256 kB and more reuse whole blocks of nearly their size. A
/// general heap either cuts freed blocks up, so that a step's peak takes a quarter more, or gives
/// them back and clears fresh pages in every step. What is in use and what waits never exceed the
/// most that was in use at once by more than slack_bytes() of it. A tensor for which there is no
/// memory is an Error that says how much was asked. To be called before the first tensor.
void install_block_cache();

/// A quarter of the peak, 64 MB at most: steps of many lengths need blocks of many sizes.
constexpr size_t slack_bytes(size_t peak) {
  return std::min(peak / 4, size_t(64) << 20);
}

/// What to do when memory is short.
constexpr const char* kOutOfMemoryAdvice =
    "lower the batch size or the length (per_device_train_batch_size, max_length), or set "
    "training.gradient_checkpointing: true";

/// Bytes of large blocks in use, waiting to be used again, and most in use at once so far.
struct BlockCacheUse {
  size_t in_use = 0, waiting = 0, peak = 0;
};
BlockCacheUse block_cache_use();

}  // namespace tptt
