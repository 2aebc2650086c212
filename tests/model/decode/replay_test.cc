// What recorded steps promise beside what all steps do (tensor_test.cc).

#include <ATen/record_function.h>
#include <torch/torch.h>

#include <functional>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "tests/model/decode/tensor_fixture.h"
#include "tests/testing/far_device.h"

namespace strata {
namespace {

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

// Of far_device.h alone it is known how often it was asked.
TEST_P(ReplayTest, AStepLooksOnceAtWhatTheDeviceComputed) {
  ASSERT_EQ(TestDevice(), torch::Device(testing::kFarDevice));
  const auto items = RandomItems(40, 29, config.vocab);
  auto a = New(40), b = New(40);
  std::vector<float> room(2 * config.vocab);
  for (int64_t t = 0; t < 40; ++t) {
    const auto fed = absl::MakeConstSpan(items).subspan(t, 1);
    const auto logits = [&](int i) {
      return absl::MakeSpan(room).subspan(i * config.vocab, config.vocab);
    };
    const int64_t before = testing::FarDeviceReads();
    ASSERT_TRUE(generator->Step({{a.get(), fed, logits(0)}, {b.get(), fed, logits(1)}}).ok());
    EXPECT_EQ(testing::FarDeviceReads() - before, 1) << t;
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

// One that throws once it has recorded `left` times; what it recorded does nothing where it
// `forgets`.
class FaultyRecorder final : public Recorder {
 public:
  FaultyRecorder(std::shared_ptr<int> left, bool forgets)
      : left_(std::move(left)), forgets_(forgets) {}

  std::unique_ptr<Recording> Record(std::function<void()> work) override {
    if ((*left_)-- <= 0) throw std::runtime_error("no more graphs");
    return forgets_ ? again_->Record([] {}) : again_->Record(std::move(work));
  }

 private:
  const std::unique_ptr<Recorder> again_ = CallAgain();
  const std::shared_ptr<int> left_;
  const bool forgets_;
};

TEST_P(ReplayTest, WhatCannotBeRecordedOrIsWrongIsDoneWithout) {
  const auto items = RandomItems(30, 28, config.vocab);
  const auto want = Want(items);
  DeviceModel& replica = model->replica(0);
  const auto steps_are_right = [&] {
    auto sequence = New(30);
    for (int64_t t = 0; t < 30; ++t) {
      ASSERT_LE(Distance(Feed(sequence.get(), items, t, t + 1),
                         want.slice(0, t + 1, t + 2)),
                kExact);
    }
  };
  absl::Status started = replica.StartReplay(
      std::make_unique<FaultyRecorder>(std::make_shared<int>(0), false), {0, 4, 16});
  EXPECT_EQ(started.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(started.message().find("no more graphs"), std::string::npos) << started;
  EXPECT_EQ(replica.replay(), nullptr);
  steps_are_right();
  started = replica.StartReplay(
      std::make_unique<FaultyRecorder>(std::make_shared<int>(1000), true), {0, 4, 16});
  EXPECT_EQ(started.code(), absl::StatusCode::kInternal) << started;
  EXPECT_EQ(replica.replay(), nullptr);
  steps_are_right();
}

// Later, when requests are under way: their steps go on.
TEST_P(ReplayTest, StepsOutliveARecorderThatFailsLater) {
  const auto items = RandomItems(60, 29, config.vocab);
  const auto want = Want(items);
  DeviceModel& replica = model->replica(0);
  const auto left = std::make_shared<int>(100000);
  ASSERT_TRUE(
      replica.StartReplay(std::make_unique<FaultyRecorder>(left, false), {0, 4, 16}).ok());
  std::vector<std::unique_ptr<Sequence>> many;
  while (many.size() < 64) many.push_back(New(256));  // the pool grows
  *left = 1;
  for (int64_t t = 0; t < 60; ++t) {
    ASSERT_LE(Distance(Feed(many[0].get(), items, t, t + 1), want.slice(0, t + 1, t + 2)),
              kExact);
  }
  EXPECT_EQ(replica.replay()->broken(), "no more graphs");
  EXPECT_EQ(replica.replay()->recordings(), 1);
}

INSTANTIATE_TEST_SUITE_P(Configs, ReplayTest, ::testing::ValuesIn(Cases(true)),
                         CaseName);

}  // namespace
}  // namespace strata
