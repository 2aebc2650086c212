#include "model/datastore/key_space.h"

#include <cstring>

namespace strata {
namespace {

uint16_t Rounded(float value) {
  uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof(bits));
  const uint32_t odd = (bits >> 16) & 1;
  return static_cast<uint16_t>((bits + 0x7FFF + odd) >> 16);
}

float Expanded(uint16_t value) {
  const uint32_t bits = uint32_t{value} << 16;
  float out = 0;
  std::memcpy(&out, &bits, sizeof(out));
  return out;
}

}  // namespace

std::vector<uint16_t> StoredKey(absl::Span<const float> key) {
  std::vector<uint16_t> stored(PaddedKey(static_cast<int64_t>(key.size())), 0);
  for (size_t i = 0; i < key.size(); ++i) stored[i] = Rounded(key[i]);
  return stored;
}

// Lanes of their own, which a compiler makes vectors of, whatever their length.
float KeyDistance(const uint16_t* a, const uint16_t* b, int64_t padded) {
  float lanes[kKeyLanes] = {};
  for (int64_t i = 0; i < padded; i += kKeyLanes) {
    for (int64_t j = 0; j < kKeyLanes; ++j) {
      const float d = Expanded(a[i + j]) - Expanded(b[i + j]);
      lanes[j] += d * d;
    }
  }
  for (int64_t half = kKeyLanes / 2; half > 0; half /= 2) {
    for (int64_t j = 0; j < half; ++j) lanes[j] += lanes[j + half];
  }
  return lanes[0];
}

}  // namespace strata
