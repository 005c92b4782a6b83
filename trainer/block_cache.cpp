#include "trainer/block_cache.h"

#include <c10/core/CPUAllocator.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <list>
#include <map>
#include <mutex>
#include <unordered_map>

#include "models/formats/error.h"
#include "trainer/runtime.h"

namespace tptt {
namespace {

constexpr size_t kLarge = 256 << 10, kPage = 64 << 10, kAlignment = 64;

struct Block {
  char* data;
  size_t size;
};

Error out_of_memory(size_t bytes) {
  char text[64];
  std::snprintf(text, sizeof text, "out of memory: asked for %.1f MB at %.2f GB; ",
                double(bytes) / 1e6, rss_gb());
  return Error(text + std::string(kOutOfMemoryAdvice));
}

class BlockCache final : public c10::Allocator {
 public:
  at::DataPtr allocate(size_t bytes) override {
    void* data = bytes < kLarge ? small(bytes) : large((bytes + kPage - 1) / kPage * kPage);
    return {data, data, &release, at::Device(at::kCPU)};
  }

  at::DeleterFnPtr raw_deleter() const override { return &release; }

  void copy_data(void* to, const void* from, size_t count) const override {
    std::memcpy(to, from, count);
  }

  BlockCacheUse use() {
    const std::lock_guard lock(mutex_);
    return use_;
  }

 private:
  static void* small(size_t bytes) {
    if (bytes == 0) return nullptr;
    void* data = std::aligned_alloc(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
    if (!data) throw out_of_memory(bytes);
    return data;
  }

  // A waiting block of the size or up to an eighth more, else a new one. Where that would cost
  // another, which is what steps of many lengths come to, one of up to twice the size.
  void* large(size_t size) {
    const std::lock_guard lock(mutex_);
    auto found = by_size_.lower_bound(size);
    Block block{nullptr, size};
    if (found != by_size_.end() && fits(found->first, size)) {
      found = std::prev(by_size_.upper_bound(found->first));  // the newest is in the caches
      block = *found->second;
      waiting_.erase(found->second);
      by_size_.erase(found);
      use_.waiting -= block.size;
    } else {
      block.data = map(size);
    }
    use_.in_use += block.size;
    use_.peak = std::max(use_.peak, use_.in_use);
    sizes_.emplace(block.data, block.size);
    return block.data;
  }

  bool fits(size_t block, size_t size) const {
    if (block <= size + size / 8) return true;
    return is_full(size) && block <= 2 * size && use_.in_use + block <= use_.peak;
  }

  // Whether a new block of the size is more than may wait.
  bool is_full(size_t size) const {
    return use_.in_use + use_.waiting + size > use_.peak + slack_bytes(use_.peak);
  }

  char* map(size_t size) {
    while (!waiting_.empty() && is_full(size)) give_back_oldest();
    const auto try_map = [&] {
      return mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    };
    void* data = try_map();
    while (data == MAP_FAILED && !waiting_.empty()) {
      give_back_oldest();
      data = try_map();
    }
    if (data == MAP_FAILED) throw out_of_memory(size);
    return static_cast<char*>(data);
  }

  void give_back_oldest() {
    const auto oldest = waiting_.begin();
    const auto [first, last] = by_size_.equal_range(oldest->size);
    by_size_.erase(std::find_if(first, last, [&](const auto& e) { return e.second == oldest; }));
    munmap(oldest->data, oldest->size);
    use_.waiting -= oldest->size;
    waiting_.erase(oldest);
  }

  void put_back(void* data) {
    std::unique_lock lock(mutex_);
    const auto found = sizes_.find(data);
    if (found == sizes_.end()) {
      lock.unlock();
      return std::free(data);
    }
    const Block block{static_cast<char*>(data), found->second};
    sizes_.erase(found);
    use_.in_use -= block.size;
    use_.waiting += block.size;
    by_size_.emplace(block.size, waiting_.insert(waiting_.end(), block));
  }

  static void release(void* data);

  std::mutex mutex_;
  std::list<Block> waiting_;  // oldest first
  std::multimap<size_t, std::list<Block>::iterator> by_size_;
  std::unordered_map<void*, size_t> sizes_;  // of large blocks in use
  BlockCacheUse use_;
};

BlockCache& cache() {
  static BlockCache* forever = new BlockCache;  // tensors may outlive every static object
  return *forever;
}

void BlockCache::release(void* data) {
  cache().put_back(data);
}

}  // namespace

void install_block_cache() {
  c10::SetCPUAllocator(&cache(), /*priority=*/1);
}

BlockCacheUse block_cache_use() {
  return cache().use();
}

}  // namespace tptt
