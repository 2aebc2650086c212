#include "model/sampling.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "model/base/random.h"
#include "model/base/status_macros.h"

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

absl::Status CheckLogits(absl::Span<const float> logits) {
  if (logits.size() < kVocab) {
    return absl::InternalError(absl::StrCat("a row of ", logits.size(),
                                            " logits; must have at least ", kVocab));
  }
  bool finite = false;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (std::isnan(logits[i]) || logits[i] == HUGE_VALF) {
      return absl::InternalError(
          absl::StrCat("logit of item ", i, " is ", logits[i]));
    }
    finite = finite || std::isfinite(logits[i]);
  }
  if (!finite) return absl::InternalError("every logit is -inf");
  return absl::OkStatus();
}

// Positive logits are divided and negative ones multiplied, so that a penalty
// above 1 always makes an item less likely.
void Penalise(absl::Span<const Item> recent, const SamplingParams& params,
              std::vector<double>* logits) {
  if (params.repetition_penalty == 1.0) return;
  const size_t window = static_cast<size_t>(params.repetition_window);
  if (recent.size() > window) recent.remove_prefix(recent.size() - window);
  const auto vocab = static_cast<Item>(logits->size());
  std::vector<Item> once(recent.begin(), recent.end());
  std::sort(once.begin(), once.end());
  once.erase(std::unique(once.begin(), once.end()), once.end());
  for (const Item item : once) {
    if (item < 0 || item >= vocab) continue;
    double& logit = (*logits)[item];
    logit = logit > 0 ? logit / params.repetition_penalty
                      : logit * params.repetition_penalty;
  }
}

bool IsLikelier(const Candidate& a, const Candidate& b) {
  return a.weight > b.weight || (a.weight == b.weight && a.item < b.item);
}

// What may be drawn, in order of the items.
void FillCandidates(const std::vector<double>& logits, bool ignore_eos,
                    std::vector<Candidate>* out) {
  out->clear();
  for (size_t i = 0; i < logits.size(); ++i) {
    const auto item = static_cast<Item>(i);
    const bool allowed = IsText(item) || (item == kEos && !ignore_eos);
    if (allowed && logits[i] > kMinusInf) out->push_back({item, logits[i]});
  }
}

// The likeliest top_k of them (0: all), the likeliest first. Only what cuts off a
// tail needs an order; a plain draw goes through the items as they are.
void SortAndKeepTopK(int top_k, std::vector<Candidate>* candidates) {
  const size_t keep = top_k > 0 ? std::min<size_t>(top_k, candidates->size())
                                : candidates->size();
  std::partial_sort(candidates->begin(), candidates->begin() + keep,
                    candidates->end(), IsLikelier);
  candidates->resize(keep);
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

Item Choose(const SamplingParams& params, int64_t position,
            std::vector<Candidate>* chosen_from) {
  std::vector<Candidate>& candidates = *chosen_from;
  const Candidate likeliest =
      *std::min_element(candidates.begin(), candidates.end(), IsLikelier);
  if (params.temperature == 0.0) return likeliest.item;
  const bool cut = params.top_k > 0 || params.top_p < 1 || params.min_p > 0;
  if (cut) SortAndKeepTopK(params.top_k, &candidates);
  const double top = likeliest.weight;
  for (Candidate& candidate : candidates) {
    // Dividing the difference keeps tiny temperatures finite: the top is
    // exp(0) and the rest underflow to 0.
    candidate.weight = std::exp((candidate.weight - top) / params.temperature);
  }
  KeepTopP(params.top_p, &candidates);
  if (cut) KeepMinP(params.min_p, &candidates);
  return Draw(candidates, RandomUniform(params.seed, kSamplingStream,
                                        static_cast<uint64_t>(position)));
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
  STRATA_RETURN_IF_ERROR(CheckLogits(logits));
  // Kept from step to step: with a tokeniser they are long.
  thread_local std::vector<double> adjusted;
  thread_local std::vector<Candidate> candidates;
  adjusted.assign(logits.begin(), logits.end());
  Penalise(recent, params, &adjusted);
  FillCandidates(adjusted, params.ignore_eos, &candidates);
  if (candidates.empty()) {
    return absl::InternalError("every item that may be drawn has logit -inf");
  }
  const Item item = Choose(params, position, &candidates);
  if (log_prob != nullptr) {
    *log_prob = static_cast<float>(LogProb(logits, item));
  }
  return item;
}

double LogProb(absl::Span<const float> logits, Item item) {
  const double top = *std::max_element(logits.begin(), logits.end());
  if (top == kMinusInf) return kMinusInf;
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - top);
  return logits[item] - top - std::log(sum);
}

}  // namespace strata
