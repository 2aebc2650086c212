#include "model/nn/score_term.h"

#include <cmath>
#include <vector>

#include "model/nn/adaptive_span.h"
#include "model/nn/distance_factor.h"
#include "model/nn/relative_term.h"

namespace strata {
namespace {

class FixedTermImpl : public ScoreTermImpl {
 public:
  explicit FixedTermImpl(const LevelConfig& level)
      : heads_(level.heads), bias_(level.position->bias) {}

  torch::Tensor Scores(const torch::Tensor& q, const torch::Tensor& k,
                       const torch::Tensor& distance) override {
    const auto far = distance.max().item<int64_t>();
    const int64_t count = far - distance.min().item<int64_t>() + 1;
    std::vector<double> table(heads_ * count);
    for (int h = 0; h < heads_; ++h) {
      bias_(h, heads_, far, count, table.data() + h * count);
    }
    const auto biases = torch::tensor(table, torch::kDouble)
                            .view({heads_, count})
                            .to(q.options().requires_grad(false));
    const auto shape = distance.dim() == 2 ? distance.unsqueeze(0) : distance;
    // [H, R or 1, Q, N] -> [R or 1, H, Q, N].
    const auto by_pair = biases.index_select(1, (far - shape).flatten())
                             .view({heads_, shape.size(0), shape.size(1),
                                    shape.size(2)})
                             .transpose(0, 1);
    return Products(q, k) + by_pair;
  }

 private:
  const int heads_;
  void (*const bias_)(int, int, int64_t, int64_t, double*);
};

}  // namespace

torch::Tensor ScoreTermImpl::Products(const torch::Tensor& q,
                                      const torch::Tensor& k) {
  const double scale = 1 / std::sqrt(static_cast<double>(q.size(-1)));
  return at::matmul(q * scale, k.transpose(-2, -1));
}

std::shared_ptr<ScoreTermImpl> MakeScoreTermModule(const LevelConfig& level,
                                                   Scope scope, double theta) {
  if (level.position->bias != nullptr) {
    return std::make_shared<FixedTermImpl>(level);
  }
  if (level.position->relative != RelativeKeys::kNone) {
    return std::make_shared<RelativeTermImpl>(level, scope, theta);
  }
  if (level.position->factor) return std::make_shared<DistanceFactorImpl>(level);
  if (level.position->adaptive) return std::make_shared<AdaptiveSpanImpl>(level);
  return nullptr;
}

}  // namespace strata
