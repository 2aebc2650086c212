#include "model/train/label_score.h"

#include <cstddef>
#include <numeric>

namespace strata {

void LabelScore::Add(int64_t truth, int64_t guess) {
  ++truth_[truth];
  ++guessed_[guess];
  if (truth == guess) ++right_[truth];
}

double LabelScore::Accuracy() const {
  const auto sum = [](const std::vector<int64_t>& counts) {
    return std::accumulate(counts.begin(), counts.end(), int64_t{0});
  };
  const int64_t all = sum(truth_);
  if (all == 0) return 0;
  return static_cast<double>(sum(right_)) / static_cast<double>(all);
}

double LabelScore::MacroF1() const {
  double total = 0;
  int64_t seen = 0;
  for (size_t c = 0; c < truth_.size(); ++c) {
    const int64_t both = truth_[c] + guessed_[c];
    if (both == 0) continue;
    ++seen;
    total += 2.0 * static_cast<double>(right_[c]) / static_cast<double>(both);
  }
  return seen == 0 ? 0 : total / static_cast<double>(seen);
}

}  // namespace strata
