// What recorded steps promise beside what all steps do (tensor_test.cc).

#include <torch/torch.h>

#include "gtest/gtest.h"
#include "tests/model/decode/tensor_fixture.h"

namespace strata {
namespace {

std::vector<Case> RecordedCases() {
  std::vector<Case> cases;
  for (Case& each : Cases()) {
    if (each.replayed) cases.push_back(std::move(each));
  }
  return cases;
}

class ReplayTest : public TensorTest {};

// The check at load leaves recordings of few rows; larger ones come as they are needed,
// and a pool that grows makes all of them anew.
TEST_P(ReplayTest, RecordingsAreMadeAndGoWithThePool) {
  const auto items = RandomItems(40, 25, config.vocab);
  const ReplayStep& replay = *model->replica(0).replay();
  const int64_t prepared = replay.recordings();
  EXPECT_GT(prepared, 0);
  std::vector<std::unique_ptr<Sequence>> many;
  while (many.size() < 64) many.push_back(New(256));  // the pool grows
  Feed(many[0].get(), items, 0, 1);
  EXPECT_LT(replay.recordings(), prepared);
  for (int64_t t = 1; t < 20; ++t) Feed(many[0].get(), items, t, t + 1);
  const int64_t once = replay.recordings();
  auto other = New(40);
  for (int64_t t = 0; t < 20; ++t) Feed(other.get(), items, t, t + 1);
  EXPECT_EQ(replay.recordings(), once);
  EXPECT_EQ(replay.broken(), "");
}

TEST_P(ReplayTest, ARecordedStepGivesEachRowWhatItWants) {
  const auto items = RandomItems(40, 26, config.vocab);
  const auto want = Want(items);
  const int64_t dim = config.levels[0].dim;
  const auto head = torch::tensor(weights->at("head.weight"), torch::kDouble).view({-1, dim});
  auto a = New(40), b = New(40), c = New(40);
  std::vector<float> room(3 * config.vocab), hidden(2 * dim);
  const auto logits = [&](int i) {
    return absl::MakeSpan(room).subspan(i * config.vocab, config.vocab);
  };
  for (int64_t t = 0; t < 40; ++t) {
    const auto fed = absl::MakeConstSpan(items).subspan(t, 1);
    const auto both = generator->StepBoth(
        {{a.get(), fed, {}},
         {b.get(), fed, logits(0), absl::MakeSpan(hidden).subspan(0, dim)},
         {c.get(), fed, logits(1), absl::MakeSpan(hidden).subspan(dim, dim)}});
    ASSERT_TRUE(both.ok()) << both.status();
    const auto twice = want.slice(0, t + 1, t + 2).expand({2, -1});
    ASSERT_LE(Distance(both->logits, twice), kExact);
    ASSERT_LE(Distance(both->hidden.matmul(head.t()), twice), 1e-11);
  }
}

INSTANTIATE_TEST_SUITE_P(Configs, ReplayTest, ::testing::ValuesIn(RecordedCases()),
                         CaseName);

}  // namespace
}  // namespace strata
