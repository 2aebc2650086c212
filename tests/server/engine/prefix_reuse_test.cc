// Snapshots of prefixes: when they are taken and found, that no result depends
// on them, and that they stand in nobody's way.
#include "server/engine/prefix_reuse.h"

#include <map>
#include <random>

#include "tests/server/engine/engine_fixture.h"

namespace strata {
namespace {

constexpr int64_t kMiB = 1 << 20;

class PrefixCounts final : public EngineObserver {
 public:
  void OnPrefixLookup(int64_t cached_items) override {
    ++(cached_items > 0 ? hits : misses);
  }
  void OnPrefixesEvicted(int64_t snapshots) override { evicted += snapshots; }
  void OnPrefixBytes(int64_t bytes) override { cached = bytes; }
  std::atomic<int64_t> hits{0};
  std::atomic<int64_t> misses{0};
  std::atomic<int64_t> evicted{0};
  std::atomic<int64_t> cached{0};
};

class PrefixTest : public EngineTest {
 protected:
  // The observer outlives the engine.
  void Start(FakeModelOptions model_options, EngineOptions options) {
    engine.reset();
    options.observer = &counts;
    Use(std::move(model_options), options);
  }

  RecordingSink::Record Run(std::vector<Item> items, int64_t max_items = 20,
                            std::vector<std::string> stop = {}) {
    EngineRequest request = Request(absl::StrCat("r", ++runs_), max_items);
    request.items = std::move(items);
    request.stop = std::move(stop);
    return Submit(std::move(request))->Wait();
  }
  int64_t Cached(std::vector<Item> items, int64_t max_items = 20) {
    return Run(std::move(items), max_items).finish->cached_items;
  }

  PrefixCounts counts;

