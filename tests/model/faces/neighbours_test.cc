// What neighbours do to logits, against the formula written out.

#include "model/neighbours.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/base/random.h"
#include "model/datastore_spec.h"
#include "model/sampling.h"

namespace strata {
namespace {

using ::testing::HasSubstr;

std::vector<float> RandomLogits(uint64_t seed) {
  std::vector<float> logits(kVocab);
  for (int v = 0; v < kVocab; ++v) {
    logits[v] = static_cast<float>(12 * RandomUniform(seed, 1, v) - 20);
  }
  return logits;
}

// Nearest first, with a few items among them.
std::vector<Neighbour> RandomNearest(uint64_t seed, int n) {
  std::vector<Neighbour> nearest;
  float distance = 300;
  for (int i = 0; i < n; ++i) {
    distance += static_cast<float>(8 * RandomUniform(seed, 2, i));
    nearest.push_back({distance, i, static_cast<Item>(RandomBits(seed, 3, i) % 5 * 40)});
  }
  return nearest;
}

std::vector<double> Softmax(const std::vector<float>& logits) {
  std::vector<double> p(logits.size());
  for (size_t v = 0; v < p.size(); ++v) {
    p[v] = std::exp(LogProb(logits, static_cast<Item>(v)));
  }
  return p;
}

TEST(Neighbours, MixAsTheFormulaSaysAndSumToOne) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const auto plain = RandomLogits(seed);
    const auto nearest = RandomNearest(seed, 1 + static_cast<int>(seed % 20));
    const NeighbourParams params{0.02 * static_cast<double>(seed % 49), 64,
                                 0.5 + static_cast<double>(seed)};
    auto mixed = plain;
    MixNeighbours(nearest, params, absl::MakeSpan(mixed));
    std::map<Item, double> near;
    double total = 0;
    for (const Neighbour& n : nearest) {
      const double share = std::exp(-(n.distance - 300.0) / params.temperature);
      near[n.next] += share;
      total += share;
    }
    const auto model = Softmax(plain);
    const auto got = Softmax(mixed);
    for (int v = 0; v < kVocab; ++v) {
      const double p_near = near.count(v) > 0 ? near[v] / total : 0;
      ASSERT_NEAR(got[v], params.weight * p_near + (1 - params.weight) * model[v], 1e-6);
    }
    // Not only after a softmax: p itself, but for the model's own sum.
    const double log_sum = plain[0] - std::log(model[0]);
    double sum = 0;
    for (const float logit : mixed) sum += std::exp(logit - log_sum);
    EXPECT_NEAR(sum, 1, 1e-5);
  }
}

TEST(Neighbours, WeightZeroOrNoNeighbourChangesNoBit) {
  const auto plain = RandomLogits(7);
  auto logits = plain;
  MixNeighbours(RandomNearest(7, 9), {0, 9, 1}, absl::MakeSpan(logits));
  EXPECT_EQ(logits, plain);
  MixNeighbours({}, {0.5, 9, 1}, absl::MakeSpan(logits));
  EXPECT_EQ(logits, plain);
}

TEST(Neighbours, WhatIsNoNumberIsNotHidden) {
  auto logits = RandomLogits(8);
  logits[17] = std::numeric_limits<float>::quiet_NaN();
  MixNeighbours(RandomNearest(8, 4), {0.5, 4, 1}, absl::MakeSpan(logits));
  EXPECT_FALSE(SampleItem(logits, {}, 1, {}).ok());
}

// Of distances beyond any exponent.
TEST(Neighbours, FarAndNearAreNumbers) {
  auto logits = RandomLogits(9);
  const auto plain = Softmax(logits);
  MixNeighbours(std::vector<Neighbour>{{0, 1, 40}, {3e38f, 2, 80}}, {0.5, 2, 1e-6},
                absl::MakeSpan(logits));
  const auto p = Softmax(logits);
  EXPECT_NEAR(p[40], 0.5 + 0.5 * plain[40], 1e-6);
  EXPECT_NEAR(p[80], 0.5 * plain[80], 1e-6);
}

class FixedNeighbours final : public Neighbours {
 public:
  const NeighbourParams& defaults() const override { return defaults_; }
  int max_k() const override { return 4; }
  int64_t entries() const override { return 4; }
  int64_t bytes() const override { return 0; }
  absl::string_view kind() const override { return "exact"; }
  absl::StatusOr<std::vector<Neighbour>> Find(absl::Span<const float> hidden,
                                              int k) const override {
    return std::vector<Neighbour>(k, {1, 0, static_cast<Item>(hidden[0])});
  }

 private:
  NeighbourParams defaults_;
};

TEST(Neighbours, EveryPlaceIsAskedForItself) {
  auto logits = RandomLogits(10);
  const auto more = RandomLogits(11);
  logits.insert(logits.end(), more.begin(), more.end());
  auto want = logits;
  const NeighbourParams params{0.5, 2, 1};
  ASSERT_TRUE(ConsultNeighbours(FixedNeighbours(), params, {65, 0, 66, 0}, 2,
                                absl::MakeSpan(logits))
                  .ok());
  for (int place = 0; place < 2; ++place) {
    MixNeighbours(std::vector<Neighbour>(2, {1, 0, 65 + place}), params,
                  absl::MakeSpan(want).subspan(place * kVocab, kVocab));
  }
  EXPECT_EQ(logits, want);
}

TEST(Neighbours, ParamsOutOfRangeAreNamed) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto refusal = [](NeighbourParams params) {
    return std::string(ValidateNeighbours(params, 64).message());
  };
  EXPECT_EQ(refusal({0.99, 64, 1}), "");
  EXPECT_EQ(refusal({1, 64, 1}), "weight is 1; must be in [0, 0.99]");
  EXPECT_THAT(refusal({nan, 64, 1}), HasSubstr("weight"));
  EXPECT_EQ(refusal({0, 65, 1}), "k is 65; must be in [1, 64]");
  EXPECT_THAT(refusal({0, 0, 1}), HasSubstr("k is 0"));
  EXPECT_THAT(refusal({0, 1, 0}), HasSubstr("temperature is 0"));
}

TEST(DatastoreSpec, BadOnesAreNamed) {
  const auto refusal = [](DatastoreSpec spec) {
    return std::string(ValidateDatastoreSpec(spec).message());
  };
  EXPECT_EQ(refusal({}), "");
  EXPECT_EQ(refusal({100, 8, "graph"}), "");
  EXPECT_THAT(refusal({-1, 8, "graph"}), HasSubstr("datastore.entries: is -1"));
  EXPECT_THAT(refusal({100, 257, "graph"}), HasSubstr("datastore.neighbours: is 257"));
  EXPECT_THAT(refusal({100, 8, "tree"}), HasSubstr("datastore.index: is \"tree\""));
}

TEST(DatastoreSpec, DataIsOfTheKindThatTheBaseSpeaks) {
  using Kind = TemplateKind;
  EXPECT_TRUE(CheckDatastoreData(Kind::kText, Kind::kText).ok());
  EXPECT_TRUE(CheckDatastoreData(Kind::kChat, Kind::kCompletion).ok());
  EXPECT_FALSE(CheckDatastoreData(Kind::kCompletion, Kind::kChat).ok());
  EXPECT_FALSE(CheckDatastoreData(Kind::kText, Kind::kChat).ok());
  EXPECT_FALSE(CheckDatastoreData(Kind::kChat, Kind::kText).ok());
}

}  // namespace
}  // namespace strata
