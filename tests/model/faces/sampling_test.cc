#include "model/sampling.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "model/logit_weights.h"

namespace strata {
namespace {

using ::testing::HasSubstr;

constexpr float kInf = std::numeric_limits<float>::infinity();

// Logits of -inf but for the given items.
std::vector<float> Only(const std::vector<std::pair<Item, float>>& items) {
  std::vector<float> logits(kVocab, -kInf);
  for (const auto& [item, logit] : items) logits[item] = logit;
  return logits;
}

// A bumpy row without ties, in a shuffled order of sizes.
std::vector<float> Bumpy() {
  std::vector<float> logits(kVocab);
  for (int i = 0; i < kVocab; ++i) {
    logits[i] = 3.0f * std::sin(static_cast<float>(i * i) * 0.37f);
  }
  return logits;
}

Item Draw(const std::vector<float>& logits, const SamplingParams& params,
          int64_t position, const std::vector<Item>& recent = {}) {
  return SampleItem(logits, params, position, recent).value();
}

std::set<Item> DrawMany(const std::vector<float>& logits,
                        const SamplingParams& params, int draws) {
  std::set<Item> seen;
  for (int i = 0; i < draws; ++i) seen.insert(Draw(logits, params, i));
  return seen;
}

// Allowed items of a row, the likeliest first, ties towards the smaller.
std::vector<Item> Ranked(const std::vector<float>& logits) {
  std::vector<Item> items;
  for (Item i = 0; i < 256; ++i) items.push_back(i);
  items.push_back(kEos);
  std::stable_sort(items.begin(), items.end(),
                   [&](Item a, Item b) { return logits[a] > logits[b]; });
  return items;
}

TEST(ExpWeights, AreTheFormulasWithinTheHeadersBound) {
  for (const size_t n : {1, 3, 4, 260, 261}) {
    for (const double temperature : {1e-300, 0.01, 0.7, 1.0, 100.0}) {
      std::vector<float> logits(n), weights(n);
      for (size_t i = 0; i < n; ++i) logits[i] = 40.0f * std::sin(1.0f + i * i);
      if (n > 3) logits[1] = -kInf;
      const LogitRange range = RangeOf(logits);
      EXPECT_FALSE(range.broken);
      EXPECT_EQ(range.top, *std::max_element(logits.begin(), logits.end()));
      ExpWeights(logits, range.top, temperature, absl::MakeSpan(weights));
      for (size_t i = 0; i < n; ++i) {
        const double want = std::exp((double{logits[i]} - range.top) / temperature);
        EXPECT_NEAR(weights[i], want, want * 1e-5 + 1e-37) << n << " " << i;
      }
    }
  }
}

TEST(ExpWeights, EveryPlaceOfARowIsLookedAt) {
  for (size_t n = 1; n < 20; ++n) {
    for (size_t i = 0; i < n; ++i) {
      std::vector<float> logits(n, -3.0f);
      logits[i] = 2;
      EXPECT_EQ(RangeOf(logits).top, 2);
      for (const float broken : {kInf, std::nanf("")}) {
        logits[i] = broken;
        EXPECT_TRUE(RangeOf(logits).broken) << n << " " << i;
      }
    }
  }
}

// Every machine draws the same items, whatever its vectors.
TEST(LogitLoops, GiveTheSameBitsForEveryWidth) {
  const absl::Span<const LogitLoops> loops = LogitLoopsHere();
  for (size_t n = 1; n < 300; ++n) {
    std::vector<float> logits(n);
    for (size_t i = 0; i < n; ++i) logits[i] = 9.0f * std::sin(1.0f + n + i * i);
    if (n > 5) logits[n / 2] = -kInf;
    for (const float divisor : {1.0f, 0.7f}) {
      std::vector<std::vector<float>> weights(loops.size(), std::vector<float>(n));
      std::vector<std::vector<double>> sums(loops.size(),
                                            std::vector<double>(WeightParts(n)));
      for (size_t l = 0; l < loops.size(); ++l) {
        float top = 0;
        bool broken = true;
        loops[l].range(logits.data(), n, &top, &broken);
        EXPECT_FALSE(broken);
        loops[l].weigh(logits.data(), n, top, divisor, weights[l].data());
        loops[l].sum_parts(weights[l].data(), n, sums[l].data());
        EXPECT_EQ(weights[l], weights[0]) << n << " " << l;
        EXPECT_EQ(sums[l], sums[0]) << n << " " << l;
      }
    }
  }
}

TEST(SumParts, TakesEveryWeightOnce) {
  for (const size_t n : {1, 31, 32, 33, 260, 1003}) {
    const std::vector<float> weights(n, 0.25f);
    std::vector<double> sums(WeightParts(n), -1);
    SumParts(weights, absl::MakeSpan(sums));
    for (size_t part = 0; part < sums.size(); ++part) {
      EXPECT_EQ(sums[part], 0.25 * std::min(kWeightPart, n - part * kWeightPart));
    }
  }
}

TEST(LogProb, IsNormalised) {
  const std::vector<float> logits = Bumpy();
  double sum = 0;
  for (Item i = 0; i < kVocab; ++i) sum += std::exp(LogProb(logits, i));
  EXPECT_NEAR(sum, 1.0, 1e-12);
}

TEST(LogProb, IsShiftInvariantAndStable) {
  std::vector<float> logits = Only({{1, 0.0f}, {2, 1.0f}});
  const double before = LogProb(logits, 2);
  EXPECT_NEAR(before, -std::log1p(std::exp(-1.0)), 1e-12);
  logits[1] += 3e7f;
  logits[2] = logits[1] + 2;  // the spacing of floats there
  EXPECT_NEAR(LogProb(logits, 2), -std::log1p(std::exp(-2.0)), 1e-12);
  EXPECT_EQ(LogProb(logits, 3), -kInf);
}

TEST(SampleItem, ReportsTheUnmodifiedProbability) {
  SamplingParams params;
  params.top_k = 2;
  params.temperature = 0.5;
  float log_prob = 0;
  const std::vector<float> logits = Bumpy();
  const Item item = SampleItem(logits, params, 3, {}, &log_prob).value();
  EXPECT_FLOAT_EQ(log_prob, static_cast<float>(LogProb(logits, item)));
}

TEST(SampleItem, ZeroAndTinyTemperaturesAreArgmax) {
  const std::vector<float> logits = Bumpy();
  const Item best = Ranked(logits).front();
  for (const double temperature : {0.0, 1e-300, 1e-30, 1e-6}) {
    SamplingParams params;
    params.temperature = temperature;
    for (int i = 0; i < 50; ++i) EXPECT_EQ(Draw(logits, params, i), best);
  }
}

TEST(SampleItem, TopKKeepsExactlyK) {
  const std::vector<float> logits = Bumpy();
  const std::vector<Item> ranked = Ranked(logits);
  for (const int k : {1, 2, 7}) {
    SamplingParams params;
    params.top_k = k;
    params.temperature = 100;  // nearly uniform, so that all k turn up
    const std::set<Item> seen = DrawMany(logits, params, 400);
    EXPECT_EQ(seen, std::set<Item>(ranked.begin(), ranked.begin() + k));
  }
}

TEST(SampleItem, AllTiesGoToTheSmallerItem) {
  const std::vector<float> logits(kVocab, 1.5f);
  SamplingParams params;
  params.temperature = 0;
  EXPECT_EQ(Draw(logits, params, 0), 0);
  params.temperature = 1;
  params.top_k = 3;
  EXPECT_EQ(DrawMany(logits, params, 200), (std::set<Item>{0, 1, 2}));
  params.top_k = 0;
  params.top_p = 4.0 / 257;
  const std::set<Item> seen = DrawMany(logits, params, 200);
  EXPECT_LE(*seen.rbegin(), 4);  // rounding may let one more in
  EXPECT_GE(seen.size(), 4u);
}

TEST(SampleItem, SpecialsAreNeverDrawn) {
  std::vector<float> logits(kVocab, 0.0f);
  logits[kSos] = logits[kSep] = logits[kPad] = 50.0f;
  SamplingParams params;
  for (const Item item : DrawMany(logits, params, 500)) {
    EXPECT_TRUE(IsByte(item) || item == kEos) << item;
  }
  logits[kEos] = 40.0f;
  EXPECT_EQ(DrawMany(logits, params, 20), std::set<Item>{kEos});
  params.ignore_eos = true;
  EXPECT_EQ(DrawMany(logits, params, 500).count(kEos), 0u);
}

TEST(SampleItem, MinusInfinityIsNeverDrawn) {
  const std::vector<float> logits = Only({{7, -80.0f}, {9, -80.0f}});
  for (const double temperature : {0.0, 0.1, 1.0, 100.0}) {
    SamplingParams params;
    params.temperature = temperature;
    params.top_k = 5;
    for (const Item item : DrawMany(logits, params, 50)) {
      EXPECT_TRUE(item == 7 || item == 9);
    }
  }
}

TEST(SampleItem, BrokenRowsAreErrors) {
  SamplingParams params;
  const auto code = [&](const std::vector<float>& logits) {
    return SampleItem(logits, params, 0, {}).status().code();
  };
  std::vector<float> logits(kVocab, 0.0f);
  logits[kPad] = NAN;
  EXPECT_EQ(code(logits), absl::StatusCode::kInternal);
  logits[kPad] = kInf;
  EXPECT_EQ(code(logits), absl::StatusCode::kInternal);
  EXPECT_EQ(code(std::vector<float>(kVocab, -kInf)), absl::StatusCode::kInternal);
  EXPECT_EQ(code(std::vector<float>(3, 0.0f)), absl::StatusCode::kInternal);
  EXPECT_EQ(code(Only({{kPad, 0.0f}})), absl::StatusCode::kInternal);
  params.ignore_eos = true;
  EXPECT_EQ(code(Only({{kEos, 0.0f}})), absl::StatusCode::kInternal);
}

TEST(SampleItem, DrawsFollowTheDistribution) {
  const std::vector<double> weights = {1, 2, 3, 4, 10, 20, 60};
  std::vector<float> logits(kVocab, -kInf);
  for (size_t i = 0; i < weights.size(); ++i) {
    logits[i * 30] = static_cast<float>(std::log(weights[i]));
  }
  constexpr int kDraws = 20000;
  std::vector<int> counts(kVocab, 0);
  SamplingParams params;
  params.seed = 42;
  for (int i = 0; i < kDraws; ++i) ++counts[Draw(logits, params, i)];
  double chi2 = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    const double expected = kDraws * weights[i] / 100;
    chi2 += std::pow(counts[i * 30] - expected, 2) / expected;
  }
  EXPECT_LT(chi2, 22.46);  // 6 degrees of freedom, p = 0.001
}

TEST(SampleItem, TemperatureSharpensByTheFormula) {
  const std::vector<float> logits = Only({{1, 0.0f}, {2, 1.0f}});
  SamplingParams params;
  params.temperature = 2.0;
  int twos = 0;
  for (int i = 0; i < 20000; ++i) twos += Draw(logits, params, i) == 2 ? 1 : 0;
  const double p = 1 / (1 + std::exp(-0.5));
  EXPECT_NEAR(twos / 20000.0, p, 4 * std::sqrt(p * (1 - p) / 20000));
}

TEST(SampleItem, TopPKeepsTheShortestPrefix) {
  const std::vector<float> logits =
      Only({{3, std::log(0.5f)}, {4, std::log(0.3f)}, {5, std::log(0.2f)}});
  SamplingParams params;
  params.top_p = 0.49;
  EXPECT_EQ(DrawMany(logits, params, 200), (std::set<Item>{3}));
  params.top_p = 0.51;
  EXPECT_EQ(DrawMany(logits, params, 200), (std::set<Item>{3, 4}));
  // Half of four equals is two, not three.
  params.top_p = 0.5;
  EXPECT_EQ(DrawMany(Only({{3, 0}, {4, 0}, {5, 0}, {6, 0}}), params, 200),
            (std::set<Item>{3, 4}));
  params.top_p = 0.81;
  EXPECT_EQ(DrawMany(logits, params, 200), (std::set<Item>{3, 4, 5}));
}

TEST(SampleItem, MinPIsRelativeToTheBest) {
  const std::vector<float> logits =
      Only({{3, std::log(0.5f)}, {4, std::log(0.3f)}, {5, std::log(0.2f)}});
  SamplingParams params;
  params.min_p = 0.5;
  EXPECT_EQ(DrawMany(logits, params, 200), (std::set<Item>{3, 4}));
  params.min_p = 1.0;
  EXPECT_EQ(DrawMany(logits, params, 200), (std::set<Item>{3}));
}

TEST(SampleItem, RepetitionPenaltyLowersBothSigns) {
  SamplingParams params;
  params.temperature = 0;
  params.repetition_penalty = 2.0;
  // Positive: 3 becomes 1.5, below 2. Negative: -1 becomes -2, below -1.5.
  EXPECT_EQ(Draw(Only({{1, 3.0f}, {2, 2.0f}}), params, 0, {1}), 2);
  EXPECT_EQ(Draw(Only({{1, -1.0f}, {2, -1.5f}}), params, 0, {1}), 2);
  // Once, however often the item occurred.
  EXPECT_EQ(Draw(Only({{1, 3.0f}, {2, 1.0f}}), params, 0, {1, 1, 1}), 1);
  // Only the last repetition_window items count.
  params.repetition_window = 2;
  EXPECT_EQ(Draw(Only({{1, 3.0f}, {2, 2.0f}}), params, 0, {1, 9, 9}), 1);
  params.repetition_window = 0;
  EXPECT_EQ(Draw(Only({{1, 3.0f}, {2, 2.0f}}), params, 0, {1}), 1);
}

TEST(SampleItem, NoPenaltyMakesALogitThatIsNoNumber) {
  SamplingParams params;
  params.repetition_penalty = 1e-30;
  const std::vector<float> logits = Only({{'a', 9e8f}, {'b', -9e8f}, {'c', 1}});
  for (const double temperature : {0.0, 0.7}) {
    params.temperature = temperature;
    for (const int top_k : {0, 2}) {
      params.top_k = top_k;
      EXPECT_EQ(Draw(logits, params, 1, {'a', 'b', 'x'}), 'a');
    }
  }
}

TEST(SampleItem, DependsOnSeedAndPositionAlone) {
  const std::vector<float> logits = Bumpy();
  SamplingParams a;
  a.seed = 7;
  SamplingParams b = a;
  b.seed = 8;
  int other_seed = 0;
  int other_position = 0;
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(Draw(logits, a, i), Draw(logits, a, i));
    other_seed += Draw(logits, a, i) != Draw(logits, b, i) ? 1 : 0;
    other_position += Draw(logits, a, i) != Draw(logits, a, i + 1) ? 1 : 0;
  }
  EXPECT_GT(other_seed, 150);
  EXPECT_GT(other_position, 150);
}

