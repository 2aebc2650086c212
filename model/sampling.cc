#include "model/sampling.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "model/base/random.h"
#include "model/base/status_macros.h"
#include "model/logit_weights.h"

namespace strata {
namespace {

constexpr double kMinusInf = -std::numeric_limits<double>::infinity();
constexpr uint64_t kSamplingStream = 1;

struct Candidate {
  Item item = 0;
  double weight = 0;  // a logit, later an unnormalised probability
};

// NaN fails every comparison, so it is out of any range.
absl::Status Range(bool ok, absl::string_view field, double value,
                   absl::string_view range) {
  if (ok) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, " is ", value, "; must be in ", range));
}

// Of a row of which something is broken.
absl::Status BrokenLogits(absl::Span<const float> logits) {
  for (size_t i = 0; i < logits.size(); ++i) {
    if (std::isnan(logits[i]) || logits[i] == HUGE_VALF) {
      return absl::InternalError(
          absl::StrCat("logit of item ", i, " is ", logits[i]));
    }
  }
  return absl::InternalError("every logit is -inf");
}

// Positive logits are divided and negative ones multiplied, so that a penalty
// above 1 always makes an item less likely.
void Penalise(absl::Span<const Item> recent, const SamplingParams& params,
              std::vector<float>* logits) {
  if (params.repetition_penalty == 1.0) return;
  const size_t window = static_cast<size_t>(params.repetition_window);
  if (recent.size() > window) recent.remove_prefix(recent.size() - window);
  const auto vocab = static_cast<Item>(logits->size());
  std::vector<Item> once(recent.begin(), recent.end());
  std::sort(once.begin(), once.end());
  once.erase(std::unique(once.begin(), once.end()), once.end());
  for (const Item item : once) {
    if (item < 0 || item >= vocab) continue;
    float& logit = (*logits)[item];
    constexpr double kMost = std::numeric_limits<float>::max();
    const double weighed = logit > 0 ? logit / params.repetition_penalty
                                     : logit * params.repetition_penalty;
    if (logit > kMinusInf) {
      logit = static_cast<float>(std::clamp(weighed, -kMost, kMost));
    }
  }
}

// What may not be drawn. Whether one of it was as likely as `top`.
bool Forbid(bool ignore_eos, float top, std::vector<float>* logits) {
  bool likeliest = false;
  for (Item item = kSos; item < kVocab; ++item) {
    if (item == kEos && !ignore_eos) continue;
    likeliest = likeliest || (*logits)[item] == top;
    (*logits)[item] = -HUGE_VALF;
  }
  return likeliest;
}

bool IsLikelier(const Candidate& a, const Candidate& b) {
  return a.weight > b.weight || (a.weight == b.weight && a.item < b.item);
}

// What may be drawn, the likeliest top_k of them (0: all), the likeliest first.
void FillCandidates(absl::Span<const float> logits, int top_k,
                    std::vector<Candidate>* candidates) {
  candidates->clear();
  for (size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] > kMinusInf) candidates->push_back({static_cast<Item>(i), logits[i]});
  }
  if (top_k > 0 && static_cast<size_t>(top_k) < candidates->size()) {
    std::nth_element(candidates->begin(), candidates->begin() + top_k,
                     candidates->end(), IsLikelier);
    candidates->resize(top_k);
  }
  std::sort(candidates->begin(), candidates->end(), IsLikelier);
}

double Sum(const std::vector<Candidate>& candidates) {
  double sum = 0;
  for (const Candidate& candidate : candidates) sum += candidate.weight;
  return sum;
}

// The shortest likeliest prefix that holds top_p of the mass.
void KeepTopP(double top_p, std::vector<Candidate>* candidates) {
  if (top_p >= 1.0) return;
  const double wanted = top_p * Sum(*candidates);
  double sum = 0;
  size_t keep = 0;
  while (keep < candidates->size() && (keep == 0 || sum < wanted)) {
    sum += (*candidates)[keep++].weight;
  }
  candidates->resize(keep);
}

void KeepMinP(double min_p, std::vector<Candidate>* candidates) {
  const double floor = min_p * candidates->front().weight;
  size_t keep = 1;
  while (keep < candidates->size() && (*candidates)[keep].weight >= floor) {
    ++keep;
  }
  candidates->resize(keep);
}

Item Draw(const std::vector<Candidate>& candidates, double uniform) {
  const double target = uniform * Sum(candidates);
  double sum = 0;
  for (const Candidate& candidate : candidates) {
    sum += candidate.weight;
    if (target < sum) return candidate.item;
  }
  // Rounding left the target at the very end: the last item with any mass.
  size_t last = candidates.size() - 1;
  while (last > 0 && candidates[last].weight <= 0) --last;
  return candidates[last].item;
}

double Uniform(const SamplingParams& params, int64_t position) {
  return RandomUniform(params.seed, kSamplingStream, static_cast<uint64_t>(position));
}

