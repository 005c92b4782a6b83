#pragma once
// Include after LibTorch's headers: c10 defines glog-like CHECK and LOG macros, Catch2 wants CHECK.
#ifdef CHECK
#undef CHECK
#endif
#include <catch2/catch.hpp>
