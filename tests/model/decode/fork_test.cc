// P8: forks, snapshots and restores replay identically.

#include <algorithm>

#include "tests/model/decode/decode_fixture.h"

namespace strata {
namespace {

class ForkTest : public EveryConfig {};

TEST_P(ForkTest, AForkReplaysAndSharesNothing) {
  Bench<float> bench(GetParam());
  const auto items = RandomItems(90, 21, bench.config.vocab);
  auto other = items;
  for (size_t i = 50; i < other.size(); ++i) other[i] = (other[i] + 7) % 256;
  for (const int64_t at : {0, 1, 7, 8, 30, 50}) {
    auto sequence = bench.New(90);
    if (at > 0) bench.Feed(sequence.get(), items, 0, at);
    auto fork = bench.generator->Fork(*sequence);
    ASSERT_TRUE(fork.ok());
    EXPECT_EQ((*fork)->size(), at);
    EXPECT_EQ((*fork)->capacity(), 90);
    EXPECT_EQ((*fork)->bytes(), sequence->bytes());
    auto want = bench.New(90);
    const auto all = bench.FeedSingly(want.get(), items, 0, 90);
    // The fork goes elsewhere; the original does not notice.
    bench.Feed(fork->get(), other, at, 90);
    EXPECT_EQ(bench.FeedSingly(sequence.get(), items, at, 90),
              (std::vector<std::vector<float>>(all.begin() + at, all.end())));
  }
}

// Forked small to be kept, and forked large again to go on: as if the last
// sequence had been there from the first item on, whatever had wrapped.
TEST_P(ForkTest, AForkOfAnotherCapacityGoesOnAsIfAlwaysThatLarge) {
  Bench<float> bench(GetParam());
  const auto items = RandomItems(331, 24, bench.config.vocab);
  auto straight = bench.New(331);
  const auto want = bench.Feed(straight.get(), items, 0, 331);
  for (const int64_t at : {0, 1, 7, 15, 16, 17, 40, 63, 64, 65, 130, 300}) {
    for (const int64_t first : {at + 1, at + 29, int64_t{331}}) {
      auto sequence = bench.New(first);
      if (at > 0) bench.Feed(sequence.get(), items, 0, at);
      auto kept = bench.generator->Fork(*sequence, std::max<int64_t>(1, at));
      ASSERT_TRUE(kept.ok()) << kept.status();
      sequence.reset();
      EXPECT_EQ((*kept)->size(), at);
      EXPECT_EQ((*kept)->bytes(),
                bench.model->StateBytes(std::max<int64_t>(1, at)));
      for (const int64_t last : {at + 5, at + 31, int64_t{331}}) {
        const int64_t capacity = std::min<int64_t>(331, last);
        auto fork = bench.generator->Fork(**kept, capacity);
        ASSERT_TRUE(fork.ok()) << fork.status();
        EXPECT_EQ((*fork)->capacity(), capacity);
        const auto got = bench.Feed(fork->get(), items, at, capacity);
        ASSERT_TRUE(std::equal(got.begin(), got.end(), want.begin() + at))
            << first << " -> " << at << " -> " << capacity;
      }
    }
  }
}

TEST_P(ForkTest, RestoreRollsBackAcrossBlocksAndRings) {
  Bench<float> bench(GetParam());
  const auto items = RandomItems(120, 22, bench.config.vocab);
  const auto other = RandomItems(120, 23, bench.config.vocab);
  auto straight = bench.New(120);
  const auto want = bench.FeedSingly(straight.get(), items, 0, 120);
  auto sequence = bench.New(120);
  for (int64_t t = 0; t < 119; ++t) {
    auto snapshot = bench.generator->Fork(*sequence);
    ASSERT_TRUE(snapshot.ok());
    const int64_t wrong = std::min<int64_t>(120, t + 1 + t % 40);
    bench.Feed(sequence.get(), other, t, wrong);
    ASSERT_TRUE(bench.generator->Restore(**snapshot, sequence.get()).ok());
    ASSERT_EQ(sequence->size(), t);
    ASSERT_EQ(bench.Feed(sequence.get(), items, t, t + 1)[0], want[t])
        << "after item " << t;
  }
}

INSTANTIATE_TEST_SUITE_P(Configs, ForkTest,
                         ::testing::ValuesIn(Typed(AllTypes())), ConfigName);

}  // namespace
}  // namespace strata
