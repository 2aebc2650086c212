#include "model/decode/huge_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <new>
#include <utility>
#include <vector>

#include "model/base/mutex.h"
#include "model/decode/free_ranges.h"

namespace strata {
namespace {

constexpr int64_t kLine = 64;
constexpr int64_t kHugePage = int64_t{2} << 20;
constexpr int64_t kSlab = 16 * kHugePage;
constexpr int64_t kLeastShared = int64_t{32} << 10;
constexpr int64_t kMostShared = kSlab / 4;

// Sanitizers can watch malloc's memory only.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kMallocOnly = true;
#else
constexpr bool kMallocOnly = false;
#endif

int64_t RoundUp(int64_t n, int64_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

// A mapping aligned to huge pages; `bytes` is a multiple of kHugePage.
char* Map(int64_t bytes) {
  void* p = mmap(nullptr, bytes + kHugePage, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return nullptr;
  char* base = static_cast<char*>(p);
  const int64_t head =
      RoundUp(reinterpret_cast<uintptr_t>(base), kHugePage) -
      reinterpret_cast<uintptr_t>(base);
  if (head > 0) munmap(base, head);
  if (head < kHugePage) munmap(base + head + bytes, kHugePage - head);
  madvise(base + head, bytes, MADV_HUGEPAGE);  // a wish: may be refused
  return base + head;
}

class SlabPool {
 public:
  void* Allocate(int64_t bytes) STRATA_EXCLUDES(mu_) {
    MutexLock lock(&mu_);
    kept_ = std::max<int64_t>(0, kept_ - bytes);
    // Of the oldest that has room: what was freed there is taken again before memory that
    // nobody had yet, which the system clears when it is touched.
    for (Slab* const slab : by_age_) {
      if (const auto at = slab->second.Take(bytes)) return slab->first + *at;
    }
    char* const base = Map(kSlab);
    if (base == nullptr) return nullptr;
    Slab& slab = *slabs_.try_emplace(base).first;
    by_age_.push_back(&slab);
    slab.second.Give(0, kSlab);
    return base + *slab.second.Take(bytes);
  }

  void Free(char* p, int64_t bytes) STRATA_EXCLUDES(mu_) {
    MutexLock lock(&mu_);
    const auto it = --slabs_.upper_bound(p);
    it->second.Give(p - it->first, bytes);
    kept_ += bytes;
    if (kept_ > kMostKept) Discard();
  }

 private:
  using Slab = std::pair<char* const, FreeRanges>;  // by where it begins

  // Returns to the system the huge pages that are free as a whole.
  void Discard() STRATA_REQUIRES(mu_) {
    for (const auto& [base, free] : slabs_) {
      for (const auto& [begin, count] : free.ranges()) {
        const int64_t first = RoundUp(begin, kHugePage);
        const int64_t last = (begin + count) / kHugePage * kHugePage;
        if (first < last) madvise(base + first, last - first, MADV_DONTNEED);
      }
    }
    kept_ = 0;
  }

  Mutex mu_;
  // Freed since the last time and not taken again: about what is free and still ours.
  int64_t kept_ STRATA_GUARDED_BY(mu_) = 0;
  std::map<char*, FreeRanges> slabs_ STRATA_GUARDED_BY(mu_);
  std::vector<Slab*> by_age_ STRATA_GUARDED_BY(mu_);  // the same
};

SlabPool& Slabs() {
  static auto* pool = new SlabPool();  // outlives every buffer
  return *pool;
}

bool IsSmall(int64_t bytes) { return kMallocOnly || bytes < kLeastShared; }

}  // namespace

void* AllocateHuge(int64_t bytes) {
  if (IsSmall(bytes)) {
    return std::aligned_alloc(kLine, RoundUp(bytes > 0 ? bytes : 1, kLine));
  }
  if (bytes > kMostShared) return Map(RoundUp(bytes, kHugePage));
  try {
    return Slabs().Allocate(RoundUp(bytes, kLine));
  } catch (const std::bad_alloc&) {  // the lists of the pool
    return nullptr;
  }
}

void FreeHuge(void* p, int64_t bytes) {
  if (p == nullptr) return;
  if (IsSmall(bytes)) {
    std::free(p);
  } else if (bytes > kMostShared) {
    munmap(p, RoundUp(bytes, kHugePage));
  } else {
    Slabs().Free(static_cast<char*>(p), RoundUp(bytes, kLine));
  }
}

}  // namespace strata
