#include "model/train/neighbour_tuning.h"

#include <algorithm>
#include <cmath>

namespace strata {
namespace {

constexpr int kWeights = 20;  // 0, 0.05, .. 0.95
constexpr double kWeightStep = 0.05;

double Mixed(double log_p, double share, double weight) {
  if (weight == 0) return log_p;
  return std::log((1 - weight) * std::exp(log_p) + weight * share);
}

// 1, 4, 16, .. and the most.
std::vector<int> Counts(int max_k) {
  std::vector<int> counts;
  for (int k = 1; k < max_k; k *= 4) counts.push_back(k);
  counts.push_back(max_k);
  return counts;
}

}  // namespace

double NeighbourTuning::Bits::bits_per_byte() const {
  return bytes > 0 ? text_nats / static_cast<double>(bytes) / std::log(2.0) : 0;
}

double NeighbourTuning::Bits::loss() const {
  return items > 0 ? nats / static_cast<double>(items) : 0;
}

void NeighbourTuning::Add(absl::Span<const Neighbour> nearest, Item next,
                          double log_p, int64_t bytes) {
  const auto begin = static_cast<int64_t>(near_.size());
  for (const Neighbour& n : nearest) near_.push_back({n.distance, n.next == next});
  cases_.push_back({log_p, bytes, begin, static_cast<int64_t>(near_.size())});
}

double NeighbourTuning::Share(const Case& c, int k, double temperature) const {
  double hits = 0, total = 0;
  const int64_t end = std::min(c.end, c.begin + k);
  for (int64_t i = c.begin; i < end; ++i) {
    const double share =
        std::exp((double{near_[c.begin].distance} - near_[i].distance) / temperature);
    total += share;
    if (near_[i].hit) hits += share;
  }
  return total > 0 ? hits / total : 0;
}

double NeighbourTuning::MeanDistance() const {
  double sum = 0;
  int64_t count = 0;
  for (const Case& c : cases_) {
    if (c.begin == c.end) continue;
    sum += near_[c.end - 1].distance;
    ++count;
  }
  return count > 0 ? sum / static_cast<double>(count) : 0;
}

NeighbourTuning::Bits NeighbourTuning::Sum(const NeighbourParams& params) const {
  Bits sum;
  for (const Case& c : cases_) {
    const double share =
        params.weight == 0 ? 0 : Share(c, params.k, params.temperature);
    sum.Add(-Mixed(c.log_p, share, params.weight), c.bytes);
  }
  return sum;
}

NeighbourParams NeighbourTuning::Best(int max_k) const {
  const double scale = std::clamp(MeanDistance(), 1e-4, 1e8);
  NeighbourParams best{0, std::min(max_k, 16), scale};
  double least = Sum(best).text_nats;
  for (const int k : Counts(max_k)) {
    for (double part = 1.0 / 64; part <= 4; part *= 2) {
      double nats[kWeights] = {};
      for (const Case& c : cases_) {
        if (c.bytes == 0) continue;
        const double share = Share(c, k, scale * part);
        for (int w = 1; w < kWeights; ++w) {
          nats[w] -= Mixed(c.log_p, share, w * kWeightStep);
        }
      }
      for (int w = 1; w < kWeights; ++w) {
        if (!(nats[w] < least)) continue;
        least = nats[w];
        best = {w * kWeightStep, k, scale * part};
      }
    }
  }
  return best;
}

}  // namespace strata
