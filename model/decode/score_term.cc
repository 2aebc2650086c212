#include "model/decode/score_term.h"

#include <algorithm>

#include "model/decode/adaptive_span.h"
#include "model/decode/distance_factor.h"
#include "model/decode/relative_term.h"
#include "model/position_shape.h"

namespace strata {
namespace {

// A fixed function of the distance, which the scheme computes in double.
template <typename T>
class FixedTerm final : public ScoreTerm<T> {
 public:
  explicit FixedTerm(const LevelConfig& level)
      : heads_(level.heads), bias_(level.position->bias) {}

  void Fill(int head, const T* /*q*/, const Distances& distances, T* /*scratch*/,
            T* out) const override {
    constexpr int64_t kRun = 256;
    double run[kRun];
    const int64_t longest = distances.step == 1 ? kRun : 1;
    for (int64_t n = 0; n < distances.count; n += longest) {
      const int64_t length = std::min(longest, distances.count - n);
      bias_(head, heads_, distances.at(n), length, run);
      for (int64_t i = 0; i < length; ++i) out[n + i] = static_cast<T>(run[i]);
    }
  }

 private:
  const int heads_;
  void (*const bias_)(int, int, int64_t, int64_t, double*);
};

}  // namespace

template <typename T>
std::unique_ptr<ScoreTerm<T>> MakeScoreTerm(const ModelConfig& config, int level,
                                            Scope scope,
                                            const LayerWeights<T>& layer,
                                            const Kernels<T>& kernels) {
  const LevelConfig& of = config.levels[level];
  if (of.position->bias != nullptr) return std::make_unique<FixedTerm<T>>(of);
  if (of.position->relative != RelativeKeys::kNone) {
    return std::make_unique<RelativeTerm<T>>(of, config.rope_theta, scope, layer,
                                             kernels);
  }
  if (of.position->factor) {
    return std::make_unique<DistanceFactor<T>>(ItemsHeld(config, level), layer);
  }
  if (of.position->adaptive) {
    return std::make_unique<AdaptiveSpan<T>>(of, ItemsHeld(config, level), layer);
  }
  return nullptr;
}

template std::unique_ptr<ScoreTerm<float>> MakeScoreTerm(
    const ModelConfig&, int, Scope, const LayerWeights<float>&,
    const Kernels<float>&);
template std::unique_ptr<ScoreTerm<double>> MakeScoreTerm(
    const ModelConfig&, int, Scope, const LayerWeights<double>&,
    const Kernels<double>&);

}  // namespace strata
