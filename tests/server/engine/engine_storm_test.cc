// Many threads submit, cancel, let time out and drain at once, while steps fail
// and rows turn to NaN: whatever the interleaving, every accepted request ends
// exactly once, no limit is passed, and nothing is left.
#include <map>
#include <random>
#include <set>
#include <thread>

#include "tests/server/engine/engine_fixture.h"

namespace strata {
namespace {

const EngineOptions kOptions = {.workers = 3,
                                .max_batch = 4,
                                .prefill_items_per_step = 16,
                                .max_queued_requests = 20,
                                .max_queued_bytes = 600,
                                .state_memory_bytes = 6000};

// Checks every level that the engine reports against its limits.
class LimitObserver final : public EngineObserver {
 public:
  void OnRejected(absl::string_view) override { ++rejected; }
  void OnAdmitted(absl::string_view, int64_t) override { ++admitted; }
  void OnEnded(absl::string_view outcome, double seconds) override {
    EXPECT_GE(seconds, 0);
    ++ended;
  }
  void OnLevels(int64_t requests, int64_t bytes, int64_t running,
                int64_t state) override {
    EXPECT_LE(requests, kOptions.max_queued_requests);
    EXPECT_LE(bytes, kOptions.max_queued_bytes);
    EXPECT_LE(running, kOptions.workers * kOptions.max_batch);
    EXPECT_LE(state, kOptions.state_memory_bytes);
    EXPECT_GE(std::min({requests, bytes, running, state}), 0);
    last_sum = requests + bytes + running + state;
  }
  std::atomic<int> rejected{0};
  std::atomic<int> admitted{0};
  std::atomic<int> ended{0};
  void OnPrefixLookup(int64_t cached_items) override {
    hits += cached_items > 0;
  }
  void OnPrefixesEvicted(int64_t snapshots) override { evicted += snapshots; }
  void OnDrafts(int64_t fed, int64_t accepted) override {
    EXPECT_LE(accepted, fed);
    guesses += fed;
  }
  std::atomic<int64_t> guesses{0};
  std::atomic<int> hits{0};
  std::atomic<int64_t> evicted{0};
  std::atomic<int64_t> last_sum{-1};
};

constexpr int kThreads = 4;
constexpr int kRequests = 400;

class StormTest : public EngineTest {
 protected:
  void Start() {
    FakeModelOptions options;
    options.bytes_per_item = bytes_per_item_;
    options.on_step = [this](absl::Span<const StepRow>) {
      return ++steps_ % 97 == 0 ? absl::InternalError("boom")
                                : absl::OkStatus();
    };
    options.is_nan = [](absl::Span<const Item> items) {
      return items.size() > 60 && items[1] == 'N';
    };
    if (guesses_) {
      options.drafts = 3;
      options.guess = [](absl::Span<const Item> items) {
        return Item(items[items.size() / 2] % 256);
      };
    }
    EngineOptions engine_options = kOptions;
    if (guesses_) engine_options.draft_streams = kOptions.max_batch;
    engine_options.observer = &observer_;
    engine_options.prefix_cache_bytes = prefix_cache_bytes_;
    Use(std::move(options), engine_options);
  }

  EngineRequest RandomRequest(const std::string& id, std::mt19937* random) {
    auto& r = *random;
    EngineRequest request = Request(
        id, 1 + r() % 60, std::string(r() % 80, r() % 10 == 0 ? 'N' : 'x'));
    request.sampling.seed = r();
    const auto soon = [&] {
      return Clock::System()->Now() + std::chrono::microseconds(r() % 3000);
    };
    if (r() % 4 == 0) request.deadline = soon();
    if (r() % 4 == 0) request.time_limit = soon();
    if (r() % 5 == 0) request.kind = EngineRequest::Kind::kScore;
    if (r() % 3 == 0) request.stop = {"ab", "q"};
    if (r() % 4 == 0) request.samples = 2 + r() % 3;
    return request;
  }

  void SubmitMany(int thread, int count) {
    std::mt19937 random(thread);
    for (int i = 0; i < count; ++i) {
      const std::string id = absl::StrCat(thread, "-", i);
      EngineRequest request = RandomRequest(id, &random);
      auto sink = std::make_shared<RecordingSink>(request.samples);
      const bool suicidal = random() % 8 == 0;
      if (suicidal) {  // cancels itself from the worker's thread
        sink->on_delta = [live = engine.get(), id] {
          live->Cancel(id).IgnoreError();  // also while it is destroyed
        };
      }
      request.sink = sink;
      const bool accepted = engine->Submit(std::move(request)).ok();
      if (accepted && random() % 4 == 0) engine->Cancel(id).IgnoreError();
      {
        MutexLock lock(&mu_);
        (accepted ? accepted_ : refused_).push_back(sink);
      }
      // Some pressure on the queue, but not nothing else. When all that was in
      // it was cancelled no step is made any more.
      const int64_t steps = steps_;
      while (!accepted && !stop_ && steps_ < steps + 10 &&
             engine->levels().queued_requests > 0) {
        std::this_thread::yield();
      }
    }
  }