// Only what cuts off a tail needs an order.
Item DrawFromTop(absl::Span<const float> logits, const SamplingParams& params,
                 int64_t position) {
  thread_local std::vector<Candidate> candidates;
  FillCandidates(logits, params.top_k, &candidates);
  const double top = candidates.front().weight;
  for (Candidate& candidate : candidates) {
    candidate.weight = std::exp((candidate.weight - top) / params.temperature);
  }
  KeepTopP(params.top_p, &candidates);
  KeepMinP(params.min_p, &candidates);
  return Draw(candidates, Uniform(params, position));
}

// The items as they are: a part that the target lies beyond is passed at once.
Item DrawFromAll(absl::Span<const float> logits, float top,
                 const SamplingParams& params, int64_t position) {
  thread_local std::vector<float> weights;
  thread_local std::vector<double> sums;
  weights.resize(logits.size());
  sums.resize(WeightParts(logits.size()));
  ExpWeights(logits, top, params.temperature, absl::MakeSpan(weights));
  SumParts(weights, absl::MakeSpan(sums));
  double total = 0;
  for (const double part : sums) total += part;
  const double target = Uniform(params, position) * total;
  size_t part = 0;
  double sum = 0;
  for (; part + 1 < sums.size(); ++part) {
    const double behind = sum + sums[part];
    if (target < behind) break;
    sum = behind;
  }
  for (size_t i = part * kWeightPart; i < weights.size(); ++i) {
    sum += weights[i];
    if (target < sum) return static_cast<Item>(i);
  }
  // Rounding left the target at the very end: the last item with any mass.
  size_t last = weights.size() - 1;
  while (last > 0 && weights[last] <= 0) --last;
  return static_cast<Item>(last);
}

Item Choose(absl::Span<const float> logits, float top, const SamplingParams& params,
            int64_t position) {
  if (params.temperature == 0.0) {
    return static_cast<Item>(std::find(logits.begin(), logits.end(), top) -
                             logits.begin());
  }
  const bool cut = params.top_k > 0 || params.top_p < 1 || params.min_p > 0;
  return cut ? DrawFromTop(logits, params, position)
             : DrawFromAll(logits, top, params, position);
}

}  // namespace

absl::Status ValidateSampling(const SamplingParams& p, int vocab) {
  STRATA_RETURN_IF_ERROR(Range(p.temperature >= 0 && p.temperature <= 100,
                               "temperature", p.temperature, "[0, 100]"));
  STRATA_RETURN_IF_ERROR(Range(p.top_k >= 0 && p.top_k <= vocab, "top_k",
                               p.top_k, absl::StrCat("[0, ", vocab, "]")));
  STRATA_RETURN_IF_ERROR(
      Range(p.top_p > 0 && p.top_p <= 1, "top_p", p.top_p, "(0, 1]"));
  STRATA_RETURN_IF_ERROR(
      Range(p.min_p >= 0 && p.min_p <= 1, "min_p", p.min_p, "[0, 1]"));
  STRATA_RETURN_IF_ERROR(
      Range(p.repetition_penalty > 0 && p.repetition_penalty <= 10,
            "repetition_penalty", p.repetition_penalty, "(0, 10]"));
  return Range(p.repetition_window >= 0 && p.repetition_window <= 4096,
               "repetition_window", p.repetition_window, "[0, 4096]");
}

absl::StatusOr<Item> SampleItem(absl::Span<const float> logits,
                                const SamplingParams& params, int64_t position,
                                absl::Span<const Item> recent,
                                float* log_prob) {
  if (logits.size() < kVocab) {
    return absl::InternalError(absl::StrCat("a row of ", logits.size(),
                                            " logits; must have at least ", kVocab));
  }
  const LogitRange range = RangeOf(logits);
  if (range.broken || range.top == -HUGE_VALF) return BrokenLogits(logits);
  thread_local std::vector<float> adjusted;  // kept: with a tokeniser it is long
  adjusted.assign(logits.begin(), logits.end());
  Penalise(recent, params, &adjusted);
  const bool lost = Forbid(params.ignore_eos, range.top, &adjusted);
  const bool changed = lost || params.repetition_penalty != 1.0;
  const float top = changed ? RangeOf(adjusted).top : range.top;
  if (top == -HUGE_VALF) {
    return absl::InternalError("every item that may be drawn has logit -inf");
  }
  const Item item = Choose(adjusted, top, params, position);
  if (log_prob != nullptr) {
    *log_prob = static_cast<float>(LogProb(logits, item));
  }
  return item;
}

LogNormaliser NormaliserOf(absl::Span<const float> logits) {
  const double top = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - top);
  return {top, std::log(sum)};
}

double LogProb(absl::Span<const float> logits, Item item) {
  const LogNormaliser of = NormaliserOf(logits);
  return of.top == kMinusInf ? kMinusInf : logits[item] - of.top - of.log_sum;
}

}  // namespace strata