TEST(ValidateSampling, NamesFieldValueAndRange) {
  EXPECT_TRUE(ValidateSampling({}).ok());
  const auto message = [](SamplingParams params) {
    const absl::Status status = ValidateSampling(params);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  EXPECT_EQ(message({.top_k = -1}), "top_k is -1; must be in [0, 260]");
  EXPECT_THAT(message({.temperature = -0.1}), HasSubstr("temperature is -0.1"));
  EXPECT_THAT(message({.temperature = NAN}), HasSubstr("temperature is nan"));
  EXPECT_THAT(message({.top_k = 261}), HasSubstr("top_k is 261"));
  EXPECT_THAT(message({.top_p = 0}), HasSubstr("top_p is 0; must be in (0, 1]"));
  EXPECT_THAT(message({.min_p = 1.01}), HasSubstr("min_p is 1.01"));
  EXPECT_THAT(message({.repetition_penalty = 0}),
              HasSubstr("repetition_penalty is 0; must be in (0, 10]"));
  EXPECT_THAT(message({.repetition_window = 4097}),
              HasSubstr("repetition_window is 4097"));
}

TEST(Sampling, PiecesOfATokeniserAreDrawnByTheirProbability) {
  constexpr int kPieces = 700;
  std::vector<float> logits(kVocab + kPieces, -kInf);
  logits['a'] = std::log(0.25f);
  logits[kVocab] = std::log(0.5f);
  logits.back() = std::log(0.25f);
  SamplingParams params;
  std::vector<int> counts(logits.size(), 0);
  for (uint64_t i = 0; i < 4000; ++i) {
    params.seed = i;
    ++counts[SampleItem(logits, params, 3, {}).value()];
  }
  EXPECT_NEAR(counts['a'], 1000, 150);
  EXPECT_NEAR(counts[kVocab], 2000, 150);
  EXPECT_NEAR(counts.back(), 1000, 150);
  params.temperature = 0;
  params.repetition_penalty = 10;  // of ln 0.5, ten times as far
  const std::vector<Item> recent = {kVocab, kVocab};
  EXPECT_EQ(SampleItem(logits, params, 3, recent).value(), 'a');
}

TEST(Sampling, TopKMayBeAsLargeAsTheVocabulary) {
  SamplingParams params;
  params.top_k = 960;
  EXPECT_TRUE(ValidateSampling(params, 960).ok());
  EXPECT_EQ(ValidateSampling(params, 959).message(),
            "top_k is 960; must be in [0, 959]");
}

}  // namespace
}  // namespace strata