  void CancelAtRandom(int threads, int count) {
    std::mt19937 random(99);
    while (!stop_) {
      engine->Cancel(absl::StrCat(random() % threads, "-", random() % count))
          .IgnoreError();
      const EngineLevels levels = engine->levels();
      EXPECT_LE(levels.state_bytes + levels.cached_bytes,
                kOptions.state_memory_bytes);
      EXPECT_LE(levels.cached_bytes, prefix_cache_bytes_);
      engine->Healthy(std::chrono::seconds(1));
      engine->ReleaseUnused();
      std::this_thread::yield();
    }
  }

  void Check() {
    std::map<absl::StatusCode, int> codes;
    for (const auto& sink : accepted_) {
      const auto record = sink->Wait();
      EXPECT_EQ(record.dones, 1);
      EXPECT_EQ(record.violation, "");
      ++codes[record.status.code()];
    }
    for (const auto& sink : refused_) EXPECT_EQ(sink->Peek().dones, 0);
    EXPECT_EQ(observer_.admitted, static_cast<int>(accepted_.size()));
    EXPECT_EQ(observer_.rejected, static_cast<int>(refused_.size()));
    EXPECT_EQ(observer_.ended, observer_.admitted);
    EXPECT_EQ(observer_.last_sum, 0);
    ExpectLevels(engine->levels(), 0, 0);
    EXPECT_LE(model->live_bytes, engine->levels().cached_bytes);
    EXPECT_LE(model->max_live_bytes, kOptions.state_memory_bytes);
    EXPECT_LE(model->max_rows, kOptions.max_batch);
    for (const auto& [code, count] : codes) {
      RecordProperty(absl::StatusCodeToString(code), count);
    }
    RecordProperty("refused", static_cast<int>(refused_.size()));
    for (const auto& [code, count] : codes) seen_.insert(code);
  }

  int64_t bytes_per_item_ = 20;
  int64_t prefix_cache_bytes_ = 0;
  bool guesses_ = false;
  std::atomic<int64_t> steps_{0};
  // Starts an engine, submits and cancels from many threads, drains, checks.
  void Storm() {
    Start();
    std::vector<std::thread> submitters;
    for (int t = 0; t < kThreads; ++t) {
      submitters.emplace_back([this, t] { SubmitMany(t, kRequests); });
    }
    std::thread canceller([this] { CancelAtRandom(kThreads, kRequests); });
    for (std::thread& thread : submitters) thread.join();
    EXPECT_TRUE(engine->Drain(MonotonicTime::max()));
    stop_ = true;
    canceller.join();
    Check();
  }

  std::atomic<bool> stop_{false};
  LimitObserver observer_;
  std::set<absl::StatusCode> seen_;
  Mutex mu_;
  std::vector<std::shared_ptr<RecordingSink>> accepted_;
  std::vector<std::shared_ptr<RecordingSink>> refused_;
};

TEST_F(StormTest, EveryAcceptedRequestEndsExactlyOnce) {
  Storm();
  EXPECT_EQ(seen_.count(absl::StatusCode::kOk), 1u);
  EXPECT_EQ(seen_.count(absl::StatusCode::kCancelled), 1u);
  EXPECT_EQ(seen_.count(absl::StatusCode::kInternal), 1u);
}

TEST_F(StormTest, AlsoWithGuesses) {
  guesses_ = true;
  prefix_cache_bytes_ = 3000;
  bytes_per_item_ = 4;
  Storm();
  EXPECT_GT(observer_.guesses, 0);
}

TEST_F(StormTest, AlsoWithSnapshotsThatComeAndGo) {
  for (const int64_t bytes : {3000, 6000}) {
    prefix_cache_bytes_ = bytes;
    bytes_per_item_ = 4;  // or requests would leave nothing
    accepted_.clear();
    refused_.clear();
    observer_.admitted = observer_.rejected = observer_.ended = 0;
    stop_ = false;
    engine.reset();
    Storm();
    EXPECT_GT(observer_.hits, 0);
    EXPECT_GT(observer_.evicted, 0);
  }
}

TEST_F(StormTest, AlsoWhenADrainCutsThrough) {
  for (int round = 0; round < 5; ++round) {
    accepted_.clear();
    refused_.clear();
    observer_.admitted = observer_.rejected = observer_.ended = 0;
    stop_ = false;
    engine.reset();
    steps_ = 0;
    Start();
    std::vector<std::thread> submitters;
    for (int t = 0; t < kThreads; ++t) {
      submitters.emplace_back([this, t] { SubmitMany(t, kRequests / 4); });
    }
    std::thread canceller([this] { CancelAtRandom(kThreads, kRequests / 4); });
    // Of a gate that closes before the first request nothing would be reported.
    while (observer_.admitted == 0 ||
           (steps_ < 40 * round && observer_.admitted < 150)) {
      std::this_thread::yield();
    }
    std::thread patient([this] { engine->Drain(MonotonicTime::max()); });
    std::thread hasty([this, round] {
      engine->Drain(Clock::System()->Now() +
                    std::chrono::microseconds(round * 300));
    });
    patient.join();
    hasty.join();
    stop_ = true;
    for (std::thread& thread : submitters) thread.join();
    canceller.join();
    Check();
  }
}

TEST_F(StormTest, DestructionEndsWhatIsLeft) {
  Start();
  SubmitMany(0, 40);
  engine.reset();
  for (const auto& sink : accepted_) {
    EXPECT_EQ(sink->Peek().dones, 1);
    EXPECT_EQ(sink->Peek().violation, "");
  }
  EXPECT_EQ(model->live_bytes, 0);
}

}  // namespace
}  // namespace strata
