#include "model/decode/adaptive_span.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "model/position_shape.h"

namespace strata {

template <typename T>
AdaptiveSpan<T>::AdaptiveSpan(const LevelConfig& level, int64_t items,
                              const LayerWeights<T>& layer) {
  const SpanShape shape = SpanOf(level);
  for (const T span : layer.position[0]) {
    const double z = std::clamp<double>(span, 0, 1) * static_cast<double>(shape.longest);
    const auto ramp = static_cast<double>(shape.ramp);
    std::vector<T> terms;
    for (int64_t d = 0; d < std::max<int64_t>(items, 1); ++d) {
      const double shown = (z + ramp - static_cast<double>(d)) / ramp;
      if (shown <= 0) break;
      terms.push_back(static_cast<T>(std::log(std::min(shown, 1.0))));
    }
    terms_.push_back(std::move(terms));
  }
}

template <typename T>
void AdaptiveSpan<T>::Fill(int head, const T* /*q*/, const Distances& distances,
                           T* /*scratch*/, T* out) const {
  const std::vector<T>& terms = terms_[head];
  for (int64_t n = 0; n < distances.count; ++n) {
    const auto distance = static_cast<size_t>(std::abs(distances.at(n)));
    out[n] = distance < terms.size() ? terms[distance]
                                     : -std::numeric_limits<T>::infinity();
  }
}

template class AdaptiveSpan<float>;
template class AdaptiveSpan<double>;

}  // namespace strata
