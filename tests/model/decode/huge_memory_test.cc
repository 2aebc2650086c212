// Memory that is taken and freed again and again is cleared once. Sanitizers, for which all
// of it is malloc's, have nothing to see here.

#include "model/decode/huge_memory.h"

#include <cstring>
#include <vector>

#include "gtest/gtest.h"

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

namespace strata {
namespace {

constexpr int64_t kBytes = int64_t{4} << 20;

TEST(HugeMemory, WhatIsTakenAgainIsNotClearedAgain) {
  void* const first = AllocateHuge(kBytes);
  std::memset(first, 1, kBytes);
  FreeHuge(first, kBytes);
  for (int64_t freed = 0; freed < 4 * kMostKept; freed += kBytes) {
    char* const again = static_cast<char*>(AllocateHuge(kBytes));
    ASSERT_EQ(again, first);
    ASSERT_EQ(again[kBytes / 2], 1) << "after " << freed;
    FreeHuge(again, kBytes);
  }
}

// The system maps downwards, so what is new lies below what has been used.
TEST(HugeMemory, WhatWasUsedIsTakenBeforeWhatIsNew) {
  std::vector<void*> live;
  while (static_cast<int64_t>(live.size()) * kBytes <= kMostKept / 2) {
    live.push_back(AllocateHuge(kBytes));
    std::memset(live.back(), 2, kBytes);
  }
  FreeHuge(live[0], kBytes);
  void* const again = AllocateHuge(kBytes);
  EXPECT_EQ(again, live[0]);
  live[0] = again;
  for (void* p : live) FreeHuge(p, kBytes);
}

TEST(HugeMemory, MuchThatIsFreeGoesBack) {
  std::vector<void*> live;
  while (static_cast<int64_t>(live.size()) * kBytes < 2 * kMostKept) {
    live.push_back(AllocateHuge(kBytes));
    std::memset(live.back(), 3, kBytes);
  }
  for (void* p : live) FreeHuge(p, kBytes);
  int cleared = 0;
  for (void*& p : live) {
    p = AllocateHuge(kBytes);
    cleared += static_cast<const char*>(p)[kBytes / 2] == 0;
  }
  EXPECT_GE(cleared * kBytes, kMostKept / 2);
  for (void* p : live) FreeHuge(p, kBytes);
}

}  // namespace
}  // namespace strata

#endif
