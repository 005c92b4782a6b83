#pragma once

// A loop in several versions, of which the loader takes the widest that the machine has. Not under
// ASan, which cannot run in the resolvers.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__)
#define TPTT_SIMD __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define TPTT_SIMD
#endif
// For what such a loop calls: compiled anew for each version.
#define TPTT_INLINE inline __attribute__((always_inline))
