// What recorded steps promise beside what all steps do (tensor_test.cc).

#include <ATen/record_function.h>
#include <torch/torch.h>

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>

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

std::set<std::string>* replayed_ops = nullptr;

std::unique_ptr<at::ObserverContext> NoteOp(const at::RecordFunction& op) {
  replayed_ops->insert(op.name());
  return nullptr;
}

// Notes what is asked of the device while work is called again.
class NotingRecorder final : public Recorder {
 public:
  explicit NotingRecorder(std::set<std::string>* ops) { replayed_ops = ops; }

  std::unique_ptr<Recording> Record(std::function<void()> work) override {
    return again_->Record([work = std::move(work)] {
      const auto noting = at::addThreadLocalCallback(
          at::RecordFunctionCallback(NoteOp).scopes({at::RecordScope::FUNCTION}));
      work();
      at::removeCallback(noting);
    });
  }

 private:
  const std::unique_ptr<Recorder> again_ = CallAgain();
};

// A CUDA graph would wait for the device there, or know one value for ever.
TEST_P(ReplayTest, NothingRecordedLooksAtWhatTheDeviceComputed) {
  std::set<std::string> ops;
  ASSERT_TRUE(model->replica(0)
                  .StartReplay(std::make_unique<NotingRecorder>(&ops), {0, 4, 16})
                  .ok());
  const auto items = RandomItems(40, 27, config.vocab);
  auto sequence = New(40);
  for (int64_t t = 0; t < 40; ++t) Feed(sequence.get(), items, t, t + 1);
  EXPECT_TRUE(ops.count("aten::index_select")) << "nothing was noted";
  for (const char* looks : {"aten::item", "aten::_local_scalar_dense", "aten::nonzero",
                            "aten::equal", "aten::is_nonzero", "aten::repeat_interleave",
                            "aten::masked_select", "aten::unique_dim"}) {
    EXPECT_FALSE(ops.count(looks)) << looks;
  }
}

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
