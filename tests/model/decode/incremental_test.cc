// P4, P5, P6, P9: what the decoder computes step by step is the model of
// model/README.md, whatever the cuts, also long after every ring has wrapped.

#include <algorithm>
#include <cmath>

#include "tests/model/decode/decode_fixture.h"

namespace strata {
namespace {

class ExactTest : public EveryConfig {};

TEST_P(ExactTest, EveryStepEqualsTheFullModelInDouble) {
  Bench<double> bench(GetParam());
  const auto items = RandomItems(131, 3, bench.config.vocab);
  const Rows want = NaiveLogits(bench.config, bench.weights, items);
  auto sequence = bench.New(items.size());
  double scale = 0;
  for (size_t t = 0; t < items.size(); ++t) {
    const auto got = bench.Feed(sequence.get(), items, t, t + 1)[0];
    ASSERT_LE(MaxDifference(got, want[t + 1]), 1e-12) << "after item " << t;
    for (const double v : got) scale = std::max(scale, std::abs(v));
  }
  EXPECT_GT(scale, 5) << "logits too small for the tolerance to mean anything";
}

class IncrementalTest : public EveryConfig {};

TEST_P(IncrementalTest, EveryStepEqualsTheFullModelInFloat) {
  Bench<float> bench(GetParam());
  const auto items = RandomItems(131, 4, bench.config.vocab);
  const Rows want = NaiveLogits(
      bench.config, KeptWeights(bench.weights, GetParam().types.weights), items);
  auto sequence = bench.New(items.size());
  const auto got = bench.FeedSingly(sequence.get(), items, 0, items.size());
  ExpectLogits(GetParam(), bench.model->kernels(), got, want);
}

TEST_P(IncrementalTest, EverySplitOfAPrefillEqualsSteppingBitForBit) {
  Bench<float> bench(GetParam());
  const auto items = RandomItems(67, 5, bench.config.vocab);
  const int64_t n = items.size();
  auto stepped = bench.New(n);
  const auto want = bench.FeedSingly(stepped.get(), items, 0, n);
  for (int64_t k = 1; k <= n; ++k) {
    auto sequence = bench.New(n);
    auto got = bench.Feed(sequence.get(), items, 0, k);
    if (k < n) {
      const auto rest = bench.Feed(sequence.get(), items, k, n);
      got.insert(got.end(), rest.begin(), rest.end());
    }
    ASSERT_EQ(got, want) << "cut at " << k;
  }
}

TEST_P(IncrementalTest, ChunksOfAnySizeEqualSteppingBitForBit) {
  Bench<float> bench(GetParam());
  const auto items = RandomItems(331, 6, bench.config.vocab);
  const int64_t n = items.size();
  auto stepped = bench.New(n);
  const auto want = bench.FeedSingly(stepped.get(), items, 0, n);
  for (const int64_t chunk : {2, 3, 5, 7, 16, 24, 64, 100}) {
    auto sequence = bench.New(n);
    std::vector<std::vector<float>> got;
    for (int64_t begin = 0; begin < n; begin += chunk) {
      for (auto& row : bench.Feed(sequence.get(), items, begin,
                                  std::min(begin + chunk, n))) {
        got.push_back(std::move(row));
      }
    }
    ASSERT_EQ(got, want) << "chunks of " << chunk;
  }
}

TEST_P(IncrementalTest, CapacityDoesNotChangeAResult) {
  Bench<float> bench(GetParam());
  const auto items = RandomItems(41, 8, bench.config.vocab);
  auto small = bench.New(41);
  auto large = bench.New(4000);
  EXPECT_EQ(bench.FeedSingly(small.get(), items, 0, 41),
            bench.FeedSingly(large.get(), items, 0, 41));
}

TEST_P(IncrementalTest, BytesEqualTheFormulaAtEveryStep) {
  Bench<float> bench(GetParam());
  for (const int64_t capacity : {1, 2, 17, 64, 257, 4096}) {
    auto sequence = bench.New(capacity);
    const ValueBytes bytes = {CacheBytes(GetParam().types.cache, sizeof(float)), 4};
    const int64_t want = StateBytes(bench.config, capacity, bytes) +
                         RewindBytes(bench.config, bytes);
    EXPECT_EQ(bench.model->StateBytes(capacity), want);
    EXPECT_EQ(sequence->bytes(), want);
    EXPECT_EQ(sequence->capacity(), capacity);
    const auto items = RandomItems(std::min<int64_t>(capacity, 70), 9, bench.config.vocab);
    for (size_t t = 0; t < items.size(); ++t) {
      bench.Feed(sequence.get(), items, t, t + 1);
      ASSERT_EQ(sequence->bytes(), want);
      ASSERT_EQ(sequence->size(), static_cast<int64_t>(t) + 1);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Configs, ExactTest,
                         ::testing::ValuesIn(Typed(FullTypes())), ConfigName);
INSTANTIATE_TEST_SUITE_P(Configs, IncrementalTest,
                         ::testing::ValuesIn(Typed(AllTypes())), ConfigName);

}  // namespace
}  // namespace strata
