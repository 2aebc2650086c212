#pragma once
// A device without hardware: every operator on its tensors is the CPU's, but they mix with
// those of the CPU as little as a GPU's do. An operator that gets tensors of both fails,
// numbers aside; who follows a pointer into the device's memory ends with a signal; and
// whoever looks at what the device computed is counted. So code for GPUs runs, and most of
// what it must not do is seen, where there is none: not what it costs, nor what CUDA's own
// kernels refuse, nor who waits for an upload. To LibTorch it is of a kind that it knows of
// and has no kernels for.
//
// To link it is enough: LibTorch then knows the device kFarDevice. Process-wide.

#include <cstdint>

namespace strata::testing {

inline constexpr char kFarDevice[] = "hpu:0";

// How often so far something was brought to the host, for which a GPU would be waited for.
int64_t FarDeviceReads();

}  // namespace strata::testing
