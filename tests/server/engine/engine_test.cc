// One request at a time: how it is admitted, what it yields, how it ends.
#include "server/engine/engine.h"

#include <cmath>

#include "model/sampling.h"
#include "tests/server/engine/engine_fixture.h"

namespace strata {
namespace {

TEST_F(EngineTest, EndsAtEosWithWhatTheModelSaid) {
  Use({.next = Says("Grüße")});
  const auto record = Submit(Request("a"))->Wait();
  EXPECT_TRUE(record.status.ok());
  EXPECT_EQ(record.data, "Grüße");
  EXPECT_EQ(record.text, "Grüße");
  EXPECT_EQ(record.finish->reason, FinishReason::kEos);
  EXPECT_EQ(record.finish->prompt_items, 7);
  EXPECT_EQ(record.finish->generated_items, 8);  // seven bytes and the EOS
  EXPECT_EQ(record.violation, "");
}

TEST_F(EngineTest, EndsAtMaxItems) {
  Use({});
  const auto record = Submit(Request("a", 5))->Wait();
  EXPECT_EQ(record.finish->reason, FinishReason::kMaxTokens);
  EXPECT_EQ(record.data.size(), 5);
}

TEST_F(EngineTest, EndsAtTheContextLimit) {
  Use({.max_context = 20});
  EngineRequest request = Request("a", 1000);
  request.sampling.ignore_eos = true;
  const auto record = Submit(std::move(request))->Wait();
  EXPECT_EQ(record.finish->reason, FinishReason::kContextLimit);
  EXPECT_EQ(record.data.size(), 13u);  // 20 less the 7 of the prompt
}

TEST_F(EngineTest, ExactlyFillingTheContextIsMaxTokens) {
  Use({.max_context = 20});
  EngineRequest request = Request("a", 13);
  request.sampling.ignore_eos = true;
  const auto record = Submit(std::move(request))->Wait();
  EXPECT_EQ(record.finish->reason, FinishReason::kMaxTokens);
  EXPECT_EQ(record.data.size(), 13u);
}

TEST_F(EngineTest, EndsAtAStopStringWithoutLeakingIt) {
  Use({.next = Says("one two three")});
  EngineRequest request = Request("a", 100);
  request.stop = {"three", "two ", "o t"};
  const auto record = Submit(std::move(request))->Wait();
  EXPECT_EQ(record.finish->reason, FinishReason::kStop);
  EXPECT_EQ(record.finish->matched_stop, "two ");
  EXPECT_EQ(record.data, "one ");
}

TEST_F(EngineTest, ReleasesAFalseStartAtTheEnd) {
  Use({.next = Says("well, sto")});
  EngineRequest request = Request("a", 100);
  request.stop = {"stop"};
  const auto record = Submit(std::move(request))->Wait();
  EXPECT_EQ(record.finish->reason, FinishReason::kEos);
  EXPECT_EQ(record.data, "well, sto");
}

TEST_F(EngineTest, TextIsWholeCharactersAndDataIsExact) {
  Use({.next = Says("\xE2\x82\xAC \xFF \xE2\x82")});
  const auto record = Submit(Request("a"))->Wait();
  EXPECT_EQ(record.data, "\xE2\x82\xAC \xFF \xE2\x82");
  EXPECT_EQ(record.text, "\xE2\x82\xAC \xEF\xBF\xBD \xEF\xBF\xBD");
}

TEST_F(EngineTest, PrefillsInBoundedChunksWithProgress) {
  int64_t largest = 0;
  Use({.on_step =
           [&](absl::Span<const StepRow> rows) {
             for (const StepRow& row : rows) {
               largest = std::max<int64_t>(largest, row.items.size());
             }
             return absl::OkStatus();
           }},
      {.prefill_items_per_step = 10});
  const auto record =
      Submit(Request("a", 2, std::string(33, 'x')))->Wait();
  EXPECT_EQ(largest, 10);
  const std::vector<std::pair<int64_t, int64_t>> progress = {
      {10, 35}, {20, 35}, {30, 35}, {35, 35}};
  EXPECT_EQ(record.progress, progress);
}

TEST_F(EngineTest, ScoresEveryItemInBits) {
  for (const int64_t chunk : {1, 3, 512}) {
    Use({}, {.prefill_items_per_step = chunk});
    EngineRequest request = Request("a", 0, "the quick brown fox");
    request.kind = EngineRequest::Kind::kScore;
    const std::vector<Item> items = request.items;
    const auto record = Submit(std::move(request))->Wait();
    EXPECT_TRUE(record.scored);
    ASSERT_EQ(record.scores.size(), items.size() - 1);
    FakeSequence sequence(100, 0, &model->live_bytes);
    std::vector<float> logits(kVocab);
    for (size_t i = 0; i + 1 < items.size(); ++i) {
      sequence.items.push_back(items[i]);
      sequence.hash = RandomBits(sequence.hash, 3, items[i]);
      model->Logits(sequence.items, sequence.hash, absl::MakeSpan(logits));
      EXPECT_DOUBLE_EQ(record.scores[i],
                       LogProb(logits, items[i + 1]) / std::log(2.0));
    }
    engine.reset();
  }
}

TEST_F(EngineTest, ScoringASingleItemYieldsNothing) {
  Use({});
  EngineRequest request = Request("a", 0);
  request.kind = EngineRequest::Kind::kScore;
  request.items = {kSos};
  const auto record = Submit(std::move(request))->Wait();
  EXPECT_TRUE(record.status.ok());
  EXPECT_TRUE(record.scores.empty());
  EXPECT_EQ(model->steps, 0);
}

TEST_F(EngineTest, RefusesWhatCannotBeServed) {
  Use({.max_context = 100, .bytes_per_item = 10}, {.state_memory_bytes = 500});
  EngineRequest request = Request("a");
  request.id = "";
  EXPECT_EQ(ReasonOf(Refused(request)), "INVALID_REQUEST");
  request = Request("a");
  request.items.clear();
  EXPECT_EQ(Refused(request).message(), "the prompt is empty");
  request = Request("a");
  request.items[2] = 260;
  EXPECT_EQ(Refused(request).message(),
            "the prompt has item 260; must be in [0, 259]");
  request = Request("a", 0);
  EXPECT_EQ(Refused(request).message(), "max_tokens is 0; must be at least 1");
  request = Request("a");
  request.stop = {""};
  EXPECT_TRUE(absl::IsInvalidArgument(Refused(request)));
  request = Request("a");
  request.sampling.top_k = -1;
  EXPECT_TRUE(absl::IsInvalidArgument(Refused(request)));
  // 98 + SOS + SEP fill the context: nothing could be generated.
  const absl::Status context = Refused(Request("a", 1, std::string(98, 'x')));
  EXPECT_TRUE(absl::IsInvalidArgument(context));
  EXPECT_EQ(ReasonOf(context), "CONTEXT_LENGTH_EXCEEDED");
  // 51 items of 10 bytes are above the budget; 50 are not.
  const absl::Status state = Refused(Request("a", 44));
  EXPECT_TRUE(absl::IsInvalidArgument(state));
  EXPECT_EQ(ReasonOf(state), "CONTEXT_LENGTH_EXCEEDED");
  EXPECT_TRUE(Submit(Request("a", 43))->Wait().status.ok());
}

TEST_F(EngineTest, AnIdIsFreeAgainInOnDone) {
  Use({});
  auto again = std::make_shared<RecordingSink>();
  auto sink = std::make_shared<RecordingSink>();
  EngineRequest first = Request("same");
  sink->on_done = [&] {
    EngineRequest second = Request("same");
    second.sink = again;
    EXPECT_TRUE(engine->Submit(std::move(second)).ok());
  };
  first.sink = sink;
  model->gate.Close();
  ASSERT_TRUE(engine->Submit(std::move(first)).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(Refused(Request("same"))));
  model->gate.Open();
  EXPECT_TRUE(sink->Wait().status.ok());
  EXPECT_TRUE(again->Wait().status.ok());
}

TEST_F(EngineTest, ALimitAndADeadlineThatPassInTheQueueEndDifferently) {
  Use({}, {.max_batch = 1});
  model->gate.Close();
  const auto running = Submit(Request("running"));
  model->gate.WaitForHeld();
  const MonotonicTime now = Clock::System()->Now();
  EngineRequest limited = Request("limited");
  limited.time_limit = now;
  EngineRequest late = Request("late");
  late.deadline = now;
  const auto a = Submit(std::move(limited));
  const auto b = Submit(std::move(late));
  model->gate.Allow(1);  // one step boundary
  const auto of_limit = a->Wait();
  EXPECT_TRUE(of_limit.status.ok());
  ASSERT_TRUE(of_limit.finish.has_value());
  EXPECT_EQ(of_limit.finish->reason, FinishReason::kDeadline);
  EXPECT_EQ(of_limit.finish->generated_items, 0);
  const auto of_deadline = b->Wait();
  EXPECT_TRUE(absl::IsDeadlineExceeded(of_deadline.status));
  EXPECT_FALSE(of_deadline.finish.has_value());
  model->gate.Open();
  EXPECT_TRUE(running->Wait().status.ok());
}

TEST_F(EngineTest, AnIdleWorkerWakesForAnExpiryInTheQueue) {
  // The first takes the whole budget; with two workers one idles meanwhile.
  Use({.bytes_per_item = 10}, {.workers = 2, .state_memory_bytes = 250});
  model->gate.Close();
  const auto running = Submit(Request("running", 16));
  model->gate.WaitForHeld();
  EngineRequest request = Request("waiting", 16);
  request.deadline = Clock::System()->Now() + std::chrono::milliseconds(20);
  EXPECT_TRUE(absl::IsDeadlineExceeded(Submit(std::move(request))->Wait().status));
  model->gate.Open();
  EXPECT_TRUE(running->Wait().status.ok());
}

TEST_F(EngineTest, ModelsFaultsEndTheRequestAndNotTheWorker) {
  int fail = 1;
  Use({.on_new_generator =
           [&] {
             return fail == 1 ? absl::DataLossError("weights") : absl::OkStatus();
           },
       .on_new_sequence =
           [&](int64_t) {
             return fail == 2 ? absl::ResourceExhaustedError("memory")
                              : absl::OkStatus();
           }});
  absl::Status status = Submit(Request("a"))->Wait().status;
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_EQ(ReasonOf(status), "ENGINE_FAULT");
  fail = 2;
  status = Submit(Request("a"))->Wait().status;
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_EQ(ReasonOf(status), "OUT_OF_MEMORY");
  ExpectLevels(engine->levels(), 0, 0);
  fail = 0;
  EXPECT_TRUE(Submit(Request("a"))->Wait().status.ok());
}

TEST_F(EngineTest, CancelOfNobodyIsNotFound) {
  Use({});
  EXPECT_TRUE(absl::IsNotFound(engine->Cancel("nobody")));
  Submit(Request("a"))->Wait();
  EXPECT_TRUE(absl::IsNotFound(engine->Cancel("a")));
}

TEST_F(EngineTest, VersionsAreLetGoWhenNobodyNeedsThem) {
  Use({});
  const std::weak_ptr<FakeModel> weights = model;
  Submit(Request("a"))->Wait();
  version.reset();
  model.reset();
  // The worker's executor does not pin the version beyond a wake-up.
  engine->ReleaseUnused();
  while (!weights.expired()) std::this_thread::yield();
}

TEST_F(EngineTest, AnExecutorIsReusedWhileItsVersionLives) {
  Use({});
  for (int i = 0; i < 5; ++i) Submit(Request("a"))->Wait();
  EXPECT_EQ(model->generators_made, 1);
}

// Devices do not share their memory: what one has free is no use to another.
TEST_F(EngineTest, ABudgetMayBeEachWorkersOwn) {
  // 23 items each: one fits a worker.
  Use({.bytes_per_item = 10}, {.workers = 2,
                               .state_memory_bytes = 300,
                               .state_memory_per_worker = true});
  model->gate.Close();
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  for (int i = 0; i < 6; ++i) sinks.push_back(Submit(Request(absl::StrCat(i))));
  model->gate.WaitForHeld(2);
  EXPECT_EQ(engine->levels().running, 2);
  EXPECT_EQ(engine->levels().state_bytes, 460);
  model->gate.Open();
  for (const auto& sink : sinks) EXPECT_TRUE(sink->Wait().status.ok());
  EXPECT_EQ(model->max_live_bytes, 460);
  EngineRequest large = Request("large", 40);
  large.sink = std::make_shared<RecordingSink>();
  EXPECT_TRUE(
      absl::IsInvalidArgument(engine->Submit(std::move(large)).status()));
}

// A device whose memory is full runs less than the other, but is not waited for.
TEST_F(EngineTest, AFullDeviceDoesNotHoldUpTheOther) {
  StepGate big_gate, small_gate;
  std::atomic<size_t> most{0};  // small ones in one step
  Use({.bytes_per_item = 1,
       .on_step =
           [&](absl::Span<const StepRow> rows) {
             if (rows[0].sequence->capacity() > 90) {
               big_gate.Pass();
             } else {
               small_gate.Pass();
               most = std::max<size_t>(most, rows.size());
             }
             return absl::OkStatus();
           }},
      {.workers = 2,
       .state_memory_bytes = 100,
       .state_memory_per_worker = true,
       .clock = &clock});  // stands still: nobody is ever stuck in a step
  big_gate.Close();
  small_gate.Close();
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  sinks.push_back(Submit(Request("big", 90)));  // 97 of its worker's 100
  big_gate.WaitForHeld();
  for (const char* id : {"a", "b", "c"}) {
    sinks.push_back(Submit(Request(id, 20)));  // 27 each
  }
  small_gate.Open();
  for (int i = 1; i < 4; ++i) EXPECT_TRUE(sinks[i]->Wait().status.ok());
  EXPECT_EQ(most, 3u);
  big_gate.Open();
  EXPECT_TRUE(sinks[0]->Wait().status.ok());
}

}  // namespace
}  // namespace strata
