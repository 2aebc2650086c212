// The best weight, number and temperature, where it is known what they are.

#include "model/train/neighbour_tuning.h"

#include <cmath>

#include "gtest/gtest.h"
#include "model/base/random.h"
#include "model/sampling.h"

namespace strata {
namespace {

// The model gives `log_p` to every item; of the neighbours the first `right` are right.
NeighbourTuning Cases(double log_p, int right, int neighbours, int64_t bytes = 1) {
  NeighbourTuning tuning;
  for (int i = 0; i < 200; ++i) {
    std::vector<Neighbour> nearest;
    for (int n = 0; n < neighbours; ++n) {
      nearest.push_back({10.0f + static_cast<float>(n), n, n < right ? 'a' : 'b'});
    }
    tuning.Add(nearest, 'a', log_p, bytes);
  }
  return tuning;
}

TEST(NeighbourTuning, WhatIsOfNoUseGetsNoWeight) {
  const NeighbourTuning tuning = Cases(std::log(0.5), 0, 16);
  EXPECT_EQ(tuning.Best(16).weight, 0);
  EXPECT_NEAR(tuning.Sum(tuning.Best(16)).bits_per_byte(), 1, 1e-12);
}

TEST(NeighbourTuning, WhatIsAlwaysRightGetsNearlyAll) {
  const NeighbourTuning tuning = Cases(std::log(0.1), 16, 16);
  const NeighbourParams best = tuning.Best(16);
  EXPECT_NEAR(best.weight, 0.95, 1e-9);
  EXPECT_NEAR(tuning.Sum(best).loss(), -std::log(0.05 * 0.1 + 0.95), 1e-12);
}

TEST(NeighbourTuning, WhereTheNearestAloneIsRightOneIsAskedOrTheNearestDecides) {
  const NeighbourTuning tuning = Cases(std::log(0.1), 1, 64);
  const NeighbourParams best = tuning.Best(64);
  EXPECT_GT(best.weight, 0.9);
  EXPECT_TRUE(best.k == 1 || best.temperature < 1) << best.k << " " << best.temperature;
  EXPECT_LT(tuning.Sum(best).loss(), 0.1);
}

// Nothing on the grid is better than what is called the best, and the sums are what
// mixing the logits comes to.
TEST(NeighbourTuning, SumsAreThoseOfMixedLogits) {
  NeighbourTuning tuning;
  const NeighbourParams params{0.3, 5, 7};
  double nats = 0;
  for (uint64_t i = 0; i < 100; ++i) {
    std::vector<float> logits(kVocab);
    for (int v = 0; v < kVocab; ++v) {
      logits[v] = static_cast<float>(5 * RandomUniform(i, 1, v));
    }
    std::vector<Neighbour> nearest;
    for (int n = 0; n < 9; ++n) {
      nearest.push_back({static_cast<float>(3 * n), n,
                         static_cast<Item>(RandomBits(i, 2, n) % 4)});
    }
    const Item next = static_cast<Item>(RandomBits(i, 3, 0) % 6);
    tuning.Add(nearest, next, LogProb(logits, next), 1);
    MixNeighbours(absl::MakeConstSpan(nearest).first(5), params, absl::MakeSpan(logits));
    nats -= LogProb(logits, next);
  }
  EXPECT_NEAR(tuning.Sum(params).nats, nats, 1e-4);
  const double best = tuning.Sum(tuning.Best(9)).text_nats;
  for (const double weight : {0.0, 0.05, 0.5, 0.95}) {
    for (const int k : {1, 4, 9}) {
      EXPECT_LE(best, tuning.Sum({weight, k, tuning.Best(9).temperature}).text_nats + 1e-9);
    }
  }
}

TEST(NeighbourTuning, BitsAreOfTheTextAndSpecialsCountAsItemsAlone) {
  const auto sum = Cases(std::log(0.25), 0, 1, /*bytes=*/0).Sum({0, 1, 1});
  EXPECT_EQ(sum.items, 200);
  EXPECT_EQ(sum.bytes, 0);
  EXPECT_EQ(sum.bits_per_byte(), 0);
  EXPECT_NEAR(sum.loss(), std::log(4), 1e-12);
  EXPECT_NEAR(Cases(std::log(0.25), 0, 1, /*bytes=*/4).Sum({0, 1, 1}).bits_per_byte(),
              0.5, 1e-12);
}

}  // namespace
}  // namespace strata
