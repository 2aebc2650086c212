// Guesses at what a stream says next: they change when it says it, and nothing else.
#include "server/engine/draft_policy.h"
#include "tests/server/engine/engine_fixture.h"

namespace strata {
namespace {

// Counts guesses, and keeps the rows of the widest step that had any.
class DraftObserver final : public EngineObserver {
 public:
  void OnDrafts(int64_t guesses, int64_t accepted) override {
    this->guesses += guesses;
    this->accepted += accepted;
  }
  std::atomic<int64_t> guesses{0};
  std::atomic<int64_t> accepted{0};
};

// What the fake model's greedy choice after `items` is.
Item Likeliest(absl::Span<const Item> items) {
  uint64_t hash = FakeSequence::kNoItems;
  for (const Item item : items) hash = RandomBits(hash, 3, item);
  std::vector<float> logits(kVocab);
  FakeModel().Logits(items, hash, absl::MakeSpan(logits));
  SamplingParams greedy;
  greedy.temperature = 0;
  return *SampleItem(logits, greedy, 0, {});
}

class DraftTest : public EngineTest {
 protected:
  FakeModelOptions Guessing(std::function<Item(absl::Span<const Item>)> guess) {
    FakeModelOptions options;
    options.guess = std::move(guess);
    options.drafts = 3;
    options.on_step = [this](absl::Span<const StepRow> rows) {
      for (const StepRow& row : rows) {
        if (row.drafts > 0) most_rows_ = std::max(most_rows_, rows.size());
      }
      return absl::OkStatus();
    };
    return options;
  }
  std::vector<EngineRequest> Several() {
    std::vector<EngineRequest> requests;
    for (const double temperature : {0.0, 1.0, 0.3}) {
      EngineRequest request =
          Request(absl::StrCat("request ", requests.size()), 60);
      request.sampling.temperature = temperature;
      request.sampling.repetition_penalty = 1.2;
      request.stop = {"qz", "e"};
      requests.push_back(request);
    }
    requests[1].stop.clear();
    requests[1].samples = 3;
    requests[2].max_items = 5000;  // the context ends first
    return requests;
  }
  std::vector<RecordingSink::Record> Run(FakeModelOptions options,
                                         int64_t draft_streams) {
    options.max_context = 300;
    Use(std::move(options), {.draft_streams = draft_streams,
                             .prefix_cache_bytes = 1 << 20,
                             .observer = &observer_});
    std::vector<RecordingSink::Record> records;
    for (EngineRequest& request : Several()) {
      records.push_back(Submit(request)->Wait());
      if (records.back().finish->reason == FinishReason::kContextLimit) continue;
      // The conversation goes on from the snapshot that the first turn left.
      for (const char c : records.back().sample_data[0]) {
        request.items.push_back(static_cast<uint8_t>(c));
      }
      request.id += " again";
      request.max_items = 9;
      records.push_back(Submit(request)->Wait());
    }
    engine.reset();
    return records;
  }

  DraftObserver observer_;
  size_t most_rows_ = 0;
};

TEST_F(DraftTest, WhateverIsGuessedTheOutputIsTheSame) {
  const auto want = Run(Guessing([](auto) { return 'x'; }), 0);
  EXPECT_EQ(observer_.guesses, 0);
  int64_t turn = 0;
  const std::function<Item(absl::Span<const Item>)> guesses[] = {
      Likeliest, [](auto) { return Item{'x'}; },
      [&](absl::Span<const Item> items) {
        return ++turn % 3 == 0 ? Item{'x'} : Likeliest(items);
      }};
  for (const auto& guess : guesses) {
    observer_.guesses = observer_.accepted = 0;
    const auto got = Run(Guessing(guess), 4);
    EXPECT_GT(observer_.guesses, 0);
    ASSERT_EQ(got.size(), want.size());
    for (size_t i = 0; i < got.size(); ++i) {
      EXPECT_EQ(got[i].violation, "");
      EXPECT_EQ(got[i].sample_data, want[i].sample_data) << i;
      ASSERT_TRUE(got[i].finish.has_value());
      EXPECT_EQ(got[i].finish->reason, want[i].finish->reason) << i;
      EXPECT_EQ(got[i].finish->generated_items, want[i].finish->generated_items);
      EXPECT_EQ(got[i].finish->cached_items, want[i].finish->cached_items) << i;
    }
  }
}

TEST_F(DraftTest, GuessesThatHoldSaveSteps) {
  Use(Guessing(Likeliest), {.observer = &observer_});
  EngineRequest request = Request("greedy", 100);
  request.sampling.temperature = 0;
  request.sampling.ignore_eos = true;
  EXPECT_EQ(Submit(request)->Wait().finish->generated_items, 100);
  EXPECT_EQ(observer_.accepted, observer_.guesses);
  EXPECT_LT(model->steps, 40);
  EXPECT_EQ(model->steps, 100 - observer_.accepted);
}

TEST_F(DraftTest, GuessesThatFailAreSoonGivenUp) {
  Use(Guessing([](auto) { return Item{'x'}; }), {.observer = &observer_});
  EngineRequest request = Request("wrong", 400);
  request.sampling.ignore_eos = true;
  Submit(request)->Wait();
  EXPECT_LT(observer_.guesses, 60);
  EXPECT_GT(observer_.guesses, 20) << "it never tried again";
}

TEST_F(DraftTest, OnlyWhileFewStreamsDecode) {
  for (const int64_t streams : {1, 2}) {
    most_rows_ = 0;
    FakeModelOptions options = Guessing(Likeliest);
    options.block = 8;  // so that the later streams wait for their phase
    Use(std::move(options), {.draft_streams = streams});
    model->gate.Close();
    std::vector<std::shared_ptr<RecordingSink>> sinks;
    for (int i = 0; i < 4; ++i) {
      EngineRequest request = Request(absl::StrCat(i), 40 + 30 * i, "hello" + std::string(i, 'o'));
      request.sampling.temperature = 0;
      request.sampling.ignore_eos = true;
      sinks.push_back(Submit(request));
    }
    model->gate.Open();
    for (const auto& sink : sinks) EXPECT_EQ(sink->Wait().violation, "");
    EXPECT_EQ(most_rows_, static_cast<size_t>(streams));
    engine.reset();
  }
}

TEST(DraftPolicyTest, AsManyAsAreLikelyToHold) {
  DraftPolicy policy;
  EXPECT_EQ(policy.Suggest(0), 0);
  EXPECT_EQ(policy.Suggest(1), 1);
  for (int i = 0; i < 50; ++i) policy.Note(3, 3);
  EXPECT_GT(policy.rate(), 0.99);
  EXPECT_EQ(policy.Suggest(7), 7);
  for (int i = 0; i < 20; ++i) policy.Note(3, 0);
  EXPECT_EQ(policy.Suggest(7), 0);
}

TEST(DraftPolicyTest, TriesAgainNowAndThen) {
  DraftPolicy policy;
  for (int i = 0; i < 100; ++i) policy.Note(1, 0);
  int tried = 0;
  for (int i = 0; i < 160; ++i) {
    const int64_t guesses = policy.Suggest(3);
    tried += guesses > 0;
    policy.Note(guesses, 0);
  }
  EXPECT_EQ(tried, 10);
}

}  // namespace
}  // namespace strata
