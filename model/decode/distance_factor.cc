#include "model/decode/distance_factor.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace strata {
namespace {

constexpr int64_t kNear = 65536;

}  // namespace

template <typename T>
DistanceFactor<T>::DistanceFactor(int64_t items, const LayerWeights<T>& layer)
    : slope_(layer.position[0]),
      offset_(layer.position[1]),
      near_(std::min(items, kNear)) {
  for (int head = 0; head < static_cast<int>(slope_.size()); ++head) {
    for (int64_t r = 0; r < near_; ++r) factors_.push_back(Factor(head, r));
  }
}

template <typename T>
T DistanceFactor<T>::Factor(int head, int64_t distance) const {
  const double a = slope_[head], b = offset_[head];
  return static_cast<T>(
      (1 + std::exp(b)) /
      (1 + std::exp(b - a * static_cast<double>(distance))));
}

template <typename T>
void DistanceFactor<T>::Fill(int head, const T* /*q*/,
                             const Distances& distances, T* /*scratch*/,
                             T* out) const {
  const T* near = factors_.data() + head * near_;
  for (int64_t n = 0; n < distances.count; ++n) {
    const int64_t distance = std::abs(distances.at(n));
    out[n] = distance < near_ ? near[distance] : Factor(head, distance);
  }
}

template class DistanceFactor<float>;
template class DistanceFactor<double>;

}  // namespace strata
