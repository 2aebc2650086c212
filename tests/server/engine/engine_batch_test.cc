// Requests together: sharing, limits, faults, cancellation, drain.
#include <map>
#include <random>
#include <thread>

#include "tests/server/engine/engine_fixture.h"

namespace strata {
namespace {

constexpr MonotonicTime kNever = MonotonicTime::max();

// Prompts of many lengths, every sampling feature, stops and scores.
std::vector<EngineRequest> MixedRequests(
    const std::shared_ptr<const ServedVersion>& version) {
  std::mt19937 random(3);
  std::vector<EngineRequest> requests;
  for (int i = 0; i < 40; ++i) {
    EngineRequest request;
    request.id = absl::StrCat("r", i);
    request.version = version;
    request.items = Prompt(std::string(random() % 60, 'a' + i % 26));
    request.sampling.seed = i / 2;
    request.sampling.temperature = i % 5 == 0 ? 0 : 1;
    request.sampling.top_k = i % 3 * 20;
    request.sampling.repetition_penalty = i % 4 == 0 ? 1.3 : 1;
    request.max_items = 1 + random() % 50;
    if (i % 3 == 0) request.stop = {"a", "xyz"};
    if (i % 7 == 6) request.kind = EngineRequest::Kind::kScore;
    requests.push_back(std::move(request));
  }
  return requests;
}

TEST_F(EngineTest, ResultsDependOnNothingButTheRequest) {
  std::vector<RecordingSink::Record> expected;
  const EngineOptions alone{.workers = 1, .max_batch = 1};
  const EngineOptions variants[] = {
      alone,
      {.workers = 1, .max_batch = 64},
      {.workers = 3, .max_batch = 5, .prefill_items_per_step = 1},
      {.workers = 2, .max_batch = 7, .prefill_items_per_step = 13},
      {.workers = 2, .max_batch = 9, .phase_wait = 0},
  };
  for (const EngineOptions& options : variants) {
    Use({.block = 4}, options);
    std::vector<std::shared_ptr<RecordingSink>> sinks;
    for (EngineRequest& request : MixedRequests(version)) {
      sinks.push_back(Submit(std::move(request)));
    }
    for (size_t i = 0; i < sinks.size(); ++i) {
      const auto record = sinks[i]->Wait();
      EXPECT_TRUE(record.status.ok());
      EXPECT_EQ(record.violation, "");
      if (expected.size() < sinks.size()) {
        expected.push_back(record);
        continue;
      }
      EXPECT_EQ(record.data, expected[i].data);
      EXPECT_EQ(record.text, expected[i].text);
      EXPECT_EQ(record.scores, expected[i].scores);
      EXPECT_EQ(record.finish.has_value(), expected[i].finish.has_value());
      if (!record.finish.has_value()) continue;
      EXPECT_EQ(record.finish->reason, expected[i].finish->reason);
    }
    // Where there are many of them, items are drawn on several threads.
    if (options.max_batch == 64) EXPECT_GT(model->parallel_loops, 0);
    if (options.max_batch == 1) EXPECT_EQ(model->parallel_loops, 0);
    engine.reset();
  }
}

TEST_F(EngineTest, TheQueueIsBoundedByRequests) {
  Use({}, {.max_batch = 1, .max_queued_requests = 3});
  model->gate.Close();
  std::vector<std::shared_ptr<RecordingSink>> sinks = {Submit(Request("run"))};
  model->gate.WaitForHeld();
  for (int i = 0; i < 3; ++i) sinks.push_back(Submit(Request(absl::StrCat(i))));
  const absl::Status status = Refused(Request("one too many"));
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_EQ(ReasonOf(status), "QUEUE_FULL");
  ExpectLevels(engine->levels(), 3, 1);
  model->gate.Open();
  for (const auto& sink : sinks) EXPECT_TRUE(sink->Wait().status.ok());
}

TEST_F(EngineTest, TheQueueIsBoundedByPromptBytes) {
  Use({}, {.max_batch = 1, .max_queued_bytes = 100});
  model->gate.Close();
  auto running = Submit(Request("run"));
  model->gate.WaitForHeld();
  auto first = Submit(Request("a", 1, std::string(58, 'x')));  // 60 items
  EXPECT_EQ(ReasonOf(Refused(Request("b", 1, std::string(39, 'x')))),
            "QUEUE_FULL");
  auto second = Submit(Request("c", 1, std::string(38, 'x')));
  EXPECT_EQ(engine->levels().queued_bytes, 100);
  // A cancelled one makes room.
  EXPECT_TRUE(engine->Cancel("a").ok());
  auto third = Submit(Request("d", 1, std::string(58, 'x')));
  model->gate.Open();
  for (const auto& sink : {running, second, third}) {
    EXPECT_TRUE(sink->Wait().status.ok());
  }
  EXPECT_TRUE(absl::IsCancelled(first->Wait().status));
}

TEST_F(EngineTest, StateStaysWithinTheBudgetAndAllFinish) {
  // 23 items each; two fit at a time.
  Use({.bytes_per_item = 10}, {.workers = 2, .state_memory_bytes = 600});
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  for (int i = 0; i < 30; ++i) sinks.push_back(Submit(Request(absl::StrCat(i))));
  for (const auto& sink : sinks) EXPECT_TRUE(sink->Wait().status.ok());
  EXPECT_LE(model->max_live_bytes, 600);
  EXPECT_GT(model->max_live_bytes, 300) << "never two at a time";
  ExpectLevels(engine->levels(), 0, 0);
}

TEST_F(EngineTest, NothingOvertakesAHeadThatWaitsForMemory) {
  std::vector<int64_t> started;  // of the one worker
  Use({.bytes_per_item = 1,
       .on_new_sequence =
           [&](int64_t capacity) {
             started.push_back(capacity);
             return absl::OkStatus();
           }},
      {.state_memory_bytes = 100});
  model->gate.Close();
  auto a = Submit(Request("a", 50));  // 57
  model->gate.WaitForHeld();
  auto big = Submit(Request("big", 90));    // 97: waits for a
  auto small = Submit(Request("small", 1));  // 8: would fit at once
  model->gate.Open();
  for (const auto& sink : {a, big, small}) {
    EXPECT_TRUE(sink->Wait().status.ok());
  }
  EXPECT_EQ(started, (std::vector<int64_t>{57, 97, 8}));
}

TEST_F(EngineTest, ACancelledHeadLetsTheNextOneIn) {
  Use({.bytes_per_item = 1}, {.workers = 2, .state_memory_bytes = 100});
  for (int round = 0; round < 30; ++round) {  // a lost wake-up is a race
    model->gate.Close();
    auto a = Submit(Request("a", 50));
    model->gate.WaitForHeld();
    auto big = Submit(Request("big", 90));
    auto small = Submit(Request("small", 1));
    std::this_thread::sleep_for(std::chrono::milliseconds(round % 3));
    EXPECT_TRUE(engine->Cancel("big").ok());
    model->gate.WaitForHeld(2);  // the idle worker has begun the small one
    model->gate.Open();
    EXPECT_TRUE(a->Wait().status.ok());
    EXPECT_TRUE(small->Wait().status.ok());
    EXPECT_TRUE(absl::IsCancelled(big->Wait().status));
  }
}

TEST_F(EngineTest, OneNanRowFailsAlone) {
  Use({.is_nan = [](absl::Span<const Item> items) {
    return items.size() > 10 && items[1] == 'N';
  }});
  model->gate.Close();
  auto good = Submit(Request("good", 20, "good"));
  auto bad = Submit(Request("bad", 20, "Nan"));
  auto also = Submit(Request("also", 20, "also"));
  EngineRequest score = Request("score", 0, "N is long enough");
  score.kind = EngineRequest::Kind::kScore;
  auto scored = Submit(std::move(score));
  model->gate.Open();
  for (const auto& sink : {bad, scored}) {
    const absl::Status status = sink->Wait().status;
    EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
    EXPECT_EQ(ReasonOf(status), "ENGINE_FAULT");
  }
  EXPECT_EQ(bad->Peek().deltas.size(), 6u);  // what came before stays
  EXPECT_EQ(good->Wait().data.size(), 20u);
  EXPECT_EQ(also->Wait().data.size(), 20u);
}

TEST_F(EngineTest, AFailedStepFailsItsRowsAndTheWorkerGoesOn) {
  for (const bool memory : {false, true}) {
    std::atomic<bool> fail{false};
    Use({.on_step = [&](absl::Span<const StepRow>) {
      if (!fail.exchange(false)) return absl::OkStatus();
      return memory ? absl::ResourceExhaustedError("no memory")
                    : absl::UnknownError("boom");
    }});
    model->gate.Close();
    auto a = Submit(Request("a", 100));
    auto b = Submit(Request("b", 100));
    model->gate.Allow(4);
    model->gate.WaitForHeld();
    fail = true;
    model->gate.Open();
    for (const auto& sink : {a, b}) {
      EXPECT_EQ(sink->Wait().status.code(),
                memory ? absl::StatusCode::kResourceExhausted
                       : absl::StatusCode::kInternal);
    }
    EXPECT_TRUE(Submit(Request("c"))->Wait().status.ok());
    engine.reset();
  }
}

TEST_F(EngineTest, VersionsAreSteppedApart) {
  Use({});
  auto broken = std::make_shared<FakeModel>(FakeModelOptions{
      .on_step = [](absl::Span<const StepRow>) {
        return absl::InternalError("boom");
      }});
  model->gate.Close();
  auto good = Submit(Request("good", 30));
  EngineRequest request = Request("bad", 30);
  request.version = MakeVersion(broken, "2");
  auto bad = Submit(std::move(request));
  model->gate.Open();
  EXPECT_EQ(bad->Wait().status.code(), absl::StatusCode::kInternal);
  EXPECT_EQ(good->Wait().data.size(), 30u);
  engine.reset();
}

TEST_F(EngineTest, CancelFreesTheSlotWithinOneStep) {
  Use({}, {.max_batch = 1, .prefill_items_per_step = 16});
  for (const bool prefill : {false, true}) {
    model->gate.Close();
    auto sink = Submit(Request("a", 1000, std::string(1000, 'x')));
    model->gate.Allow(prefill ? 5 : 100);  // 63 steps read the prompt
    if (prefill) {
      sink->WaitForProgress(5 * 16);
    } else {
      sink->WaitForBytes(30);
    }
    model->gate.WaitForHeld();  // in a step
    const int64_t steps = model->steps;
    EXPECT_TRUE(engine->Cancel("a").ok());
    model->gate.Allow(1);
    EXPECT_TRUE(absl::IsCancelled(sink->Wait().status));
    EXPECT_LE(model->steps, steps + 1);
    EXPECT_EQ(model->live_bytes, 0);
    ExpectLevels(engine->levels(), 0, 0);
    model->gate.Open();
    EXPECT_TRUE(Submit(Request("next"))->Wait().status.ok());
  }
}

TEST_F(EngineTest, CancelOfAQueuedRequestNeedsNoStep) {
  Use({}, {.max_batch = 1});
  model->gate.Close();
  auto running = Submit(Request("running"));
  model->gate.WaitForHeld();
  auto queued = Submit(Request("queued"));
  EXPECT_TRUE(engine->Cancel("queued").ok());
  EXPECT_TRUE(absl::IsCancelled(queued->Peek().status));
  EXPECT_TRUE(absl::IsNotFound(engine->Cancel("queued")));
  model->gate.Open();
  EXPECT_TRUE(running->Wait().status.ok());
}

TEST_F(EngineTest, TimeLimitFinishesAndDeadlineFails) {
  Use({}, {.prefill_items_per_step = 64, .clock = &clock});
  model->gate.Close();
  EngineRequest limited = Request("limited", 1000);
  limited.time_limit = clock.Now() + std::chrono::seconds(10);
  limited.deadline = clock.Now() + std::chrono::seconds(20);
  limited.sampling.ignore_eos = true;
  EngineRequest late = Request("late", 1000);
  late.deadline = clock.Now() + std::chrono::seconds(10);
  late.sampling.ignore_eos = true;
  EngineRequest score = Request("score", 0);
  score.kind = EngineRequest::Kind::kScore;
  score.items.assign(2000, 'x');
  score.time_limit = clock.Now() + std::chrono::seconds(10);
  auto a = Submit(std::move(limited));
  auto b = Submit(std::move(late));
  auto c = Submit(std::move(score));
  model->gate.Allow(3);
  model->gate.WaitForHeld();
  clock.Advance(std::chrono::seconds(11));
  model->gate.Allow(1);
  const auto finished = a->Wait();
  EXPECT_TRUE(finished.status.ok());
  EXPECT_EQ(finished.finish->reason, FinishReason::kDeadline);
  EXPECT_GT(finished.data.size(), 0u);
  EXPECT_EQ(finished.finish->total_seconds, 11);
  EXPECT_TRUE(absl::IsDeadlineExceeded(b->Wait().status));
  EXPECT_TRUE(absl::IsDeadlineExceeded(c->Wait().status));
}

TEST_F(EngineTest, SlotsAreReusedAndNeverExceeded) {
  Use({}, {.max_batch = 2});
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  for (int i = 0; i < 20; ++i) {
    sinks.push_back(Submit(Request(absl::StrCat(i), 1 + i % 5)));
  }
  for (const auto& sink : sinks) EXPECT_TRUE(sink->Wait().status.ok());
  EXPECT_EQ(model->max_rows, 2);
}

TEST_F(EngineTest, StreamsGoOnWhileALongPromptIsRead) {
  Use({.max_context = 50'000}, {.prefill_items_per_step = 100});
  model->gate.Close();
  EngineRequest stream = Request("stream", 1000);
  stream.sampling.ignore_eos = true;
  auto a = Submit(std::move(stream));
  model->gate.Allow(1);
  a->WaitForBytes(1);
  auto b = Submit(Request("long", 1, std::string(30'000, 'x')));
  model->gate.Allow(100);
  a->WaitForBytes(101);  // one item in every step
  EXPECT_EQ(a->Peek().data.size(), 101u);
  EXPECT_GE(b->Peek().progress.size(), 98u);
  EXPECT_EQ(engine->Cancel("long"), absl::OkStatus());
  model->gate.Open();
  EXPECT_TRUE(a->Wait().status.ok());
}

TEST_F(EngineTest, TwoWorkersShareTheStreamsEvenly) {
  Use({}, {.workers = 2, .max_batch = 64});
  model->gate.Close();
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  for (int i = 0; i < 64; ++i) sinks.push_back(Submit(Request(absl::StrCat(i))));
  model->gate.WaitForHeld(2);  // on a busy machine one thread may come late
  model->gate.Open();
  for (const auto& sink : sinks) EXPECT_TRUE(sink->Wait().status.ok());
  EXPECT_LE(model->max_rows, 32);
  EXPECT_EQ(model->generators_made, 2);
}

TEST_F(EngineTest, DrainFinishesWhateverWasAdmitted) {
  Use({}, {.max_batch = 2});
  model->gate.Close();
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  for (int i = 0; i < 10; ++i) sinks.push_back(Submit(Request(absl::StrCat(i))));
  model->gate.WaitForHeld();
  bool whole = false;
  std::thread drain([&] { whole = engine->Drain(kNever); });
  // The gate closes at once.
  absl::Status status;
  do {
    auto sink = std::make_shared<RecordingSink>();
    EngineRequest request = Request("late");
    request.sink = sink;
    status = engine->Submit(std::move(request)).status();
    if (status.ok()) engine->Cancel("late").IgnoreError();
  } while (status.ok());
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_EQ(ReasonOf(status), "DRAINING");
  model->gate.Open();
  drain.join();
  EXPECT_TRUE(whole);
  for (const auto& sink : sinks) EXPECT_TRUE(sink->Peek().status.ok());
  for (const auto& sink : sinks) EXPECT_EQ(sink->Peek().dones, 1);
}

TEST_F(EngineTest, DrainCutsAtItsDeadline) {
  Use({}, {.max_batch = 1});
  model->gate.Close();
  auto running = Submit(Request("running", 1000));
  model->gate.WaitForHeld();
  auto queued = Submit(Request("queued"));
  bool whole = true;
  std::thread drain([&] { whole = engine->Drain(Clock::System()->Now()); });
  EXPECT_EQ(ReasonOf(queued->Wait().status), "DRAINING");
  model->gate.Allow(1);
  const absl::Status status = running->Wait().status;
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_EQ(ReasonOf(status), "DRAIN_TIMEOUT");
  drain.join();
  EXPECT_FALSE(whole);
}

TEST_F(EngineTest, ASecondDrainShortensTheFirst) {
  Use({.max_context = 1'000'000}, {.max_batch = 1});
  EngineRequest endless = Request("endless", 900'000);
  endless.sampling.ignore_eos = true;
  auto running = Submit(std::move(endless));
  std::thread patient([&] { EXPECT_FALSE(engine->Drain(kNever)); });
  running->WaitForBytes(10);
  EXPECT_FALSE(engine->Drain(Clock::System()->Now()));
  EXPECT_TRUE(absl::IsUnavailable(running->Wait().status));
  patient.join();
}

}  // namespace
}  // namespace strata
