#include "trainer/block_cache.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include <catch2/catch.hpp>
#include <random>
#include <vector>

using namespace tptt;

namespace {

constexpr int64_t kMegabyte = 1 << 20;

at::Tensor bytes(int64_t count) {
  return at::empty({count}, at::TensorOptions().dtype(at::kByte));
}

}  // namespace

TEST_CASE("a block is used again by a tensor of nearly its size") {
  install_block_cache();
  const void* before = nullptr;
  {
    const at::Tensor x = bytes(9 * kMegabyte);
    before = x.const_data_ptr();
  }
  const at::Tensor smaller = bytes(8 * kMegabyte + kMegabyte / 4);
  CHECK(smaller.const_data_ptr() == before);
  const at::Tensor half = bytes(4 * kMegabyte);
  CHECK(half.const_data_ptr() != before);
}

TEST_CASE("waiting blocks never take more than the most that was in use, and a little") {
  install_block_cache();
  std::mt19937 random(5);
  std::vector<std::pair<at::Tensor, uint8_t>> alive;
  for (int step = 0; step < 2000; ++step) {
    if (alive.size() < 20 && random() % 2) {
      const uint8_t value = uint8_t(random());
      const int64_t size = 1 + int64_t(random() % uint32_t(12 * kMegabyte));
      alive.emplace_back(bytes(size), value);
      alive.back().first.narrow(0, 0, std::min<int64_t>(size, 100)).fill_(value);
      alive.back().first.narrow(0, size - 1, 1).fill_(value);
    } else if (!alive.empty()) {
      const size_t i = random() % alive.size();
      const auto [x, value] = alive[i];
      REQUIRE(x[0].item<uint8_t>() == value);
      REQUIRE(x[-1].item<uint8_t>() == value);
      alive.erase(alive.begin() + int64_t(i));
    }
    const BlockCacheUse use = block_cache_use();
    REQUIRE(use.in_use + use.waiting <= use.peak + slack_bytes(use.peak));
  }
  alive.clear();
}

TEST_CASE("small and empty tensors have memory of their own") {
  install_block_cache();
  const BlockCacheUse before = block_cache_use();
  const at::Tensor none = bytes(0), few = at::full({1000}, 3.0F);
  CHECK(none.numel() == 0);
  CHECK(few.sum().item<float>() == 3000);
  CHECK(block_cache_use().in_use == before.in_use);
}
