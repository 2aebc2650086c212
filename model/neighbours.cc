#include "model/neighbours.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/sampling.h"

namespace strata {
namespace {

absl::Status Range(absl::string_view field, double value, double low, double high) {
  if (value >= low && value <= high) return absl::OkStatus();  // NaN is in none
  return absl::InvalidArgumentError(absl::StrCat(
      field, " is ", value, "; must be in [", low, ", ", high, "]"));
}

}  // namespace

absl::Status ValidateNeighbours(const NeighbourParams& params, int max_k) {
  STRATA_RETURN_IF_ERROR(Range("weight", params.weight, 0, 0.99));
  STRATA_RETURN_IF_ERROR(Range("k", params.k, 1, max_k));
  return Range("temperature", params.temperature, 1e-6, 1e9);
}

void MixNeighbours(absl::Span<const Neighbour> nearest,
                   const NeighbourParams& params, absl::Span<float> logits) {
  if (params.weight == 0 || nearest.empty()) return;
  const LogNormaliser of = NormaliserOf(logits);
  const double log_sum = of.top + of.log_sum;
  // The item and its share; the nearest first, so that a sum has one order.
  std::vector<std::pair<Item, double>> shares;
  double total = 0;
  for (const Neighbour& n : nearest) {
    const double share =
        std::exp((double{nearest[0].distance} - n.distance) / params.temperature);
    total += share;
    const auto known = std::find_if(shares.begin(), shares.end(),
                                    [&](const auto& s) { return s.first == n.next; });
    if (known == shares.end()) {
      shares.emplace_back(n.next, share);
    } else {
      known->second += share;
    }
  }
  const double rest = 1 - params.weight;
  std::vector<double> model;  // of the items that are near
  for (const auto& [item, share] : shares) {
    model.push_back(std::exp(logits[item] - log_sum));
  }
  for (float& logit : logits) {
    logit = static_cast<float>(logit + std::log(rest));
  }
  for (size_t i = 0; i < shares.size(); ++i) {
    const auto& [item, share] = shares[i];
    logits[item] = static_cast<float>(
        log_sum + std::log(rest * model[i] + params.weight * share / total));
  }
}

absl::Status ConsultNeighbours(const Neighbours& neighbours,
                               const NeighbourParams& params,
                               absl::Span<const float> hidden, int64_t dim,
                               absl::Span<float> logits) {
  if (params.weight == 0) return absl::OkStatus();
  const size_t places = hidden.size() / dim;
  const size_t vocab = places == 0 ? 0 : logits.size() / places;
  for (size_t i = 0; i < places; ++i) {
    const absl::Span<const float> at = hidden.subspan(i * dim, dim);
    // Its logits are no numbers either, which their reader will say.
    if (!std::all_of(at.begin(), at.end(), [](float v) { return std::isfinite(v); })) {
      continue;
    }
    STRATA_ASSIGN_OR_RETURN(const std::vector<Neighbour> nearest,
                            neighbours.Find(at, params.k));
    MixNeighbours(nearest, params, logits.subspan(i * vocab, vocab));
  }
  return absl::OkStatus();
}

}  // namespace strata
