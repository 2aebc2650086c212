// P8: forks, snapshots and restores replay identically; and every misuse is
// refused before any state has moved.

#include <limits>

#include "tests/model/decode/decode_fixture.h"

namespace strata {
namespace {

using testing::HasSubstr;

class ForkTest : public EveryConfig {};

TEST_P(ForkTest, AForkReplaysAndSharesNothing) {
  Bench<float> bench(GetParam().config);
  const auto items = RandomItems(90, 21);
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
  Bench<float> bench(GetParam().config);
  const auto items = RandomItems(331, 24);
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
  Bench<float> bench(GetParam().config);
  const auto items = RandomItems(120, 22);
  const auto other = RandomItems(120, 23);
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
                         testing::ValuesIn(SmallConfigs()), ConfigName);

class MisuseTest : public testing::Test {
 protected:
  Bench<float> bench_{SmallConfigs()[0].config};
  std::vector<Item> items_ = RandomItems(10, 31);
  std::vector<float> logits_ = std::vector<float>(260);

  absl::Status Step(std::vector<StepRow> rows) {
    return bench_.generator->Step(rows);
  }
};

TEST_F(MisuseTest, CapacityMustFitTheModel) {
  for (const int64_t capacity : {int64_t{0}, int64_t{-3}, int64_t{4097},
                                 std::numeric_limits<int64_t>::max()}) {
    const auto sequence = bench_.generator->NewSequence(capacity);
    EXPECT_EQ(sequence.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(sequence.status().message(), HasSubstr("[1, 4096]"));
  }
}

TEST_F(MisuseTest, BadRowsAreRefusedAndNoRowAdvances) {
  auto good = bench_.New(16);
  auto bad = bench_.New(8);
  const StepRow fine{good.get(), items_, absl::MakeSpan(logits_)};
  const auto few = absl::MakeConstSpan(items_).subspan(0, 2);
  const std::vector<Item> high = {3, 260};
  const std::vector<Item> low = {3, -1};
  const std::vector<std::pair<StepRow, std::string>> cases = {
      {{nullptr, few, {}}, "null"},
      {{bad.get(), {}, {}}, "no items"},
      {{bad.get(), items_, {}}, "room for 8"},
      {{bad.get(), high, {}}, "item is 260; must be in [0, 260)"},
      {{bad.get(), low, {}}, "item is -1"},
      {{bad.get(), few, absl::MakeSpan(logits_).subspan(0, 259)}, "259"},
      {{good.get(), few, {}}, "twice"},
  };
  for (const auto& [row, message] : cases) {
    const absl::Status status = Step({fine, row});
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(status.message(), HasSubstr(message));
    EXPECT_EQ(good->size(), 0);
    EXPECT_EQ(bad->size(), 0);
  }
  EXPECT_EQ(Step({}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(Step({fine}).ok());
  EXPECT_EQ(good->size(), 10);
}

TEST_F(MisuseTest, SequencesOfAnotherModelAreRefused) {
  Bench<float> other(SmallConfigs()[0].config);
  auto foreign = other.New(16);
  auto own = bench_.New(16);
  EXPECT_THAT(Step({{foreign.get(), items_, {}}}).message(),
              HasSubstr("another model"));
  EXPECT_FALSE(bench_.generator->Fork(*foreign).ok());
  EXPECT_FALSE(bench_.generator->Restore(*foreign, own.get()).ok());
  EXPECT_FALSE(bench_.generator->Restore(*own, foreign.get()).ok());
  bench_.Feed(own.get(), items_, 0, 10);
  for (const int64_t capacity : {0, 9, 4097}) {
    EXPECT_EQ(bench_.generator->Fork(*own, capacity).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
  EXPECT_TRUE(bench_.generator->Fork(*own, 10).ok());
  auto larger = bench_.New(17);
  EXPECT_THAT(bench_.generator->Restore(*own, larger.get()).message(),
              HasSubstr("capacity"));
}

TEST_F(MisuseTest, ThreadsMustBePositive) {
  EXPECT_TRUE(bench_.model->NewGenerator({.threads = 1}).ok());
  EXPECT_FALSE(bench_.model->NewGenerator({.threads = 0}).ok());
}

// More state than any machine has: refused, not fatal.
TEST(MemoryTest, AStateThatCannotBeHadIsResourceExhausted) {
  ModelConfig config = SmallConfigs()[2].config;
  config.max_context = int64_t{1} << 46;
  const auto sequence =
      CpuSequence<float>::Allocate(&config, config.max_context);
  EXPECT_EQ(sequence.status().code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace strata
