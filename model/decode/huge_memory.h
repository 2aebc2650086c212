#pragma once
// Memory on huge pages. A decoding step reads megabytes of weights and of
// states once each, in order: on 4 KiB pages, and the more so in a virtual
// machine, it waits for address translation beside memory. Systems rarely give
// huge pages unasked.
//
// Large requests get a mapping of their own; middling ones share slabs, so that
// many small states share huge pages too; small ones come from malloc. The memory
// of what is freed goes back to the system; the addresses of slabs are kept.
// Thread-safe.

#include <cstdint>

namespace strata {

// At least `bytes` bytes, 64-byte aligned, uninitialised; null when they cannot
// be had.
void* AllocateHuge(int64_t bytes);
// REQUIRES: `bytes` as given to AllocateHuge.
void FreeHuge(void* p, int64_t bytes);

}  // namespace strata
