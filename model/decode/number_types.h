#pragma once
// In which types the CPU executor keeps what it keeps many of. It computes in its own
// scalar (float; double in tests) whatever they are. Included by the kernels: see
// kernels.h for what may enter here.

#include <cstdint>

namespace strata {

// Of keys and values.
enum class CacheType : uint8_t {
  kFull,  // the executor's scalar
  kFp16,  // 11 bits of precision; saturates at 65504
  kBf16,  // 8 bits of precision; the range of float
};

// Of matrices. What is no matrix (norms, embeddings, biases, learned queries) is kFull
// always, and so is a router, which compares.
enum class WeightType : uint8_t {
  kFull,
  kBf16,
  kInt8,  // one scale for each output column
};
inline constexpr int kWeightTypes = 3;

inline constexpr int CacheBytes(CacheType type, int full) {
  return type == CacheType::kFull ? full : 2;
}

}  // namespace strata