 private:
  int runs_ = 0;
};

// A chat's next prompt: what was sent, what was answered, EOS, and more.
std::vector<Item> NextTurn(std::vector<Item> prompt, absl::string_view answer,
                           absl::string_view message) {
  for (const char c : answer) prompt.push_back(static_cast<uint8_t>(c));
  prompt.push_back(kEos);
  for (const char c : message) prompt.push_back(static_cast<uint8_t>(c));
  prompt.push_back(kSep);
  return prompt;
}

TEST_F(PrefixTest, ATurnOfAChatDoesNotReadItsHistoryAgain) {
  std::atomic<int64_t> fed{0};
  const std::string answer(100, 'y');
  Start({.next = Says(answer),
         .on_step =
             [&](absl::Span<const StepRow> rows) {
               for (const StepRow& row : rows) fed += row.items.size();
               return absl::OkStatus();
             }},
        {.prefix_cache_bytes = kMiB});
  std::vector<Item> prompt = Prompt(std::string(300, 'x'));
  for (int turn = 0; turn < 5; ++turn) {
    fed = 0;
    const int64_t size = prompt.size();
    const auto record = Run(prompt, 200);
    EXPECT_EQ(record.data, answer);
    const int64_t cached = record.finish->cached_items;
    // All but the EOS and the new message; nothing at first.
    EXPECT_EQ(cached, turn == 0 ? 0 : size - 4);
    EXPECT_EQ(fed, size - cached + 100);
    EXPECT_EQ(record.progress.back().first, size);
    prompt = NextTurn(prompt, answer, "hm");
  }
  EXPECT_EQ(counts.hits, 4);
  EXPECT_EQ(counts.misses, 1);
}

TEST_F(PrefixTest, APromptIsKeptForAnAnswerThatComesBackOtherwise) {
  Start({.next = Says(std::string(150, 'y') + "STOP")},
        {.prefix_cache_bytes = kMiB});
  const std::vector<Item> prompt = Prompt(std::string(300, 'x'));
  const auto first = Run(prompt, 200, {"STOP"});
  EXPECT_EQ(first.finish->reason, FinishReason::kStop);
  EXPECT_EQ(Cached(NextTurn(prompt, first.data, "hm")),
            static_cast<int64_t>(prompt.size()));
}

TEST_F(PrefixTest, WhatTwoPromptsShareIsKeptForTheThird) {
  Start({}, {.prefix_cache_bytes = kMiB});
  const std::string system(200, 's');
  EXPECT_EQ(Cached(Prompt(system + std::string(90, 'a'))), 0);
  EXPECT_EQ(Cached(Prompt(system + std::string(90, 'b'))), 0);
  EXPECT_EQ(Cached(Prompt(system + std::string(90, 'c'))), 201);  // with SOS
  // The same prompt again: all but the item whose logits are wanted.
  const std::vector<Item> again = Prompt(std::string(100, 'z'));
  EXPECT_EQ(Cached(again), 0);
  EXPECT_EQ(Cached(again), 0);
  EXPECT_EQ(Cached(again), 101);
}

TEST_F(PrefixTest, ShortPrefixesAreNotKept) {
  Start({}, {.prefix_cache_bytes = kMiB});
  for (int i = 0; i < 4; ++i) EXPECT_EQ(Cached(Prompt("hello"), 10), 0);
  EXPECT_EQ(engine->levels().cached_bytes, 0);
}

TEST_F(PrefixTest, OffAndOptedOutNothingIsKeptOrFound) {
  const std::vector<Item> prompt = Prompt(std::string(300, 'x'));
  Start({}, {.prefix_cache_bytes = 0});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Cached(prompt), 0);
  EXPECT_EQ(model->live_bytes, 0);
  Start({}, {.prefix_cache_bytes = kMiB});
  for (int i = 0; i < 3; ++i) {
    EngineRequest request = Request("private");
    request.items = prompt;
    request.prefix_cache = false;
    Submit(std::move(request))->Wait();
    EXPECT_EQ(engine->levels().cached_bytes, 0);
  }
  EXPECT_EQ(Cached(prompt), 0) << "a private prompt was kept";
  EXPECT_GT(engine->levels().cached_bytes, 0);
  EngineRequest request = Request("private");
  request.items = NextTurn(prompt, "", "more");
  request.prefix_cache = false;
  EXPECT_EQ(Submit(std::move(request))->Wait().finish->cached_items, 0);
}

TEST_F(PrefixTest, BytesAreCountedToTheLast) {
  Start({.bytes_per_item = 100}, {.prefix_cache_bytes = kMiB});
  Run(Prompt(std::string(298, 'x')), 50);
  // The prompt of 300, since 49 more are not worth another.
  EXPECT_EQ(model->live_bytes, 300 * 100);
  EXPECT_EQ(engine->levels().cached_bytes,
            300 * 100 + 300 * 4 + kSnapshotOverhead);
  EXPECT_EQ(counts.cached, engine->levels().cached_bytes);
}

TEST_F(PrefixTest, ASequenceWithLittleToSpareIsHandedOver) {
  for (const int64_t spare : {0, 80, 200}) {
    std::atomic<int64_t> made{0};
    Start({.bytes_per_item = 10,
           .next = Says(std::string(349, 'y')),
           .on_new_sequence =
               [&](int64_t) {
                 ++made;
                 return absl::OkStatus();
               }},
          {.prefix_cache_bytes = kMiB});
    // 7 items of the prompt, 349 and an EOS that is not fed.
    EXPECT_EQ(Run(Prompt("hello"), 349 + spare).finish->reason,
              spare == 0 ? FinishReason::kMaxTokens : FinishReason::kEos);
    const int64_t size = spare == 0 ? 355 : 356;
    EXPECT_EQ(made, spare == 200 ? 2 : 1);
    EXPECT_EQ(model->live_bytes, 10 * (spare == 200 ? size : 356 + spare));
    EXPECT_EQ(engine->levels().state_bytes, 0);
    EXPECT_EQ(engine->levels().cached_bytes,
              model->live_bytes + 4 * size + kSnapshotOverhead);
  }
}

TEST_F(PrefixTest, TheCacheStaysWithinItsOwnLimitByUse) {
  Start({.bytes_per_item = 100}, {.prefix_cache_bytes = 100'000});
  const auto prompt = [](int i) {
    return Prompt(std::string(298, static_cast<char>('A' + i)));
  };
  // Each leaves 31,712 bytes: three fit.
  for (int i = 0; i < 3; ++i) Run(prompt(i), 2);
  EXPECT_EQ(Cached(NextTurn(prompt(0), "", "")), 300);  // in use again
  Run(prompt(3), 2);
  EXPECT_EQ(counts.evicted, 1);
  EXPECT_LE(engine->levels().cached_bytes, 100'000);
  EXPECT_EQ(Cached(NextTurn(prompt(1), "", ""), 1), 0);
  EXPECT_EQ(Cached(NextTurn(prompt(0), "", ""), 1), 300);
}

TEST_F(PrefixTest, ARequestGetsTheMemoryThatItNeedsAtOnce) {
  Start({.bytes_per_item = 100},
        {.state_memory_bytes = 100'000, .prefix_cache_bytes = kMiB});
  for (int i = 0; i < 5; ++i) {
    Run(Prompt(std::string(198, static_cast<char>('A' + i))), 2);
  }
  const int64_t before = engine->levels().cached_bytes;
  EXPECT_GT(before, 60'000);
  // All of the budget: it waits for nobody, and every snapshot goes.
  EXPECT_TRUE(Run(Prompt(std::string(500, 'z')), 498).status.ok());
  EXPECT_LE(model->max_live_bytes, 100'000);
  EXPECT_EQ(engine->levels().cached_bytes, 0);
  // As much as it needs, and no more.
  for (int i = 0; i < 5; ++i) {
    Run(Prompt(std::string(198, static_cast<char>('A' + i))), 2);
  }
  const int64_t evicted = counts.evicted;
  EXPECT_TRUE(Run(Prompt("z"), 200).status.ok());
  EXPECT_GT(engine->levels().cached_bytes, 40'000);
  EXPECT_LE(counts.evicted - evicted, 2);
}

TEST_F(PrefixTest, NoMemoryForASnapshotIsNoFault) {
  Start({.next = Says("yes"),
         .on_new_sequence =
             [](int64_t capacity) {
               // The request's own is of 702.
               return capacity < 702 ? absl::ResourceExhaustedError("full")
                                     : absl::OkStatus();
             }},
        {.prefix_cache_bytes = kMiB});
  EXPECT_TRUE(Run(Prompt(std::string(300, 'x')), 400).status.ok());
  EXPECT_EQ(engine->levels().cached_bytes, 0) << "reserved for nothing";
}

TEST_F(PrefixTest, NothingIsKeptOfWhatFailedOrWasCancelled) {
  Start({.is_nan = [](absl::Span<const Item> items) {
    return items.size() > 400;
  }},
        {.prefix_cache_bytes = kMiB});
  Run(Prompt(std::string(450, 'x')));
  EXPECT_EQ(engine->levels().cached_bytes, 0);
}

TEST_F(PrefixTest, SnapshotsKeepNoVersionAlive) {
  for (const bool told_in_time : {true, false}) {
    Start({}, {.prefix_cache_bytes = kMiB});
    Run(Prompt(std::string(300, 'x')));
    EXPECT_GT(engine->levels().cached_bytes, 0);
    const std::weak_ptr<FakeModel> weights = model;
    model.reset();
    auto in_hand = std::move(version);
    if (told_in_time) in_hand.reset();
    engine->ReleaseUnused();
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    in_hand.reset();  // somebody had it for a moment
    while (!weights.expired()) std::this_thread::yield();
    while (counts.cached != 0) std::this_thread::yield();
    EXPECT_EQ(engine->levels().cached_bytes, 0);
  }
}

TEST_F(PrefixTest, AVersionDoesNotBeginWithAnothersState) {
  Start({}, {.prefix_cache_bytes = kMiB});
  const std::vector<Item> prompt = Prompt(std::string(300, 'x'));
  Run(prompt);
  const auto old = version;
  version = MakeVersion(std::make_shared<FakeModel>(), "2");
  EXPECT_EQ(Cached(NextTurn(prompt, "", "")), 0);
  version = old;
  EXPECT_EQ(Cached(NextTurn(prompt, "", "")), 302);
  engine.reset();
}

// Devices that do not share their memory do not share snapshots either.
TEST_F(PrefixTest, ASnapshotIsOfUseWhereItLivesAlone) {
  Start({.workers_apart = true}, {.workers = 3,
                                  .max_batch = 2,
                                  .state_memory_bytes = 60'000,
                                  .state_memory_per_worker = true,
                                  .prefix_cache_bytes = 30'000});
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  for (int i = 0; i < 200; ++i) {
    EngineRequest request = Request(absl::StrCat("r", i));
    request.items = Prompt(std::string(100 + i % 5 * 80, 'x'));
    sinks.push_back(Submit(std::move(request)));
  }
  for (const auto& sink : sinks) EXPECT_TRUE(sink->Wait().status.ok());
  EXPECT_GT(counts.hits, 0);
  EXPECT_LE(engine->levels().cached_bytes, 3 * 30'000);
}

TEST_F(PrefixTest, TheWorkerWithThePrefixIsPreferredWhereItCostsNothing) {
  StepGate gate;
  Start({.workers_apart = true,
         .on_step =
             [&](absl::Span<const StepRow> rows) {
               if (rows[0].sequence->capacity() == 1000) gate.Pass();
               return absl::OkStatus();
             }},
        {.workers = 3,
         .state_memory_per_worker = true,
         .prefix_cache_bytes = kMiB});
  for (int i = 0; i < 40; ++i) {
    std::vector<Item> prompt = Prompt(absl::StrCat(i, std::string(200, 'x')));
    const auto first = Run(prompt);
    EXPECT_EQ(Cached(NextTurn(prompt, first.data, "more")),
              static_cast<int64_t>(prompt.size()));
  }
  // A busy one is not waited for: the same prompt again, while the worker that
  // answered it is held in a step of another.
  gate.Close();
  const std::vector<Item> prompt = Prompt(std::string(300, 'y'));
  EXPECT_EQ(Cached(prompt), 0);
  EngineRequest busy = Request("busy", 1000 - prompt.size() - 10);
  busy.items = NextTurn(prompt, "", "busy mmm");
  ASSERT_EQ(busy.items.size(), prompt.size() + 10);
  const auto held = Submit(std::move(busy));
  gate.WaitForHeld();
  EXPECT_EQ(Cached(NextTurn(prompt, "", "more")), 0);
  gate.Open();
  EXPECT_EQ(held->Wait().finish->cached_items,
            static_cast<int64_t>(prompt.size()));
}

// 200 requests of chats, shared documents and repetitions.
std::vector<EngineRequest> SharingRequests(
    const std::shared_ptr<const ServedVersion>& version) {
  std::mt19937 random(11);
  std::vector<EngineRequest> requests;
  std::vector<std::vector<Item>> prompts;
  for (int i = 0; i < 200; ++i) {
    std::vector<Item> items;
    if (i < 10 || random() % 8 == 0) {
      items = Prompt(std::string(random() % 400, 'a' + i % 4));
    } else {
      items = prompts[random() % prompts.size()];
      if (random() % 3 == 0) items.resize(1 + random() % items.size());
      if (random() % 4 > 0) items = NextTurn(items, "yes", "and then?");
      if (items.size() > 1500) items.resize(1500);
    }
    prompts.push_back(items);
    EngineRequest request;
    request.id = absl::StrCat("r", i);
    request.version = version;
    request.items = std::move(items);
    request.sampling.seed = i / 3;
    request.sampling.repetition_penalty = i % 4 == 0 ? 1.3 : 1;
    request.max_items = 1 + random() % 120;
    request.prefix_cache = i % 10 != 0;
    if (i % 5 == 0) request.stop = {"a", "xyz"};
    if (i % 9 == 8) request.kind = EngineRequest::Kind::kScore;
    requests.push_back(std::move(request));
  }
  return requests;
}

TEST_F(PrefixTest, ResultsAreTheSameWithAndWithoutSnapshots) {
  std::vector<RecordingSink::Record> expected;
  const EngineOptions variants[] = {
      {.prefix_cache_bytes = 0},
      {.max_batch = 1, .prefix_cache_bytes = 64 * kMiB},
      {.workers = 3, .max_batch = 5, .prefill_items_per_step = 37,
       .prefix_cache_bytes = 64 * kMiB},
      // So little that snapshots come and go all the time.
      {.workers = 2, .max_batch = 3, .prefix_cache_bytes = 40'000},
      {.workers = 3, .max_batch = 8, .state_memory_bytes = 60'000,
       .prefix_cache_bytes = 60'000},
  };
  for (const EngineOptions& options : variants) {
    counts.hits = counts.evicted = 0;
    Start({}, options);
    std::vector<std::shared_ptr<RecordingSink>> sinks;
    for (EngineRequest& request : SharingRequests(version)) {
      sinks.push_back(Submit(std::move(request)));
    }
    for (size_t i = 0; i < sinks.size(); ++i) {
      const auto record = sinks[i]->Wait();
      EXPECT_TRUE(record.status.ok()) << record.status;
      EXPECT_EQ(record.violation, "");
      if (expected.size() < sinks.size()) {
        expected.push_back(record);
        continue;
      }
      EXPECT_EQ(record.data, expected[i].data) << i;
      EXPECT_EQ(record.scores, expected[i].scores);
      if (!record.finish.has_value()) continue;
      EXPECT_EQ(record.finish->reason, expected[i].finish->reason);
    }
    EXPECT_EQ(counts.hits > 0, options.prefix_cache_bytes > 0) << counts.hits;
    if (options.prefix_cache_bytes > kMiB) {
      EXPECT_GT(counts.hits, 60);
    } else if (options.prefix_cache_bytes > 0) {
      EXPECT_GT(counts.evicted, 30);
    }
    EXPECT_LE(model->max_live_bytes, options.state_memory_bytes);
    EXPECT_LE(engine->levels().cached_bytes, options.prefix_cache_bytes);
  }
}

}  // namespace
}  // namespace strata
