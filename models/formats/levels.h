#pragma once

#include <vector>

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

// clang knows the levels by name from 18 on.
#if defined(__x86_64__) && defined(__GNUC__) && (!defined(__clang__) || __clang_major__ >= 18)
#define TPTT_X86_LEVELS
#endif

// Loops that are written for vectors of a width of their own exist once for each level of
// instructions, chosen when they run.
#ifdef TPTT_X86_LEVELS
#define TPTT_V4 __attribute__((target("arch=x86-64-v4")))
#define TPTT_V3 __attribute__((target("arch=x86-64-v3")))
#else
#define TPTT_V4
#define TPTT_V3
#endif

namespace tptt {

/// AVX-512, AVX2 with FMA, anything.
enum class Level { v4, v3, any };

/// What this machine runs, the fastest first.
inline const std::vector<Level>& levels() {
  static const std::vector<Level> found = [] {
    std::vector<Level> all;
#ifdef TPTT_X86_LEVELS
    if (__builtin_cpu_supports("x86-64-v4")) all.push_back(Level::v4);
    if (__builtin_cpu_supports("x86-64-v3")) all.push_back(Level::v3);
#endif
    all.push_back(Level::any);
    return all;
  }();
  return found;
}

inline bool is_amd() {
#ifdef TPTT_X86_LEVELS
  return __builtin_cpu_is("amd");
#else
  return false;
#endif
}

/// Whether this machine multiplies pairs of bfloat16 (AVX512-BF16) at twice float32's rate: AMD's
/// do, others' units have half the width.
inline bool multiplies_pairs() {
#ifdef TPTT_X86_LEVELS
  static const bool found =
      is_amd() && __builtin_cpu_supports("avx512bf16") && levels().front() == Level::v4;
  return found;
#else
  return false;
#endif
}

/// Whether this machine multiplies tiles of pairs of bfloat16 (AMX), which Linux lets a process use
/// when it asks.
inline bool multiplies_tiles() {
#if defined(TPTT_X86_LEVELS) && defined(__linux__)
  constexpr long kAsk = 0x1023, kTiles = 18;  // ARCH_REQ_XCOMP_PERM, the tiles' state
  static const bool found = __builtin_cpu_supports("amx-bf16") &&
                            __builtin_cpu_supports("avx512bf16") && levels().front() == Level::v4 &&
                            syscall(SYS_arch_prctl, kAsk, kTiles) == 0;
  return found;
#else
  return false;
#endif
}

/// Of three functions, each compiled for its level, the one to call.
template <class F>
F at_level(Level level, F v4, F v3, F any) {
  return level == Level::v4 ? v4 : level == Level::v3 ? v3 : any;
}

}  // namespace tptt
