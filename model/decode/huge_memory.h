#pragma once
// Memory on huge pages. A decoding step reads megabytes of weights and of
// states once each, in order: on 4 KiB pages, and the more so in a virtual
// machine, it waits for address translation beside memory. Systems rarely give
// huge pages unasked.
//
// Large requests get a mapping of their own; middling ones share slabs, so that
// many small states share huge pages too; small ones come from malloc. Of the memory
// of slabs that is freed the system gets back all but about kMostKept, since who takes it
// anew would wait while it is cleared: in a virtual machine up to 3 ms for 2 MB. For the
// same reason what has been used is taken again before what is new. The addresses of slabs
// are kept. Thread-safe.

#include <cstdint>

namespace strata {

inline constexpr int64_t kMostKept = int64_t{256} << 20;  // bytes, of the process

// At least `bytes` bytes, 64-byte aligned, uninitialised; null when they cannot
// be had.
void* AllocateHuge(int64_t bytes);
// REQUIRES: `bytes` as given to AllocateHuge.
void FreeHuge(void* p, int64_t bytes);

}  // namespace strata
