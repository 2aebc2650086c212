// P8: guesses that are taken back leave no trace, and those that hold are what
// feeding them one by one would have been, bit for bit.

#include <random>

#include "model/decode/rewind.h"
#include "tests/model/decode/decode_fixture.h"

namespace strata {
namespace {

constexpr int kHeads = 5;

// Those whose last items can be taken back, with n-gram heads.
std::vector<TypedConfig> Drafting() {
  std::vector<TypedConfig> configs;
  for (TypedConfig& typed : Typed(AllTypes())) {
    typed.config.ngram_heads = kHeads;
    if (MostDrafts(typed.config) > 0) configs.push_back(typed);
  }
  return configs;
}

class RewindTest : public EveryConfig {
 protected:
  template <typename T>
  static int64_t Room(const Sequence& sequence, const std::vector<Item>& fed) {
    return RewindRecord<T>::Room(static_cast<const CpuSequence<T>&>(sequence),
                                 absl::MakeConstSpan(fed).first(1),
                                 absl::MakeConstSpan(fed).subspan(1));
  }
};

TEST_P(RewindTest, GuessesLeaveNoTrace) {
  Bench<float> bench(GetParam());
  const auto items = RandomItems(260, 41, bench.config.vocab);
  const auto n = static_cast<int64_t>(items.size());
  auto straight = bench.New(n);
  const auto want = bench.FeedSingly(straight.get(), items, 0, n);
  auto sequence = bench.New(n);
  std::mt19937 random(5);
  int64_t guessed = 0, held = 0;
  for (int64_t t = 0; t < n;) {
    // The next item, and guesses that go wrong somewhere or nowhere.
    std::vector<Item> fed(items.begin() + t,
                          items.begin() + std::min(n, t + 1 + kHeads));
    const size_t wrong = 1 + random() % (kHeads + 2);
    if (wrong < fed.size()) fed[wrong] = (fed[wrong] + 1) % 256;
    fed.resize(1 + Room<float>(*sequence, fed));
    const auto drafts = static_cast<int64_t>(fed.size()) - 1;
    std::vector<float> logits(fed.size() * bench.config.vocab);
    const absl::Status status = bench.generator->Step(
        {{sequence.get(), fed, absl::MakeSpan(logits), {}, drafts}});
    ASSERT_TRUE(status.ok()) << status;
    const int64_t kept = std::min<int64_t>(
        {drafts, static_cast<int64_t>(wrong) - 1, int64_t(random() % (kHeads + 1))});
    for (int64_t i = 0; i <= kept; ++i) {
      const std::vector<float> got(logits.begin() + i * bench.config.vocab,
                                   logits.begin() + (i + 1) * bench.config.vocab);
      ASSERT_EQ(got, want[t + i]) << "after item " << t + i;
    }
    ASSERT_TRUE(bench.generator->Rewind(sequence.get(), drafts - kept).ok());
    t += 1 + kept;
    ASSERT_EQ(sequence->size(), t);
    guessed += drafts;
    held += kept;
  }
  EXPECT_GT(held, 0);
  EXPECT_GT(guessed, held);
}

TEST_P(RewindTest, MoreThanThereWereCannotBeTakenBack) {
  Bench<float> bench(GetParam());
  const auto items = RandomItems(40, 42, bench.config.vocab);
  auto sequence = bench.New(40);
  int64_t t = 0;
  for (std::vector<Item> fed; t < 30; ++t) {
    fed.assign(items.begin() + t, items.begin() + t + 3);
    if (Room<float>(*sequence, fed) == 2) break;
    bench.Feed(sequence.get(), items, t, t + 1);
  }
  if (t == 30) GTEST_SKIP() << "its units or its rings are too short for two guesses";
  std::vector<Item> fed(items.begin() + t, items.begin() + t + 3);
  std::vector<float> logits(3 * bench.config.vocab);
  StepRow row{sequence.get(), fed, absl::MakeSpan(logits), {}, 3};
  EXPECT_EQ(bench.generator->Step({row}).code(),
            absl::StatusCode::kInvalidArgument) << "an item must be certain";
  row.drafts = 2;
  row.logits = row.logits.first(bench.config.vocab);
  EXPECT_EQ(bench.generator->Step({row}).code(),
            absl::StatusCode::kInvalidArgument) << "their logits must be wanted";
  row.logits = absl::MakeSpan(logits);
  ASSERT_TRUE(bench.generator->Step({row}).ok());
  EXPECT_EQ(bench.generator->Rewind(sequence.get(), 3).code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(bench.generator->Rewind(sequence.get(), 1).ok());
  EXPECT_TRUE(bench.generator->Rewind(sequence.get(), 1).ok());
  EXPECT_EQ(bench.generator->Rewind(sequence.get(), 1).code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(sequence->size(), t + 1);
  bench.Feed(sequence.get(), items, t + 1, t + 2);
  EXPECT_EQ(bench.generator->Rewind(sequence.get(), 1).code(),
            absl::StatusCode::kFailedPrecondition) << "it was no draft";
}

TEST_P(RewindTest, DraftsCanAlwaysBeFedAndDependOnNothingElse) {
  Bench<float> bench(GetParam());
  const auto items = RandomItems(60, 43, bench.config.vocab);
  auto lone = bench.New(60);
  auto mate = bench.New(60);
  int64_t made = 0;
  for (int64_t t = 0; t + 1 < 60; ++t) {
    bench.Feed(lone.get(), items, t, t + 1);
    if (t % 3 > 0) bench.Feed(mate.get(), items, mate->size(), mate->size() + 1);
    std::vector<Item> guesses(kHeads), beside(kHeads), others(kHeads);
    std::vector<DraftRow> alone = {{lone.get(), items[t + 1], absl::MakeSpan(guesses)}};
    ASSERT_TRUE(bench.generator->Draft(absl::MakeSpan(alone)).ok());
    std::vector<DraftRow> both = {
        {mate.get(), items[mate->size()], absl::MakeSpan(others)},
        {lone.get(), items[t + 1], absl::MakeSpan(beside)}};
    ASSERT_TRUE(bench.generator->Draft(absl::MakeSpan(both)).ok());
    ASSERT_EQ(both[1].count, alone[0].count);
    guesses.resize(alone[0].count);
    beside.resize(alone[0].count);
    ASSERT_EQ(guesses, beside);
    std::vector<Item> fed = {items[t + 1]};
    fed.insert(fed.end(), guesses.begin(), guesses.end());
    ASSERT_EQ(Room<float>(*lone, fed), alone[0].count);
    made += alone[0].count;
  }
  EXPECT_GT(made, 0);
}

TEST_P(RewindTest, WithoutAContextNothingIsGuessed) {
  Bench<float> bench(GetParam());
  auto sequence = bench.New(9);
  const std::vector<Item> items = {kSos, 'a', 'b'};
  std::vector<Item> guesses(kHeads);
  std::vector<DraftRow> rows = {{sequence.get(), 'c', absl::MakeSpan(guesses)}};
  ASSERT_TRUE(bench.generator->Step({{sequence.get(), items, {}}}).ok());
  ASSERT_TRUE(bench.generator->Draft(absl::MakeSpan(rows)).ok());
  EXPECT_EQ(rows[0].count, 0);
}

INSTANTIATE_TEST_SUITE_P(Configs, RewindTest, ::testing::ValuesIn(Drafting()),
                         ConfigName);

}  // namespace
}  // namespace strata
