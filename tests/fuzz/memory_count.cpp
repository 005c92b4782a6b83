#include "tests/fuzz/memory_count.h"

#include <malloc.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#define TPTT_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TPTT_ASAN 1
#endif
#endif

namespace tptt {
namespace {

std::atomic<bool> counting = false;
std::atomic<int64_t> held = 0, most = 0;

void add(int64_t bytes) {
  if (!counting.load(std::memory_order_relaxed)) return;
  const int64_t now = held += bytes;
  int64_t before = most;
  while (now > before && !most.compare_exchange_weak(before, now)) {
  }
}

}  // namespace
}  // namespace tptt

#ifdef TPTT_ASAN
extern "C" {
int __sanitizer_install_malloc_and_free_hooks(void (*)(const volatile void*, size_t),
                                              void (*)(const volatile void*));
size_t __sanitizer_get_allocated_size(const volatile void*);
}

namespace tptt {
namespace {

void on_malloc(const volatile void*, size_t size) {
  add(int64_t(size));
}
void on_free(const volatile void* pointer) {
  if (pointer) add(-int64_t(__sanitizer_get_allocated_size(pointer)));
}
[[maybe_unused]] const int installed =
    __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);

}  // namespace
}  // namespace tptt
#else
void* operator new(size_t size) {
  void* pointer = std::malloc(size);
  if (!pointer) throw std::bad_alloc();
  tptt::add(int64_t(::malloc_usable_size(pointer)));
  return pointer;
}
void operator delete(void* pointer) noexcept {
  if (pointer) tptt::add(-int64_t(::malloc_usable_size(pointer)));
  std::free(pointer);
}
void operator delete(void* pointer, size_t) noexcept {
  operator delete(pointer);
}
#endif

namespace tptt {

void begin_memory_count() {
  held = most = 0;
  counting = true;
}

size_t end_memory_count() {
  counting = false;
  return size_t(most.load());
}

}  // namespace tptt
