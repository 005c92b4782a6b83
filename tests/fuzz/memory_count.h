#pragma once

#include <cstddef>

namespace tptt {

/// Counts what is allocated between the two calls and not yet freed; the second tells the most
/// there was at one time. By AddressSanitizer's hooks where it is on, else by operator new.
void begin_memory_count();
size_t end_memory_count();

}  // namespace tptt
