#include "model/decode/weight_panels.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>
#include <vector>

namespace strata {
namespace {

// One panel: columns [0, columns) are rows of the matrix, `in` values each.
template <typename T>
void PackFull(const T* rows, int64_t columns, int64_t in, T* to) {
  for (int64_t i = 0; i < in; ++i) {
    for (int64_t c = 0; c < kPanel; ++c) {
      *to++ = c < columns ? rows[c * in + i] : T(0);
    }
  }
}

void PackBf16(const float* rows, int64_t columns, int64_t in, uint16_t* to) {
  std::vector<uint16_t> row(in);
  const auto& put = SelectKernels<float>().put;
  for (int64_t c = 0; c < columns; ++c) {
    put(rows + c * in, in, CacheType::kBf16, row.data(), 1);
    for (int64_t i = 0; i < in; ++i) {
      to[(i / 2 * kPanel + c) * 2 + i % 2] = row[i];
    }
  }
}

void PackInt8(const float* rows, int64_t columns, int64_t in, uint8_t* to) {
  uint8_t* const behind = to + (in + 3) / 4 * kPanel * 4;
  for (int64_t c = 0; c < columns; ++c) {
    const float* row = rows + c * in;
    float largest = 0;
    for (int64_t i = 0; i < in; ++i) largest = std::max(largest, std::abs(row[i]));
    const float scale = largest / 127;
    int32_t sum = 0;
    for (int64_t i = 0; i < in; ++i) {
      const auto q = static_cast<int8_t>(
          largest > 0 ? std::nearbyint(127.0 / largest * row[i]) : 0);
      to[(i / 4 * kPanel + c) * 4 + i % 4] = static_cast<uint8_t>(q);
      sum += 128 * q;
    }
    std::memcpy(behind + c * 4, &scale, 4);
    std::memcpy(behind + (kPanel + c) * 4, &sum, 4);
  }
}

}  // namespace

int64_t MatrixBytes(WeightType type, int64_t out, int64_t in, int64_t scalar_bytes) {
  switch (type) {
    case WeightType::kFull:
      return out * in * scalar_bytes;
    case WeightType::kBf16:
      return out * in * 2;
    case WeightType::kInt8:
      return out * (in + 8);
  }
  return 0;
}

template <typename T>
void PackPanels(const T* rows, int64_t out, int64_t in, WeightType type, uint8_t* to) {
  const int64_t bytes = PanelBytes(type, in, sizeof(T));
  for (int64_t first = 0; first < out; first += kPanel, to += bytes) {
    const int64_t columns = std::min(kPanel, out - first);
    const T* panel = rows + first * in;
    if (type == WeightType::kFull) {
      PackFull(panel, columns, in, reinterpret_cast<T*>(to));
      continue;
    }
    std::fill_n(to, bytes, uint8_t{0});
    if constexpr (std::is_same_v<T, float>) {
      if (type == WeightType::kBf16) {
        PackBf16(panel, columns, in, reinterpret_cast<uint16_t*>(to));
      } else {
        PackInt8(panel, columns, in, to);
      }
    }
  }
}

template void PackPanels<float>(const float*, int64_t, int64_t, WeightType, uint8_t*);
template void PackPanels<double>(const double*, int64_t, int64_t, WeightType, uint8_t*);

}  // namespace strata
