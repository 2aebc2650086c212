// Every misuse is refused before any state has moved.

#include <limits>

#include "tests/model/decode/decode_fixture.h"

namespace strata {
namespace {

using ::testing::HasSubstr;

class MisuseTest : public ::testing::Test {
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
  std::vector<float> hidden(2 * bench_.config.levels[0].dim);
  const std::vector<std::pair<StepRow, std::string>> cases = {
      {{nullptr, few, {}}, "null"},
      {{bad.get(), {}, {}}, "no items"},
      {{bad.get(), items_, {}}, "room for 8"},
      {{bad.get(), high, {}}, "item is 260; must be in [0, 260)"},
      {{bad.get(), low, {}}, "item is -1"},
      {{bad.get(), few, absl::MakeSpan(logits_).subspan(0, 259)}, "259"},
      {{bad.get(), few, {}, absl::MakeSpan(hidden).subspan(1)}, "hidden has"},
      {{bad.get(), few, absl::MakeSpan(logits_), absl::MakeSpan(hidden)},
       "logits are wanted after 1 items and hidden after 2"},
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

TEST_F(MisuseTest, ADamagedSequenceIsRefusedUntilARestore) {
  auto sequence = bench_.New(16);
  const auto before = *bench_.generator->Fork(*sequence);
  static_cast<CpuSequence<float>*>(sequence.get())->set_damaged(true);
  const StepRow row{sequence.get(), items_, absl::MakeSpan(logits_)};
  EXPECT_EQ(Step({row}).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(sequence->size(), 0);
  ASSERT_TRUE(bench_.generator->Restore(*before, sequence.get()).ok());
  EXPECT_TRUE(Step({row}).ok());
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
      CpuSequence<float>::Allocate(&config, config.max_context, CacheType::kFull);
  EXPECT_EQ(sequence.status().code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace strata
