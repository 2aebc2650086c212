#pragma once
// Counter-based random numbers: a pure function of (seed, stream, position).
// No state to carry, so a result never depends on batch-mates, on workers, or
// on where a snapshot was taken. Philox4x32-10 (Salmon et al., "Parallel random
// numbers: as easy as 1, 2, 3", SC 2011). Thread-safe: pure functions.

#include <cstdint>

namespace strata {

// 64 random bits for a position of a stream.
inline uint64_t RandomBits(uint64_t seed, uint64_t stream, uint64_t position) {
  uint32_t c0 = static_cast<uint32_t>(position);
  uint32_t c1 = static_cast<uint32_t>(position >> 32);
  uint32_t c2 = static_cast<uint32_t>(stream);
  uint32_t c3 = static_cast<uint32_t>(stream >> 32);
  uint32_t k0 = static_cast<uint32_t>(seed);
  uint32_t k1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53} * c0;
    const uint64_t p1 = uint64_t{0xCD9E8D57} * c2;
    c0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
    c1 = static_cast<uint32_t>(p1);
    c2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c3 = static_cast<uint32_t>(p0);
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return (uint64_t{c1} << 32) | c0;
}

// Uniform in [0, 1) with 53 random bits.
inline double RandomUniform(uint64_t seed, uint64_t stream, uint64_t position) {
  return static_cast<double>(RandomBits(seed, stream, position) >> 11) *
         0x1.0p-53;
}

}  // namespace strata
