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

// A step takes `step` and `item` for each item that it reads.
struct Cost {
  std::chrono::microseconds step;
  std::chrono::microseconds item;
};

class DraftCostTest : public DraftTest {
 protected:
  // Items for which `guess` is asked and steps made, of a text of 2000.
  void Generate(const Cost& cost, std::function<Item(absl::Span<const Item>)> guess) {
    FakeModelOptions options = Guessing(std::move(guess));
    options.on_step = [this, cost](absl::Span<const StepRow> rows) {
      for (const StepRow& row : rows) clock.Advance(cost.item * row.items.size());
      clock.Advance(cost.step);
      return absl::OkStatus();
    };
    Use(std::move(options), {.clock = &clock, .observer = &observer_});
    EngineRequest request = Request("one", 2000);
    request.sampling.temperature = 0;
    request.sampling.ignore_eos = true;
    EXPECT_EQ(Submit(request)->Wait().finish->generated_items, 2000);
  }
};

TEST_F(DraftCostTest, GuessesThatHoldSaveSteps) {
  Generate({std::chrono::microseconds(100), std::chrono::microseconds(10)}, Likeliest);
  EXPECT_EQ(observer_.accepted, observer_.guesses);
  EXPECT_EQ(model->steps, 2000 - observer_.accepted);
  EXPECT_LT(model->steps, 750);
}

TEST_F(DraftCostTest, GuessesThatFailAreSeldomMade) {
  Generate({std::chrono::microseconds(100), std::chrono::microseconds(10)},
           [](auto) { return Item{'x'}; });
  EXPECT_LT(observer_.guesses, 700);
  EXPECT_GT(observer_.guesses, 300) << "it never tried again";
}

TEST_F(DraftCostTest, NorAreThoseThatCostWhatTheySave) {
  Generate({std::chrono::microseconds(1), std::chrono::microseconds(100)},
           [](absl::Span<const Item> items) {
             return items.back() % 2 == 0 ? Item{'x'} : Likeliest(items);
           });
  EXPECT_GT(model->steps, 1700);
}

TEST_F(DraftTest, OnlyWhileFewStreamsDecode) {
  struct Case {
    int64_t streams;
    int block;  // streams of a model with blocks come into phase, and stay in it
    size_t most_rows;
  };
  for (const auto& [streams, block, most_rows] :
       {Case{1, 0, 1}, Case{1, 8, 1}, Case{2, 0, 2}, Case{2, 8, 1}}) {
    most_rows_ = 0;
    FakeModelOptions options = Guessing(Likeliest);
    options.block = block;
    Use(std::move(options), {.draft_streams = streams});
    model->gate.Close();
    std::vector<std::shared_ptr<RecordingSink>> sinks;
    for (int i = 0; i < 4; ++i) {
      EngineRequest request = Request(absl::StrCat(i), 40 + 300 * i, "hello" + std::string(i, 'o'));
      request.sampling.temperature = 0;
      request.sampling.ignore_eos = true;
      sinks.push_back(Submit(request));
    }
    model->gate.Open();
    for (const auto& sink : sinks) EXPECT_EQ(sink->Wait().violation, "");
    EXPECT_EQ(most_rows_, most_rows) << streams << " streams, blocks of " << block;
    engine.reset();
  }
}

TEST(DraftPolicyTest, TriesEachNumberThenKeepsTheFastest) {
  DraftPolicy policy(3);
  std::vector<int64_t> steps(4);
  for (int i = 0; i < 4000; ++i) {
    const int64_t guesses = policy.guesses();
    ASSERT_LE(guesses, 3);
    ++steps[guesses];
    policy.Note(1 + guesses, guesses == 2 ? 1.0 : 1.5 + guesses);
  }
  for (const int64_t tried : steps) EXPECT_GT(tried, 30);
  EXPECT_GT(steps[2], 2400);
}

TEST(DraftPolicyTest, FollowsAChange) {
  DraftPolicy policy(7);
  const auto run = [&](int64_t best) {
    int64_t chosen = 0;
    for (int i = 0; i < 8000; ++i) {
      chosen += policy.guesses() == best;
      policy.Note(2, policy.guesses() == best ? 1 : 2);
    }
    return chosen;
  };
  EXPECT_GT(run(7), 6000);
  EXPECT_GT(run(0), 4000);
}

TEST(DraftPolicyTest, OfAModelThatCannotGuessNothingIsAsked) {
  DraftPolicy policy(0);
  for (int i = 0; i < 1000; ++i) policy.Note(1, 1);
  EXPECT_EQ(policy.guesses(), 0);
}

}  // namespace
}  // namespace strata
