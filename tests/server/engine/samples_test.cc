// Several samples of one prompt: what each gives, and what they hold together.
#include "tests/server/engine/engine_fixture.h"

namespace strata {
namespace {

class SamplesTest : public EngineTest {
 protected:
  EngineRequest Samples(std::string id, int samples, int64_t max_items = 16) {
    EngineRequest request = Request(std::move(id), max_items);
    request.samples = samples;
    return request;
  }
};

TEST_F(SamplesTest, EachIsWhatTheRequestGivesAloneWithItsSeed) {
  for (const int64_t prefill : {1, 3, 512}) {
    Use({.block = 4}, {.workers = 2,
                       .prefill_items_per_step = prefill,
                       .prefix_cache_bytes = 1 << 20});
    EngineRequest request = Samples("all", 5, 40);
    request.sampling.repetition_penalty = 1.3;
    request.stop = {"a"};
    const auto all = Submit(request)->Wait();
    EXPECT_TRUE(all.status.ok()) << all.status;
    EXPECT_EQ(all.violation, "");
    for (int k = 0; k < 5; ++k) {
      EngineRequest alone = request;
      alone.id = absl::StrCat("alone ", k);
      alone.samples = 1;
      alone.sampling.seed += k;
      const auto expected = Submit(std::move(alone))->Wait();
      EXPECT_EQ(all.sample_data[k], expected.data) << k;
      EXPECT_EQ(all.finishes[k]->reason, expected.finish->reason);
      EXPECT_EQ(all.finishes[k]->generated_items,
                expected.finish->generated_items);
      EXPECT_EQ(all.finishes[k]->sample, k);
    }
    EXPECT_NE(all.sample_data[0], all.sample_data[1]);
    engine.reset();
  }
}

TEST_F(SamplesTest, ThePromptIsReadOnce) {
  int64_t fed = 0;
  Use({.on_step = [&](absl::Span<const StepRow> rows) {
    for (const StepRow& row : rows) fed += row.items.size();
    return absl::OkStatus();
  }});
  EngineRequest request = Samples("one", 4, 3);
  request.items = Prompt(std::string(100, 'x'));
  request.sampling.ignore_eos = true;
  EXPECT_TRUE(Submit(std::move(request))->Wait().status.ok());
  engine.reset();
  EXPECT_EQ(fed, 102 + 4 * 2);
}

TEST_F(SamplesTest, AllBeginWithAKeptPrefix) {
  Use({}, {.prefix_cache_bytes = 1 << 20});
  EngineRequest request = Samples("first", 3);
  request.items = Prompt(std::string(200, 'x'));
  EXPECT_TRUE(Submit(request)->Wait().status.ok());
  request.id = "second";  // finds that the prompt is shared, and where it parts
  EXPECT_TRUE(Submit(request)->Wait().status.ok());
  request.id = "third";
  const auto record = Submit(request)->Wait();
  for (const auto& finish : record.finishes) {
    ASSERT_TRUE(finish.has_value());
    EXPECT_GT(finish->cached_items, 100);
  }
}

TEST_F(SamplesTest, EachHoldsASlotAndAStateUntilItEnds) {
  Use({.bytes_per_item = 10}, {.max_batch = 4});
  model->gate.Close();
  auto three = Submit(Samples("three", 3, 5));
  model->gate.WaitForHeld();
  ExpectLevels(engine->levels(), 0, 3);
  const int64_t state = engine->levels().state_bytes;
  EXPECT_EQ(state, 3 * model->StateBytes(7 + 5));
  auto two = Submit(Samples("two", 2, 5));  // two slots where one is left: waits
  auto one = Submit(Samples("one", 1, 5));  // and is not overtaken
  model->gate.Allow(2);
  model->gate.WaitForHeld();
  ExpectLevels(engine->levels(), 2, 3);
  model->gate.Open();
  for (const auto& sink : {three, two, one}) {
    const auto record = sink->Wait();
    EXPECT_TRUE(record.status.ok()) << record.status;
    EXPECT_EQ(record.violation, "");
  }
  EXPECT_LE(model->max_rows, 4);
  ExpectLevels(engine->levels(), 0, 0);
}

TEST_F(SamplesTest, OneThatEndsEarlyFreesItsOwn) {
  Use({}, {.max_batch = 2});
  EngineRequest request = Samples("pair", 2, 60);
  request.stop = {"a", "b", "c", "d", "e", "f"};
  int64_t lengths[2];
  do {  // until the two end at different times
    ++request.sampling.seed;
    for (int k = 0; k < 2; ++k) {
      EngineRequest alone = request;
      alone.samples = 1;
      alone.sampling.seed += k;
      lengths[k] = Submit(std::move(alone))->Wait().finish->generated_items;
    }
  } while (lengths[0] == lengths[1]);
  const int early = lengths[0] < lengths[1] ? 0 : 1;
  model->gate.Close();
  auto pair = Submit(request);
  model->gate.Allow(static_cast<int>(lengths[early]));  // an item each a step
  pair->WaitForFinish(early);
  model->gate.WaitForHeld();
  ExpectLevels(engine->levels(), 0, 1);
  EXPECT_EQ(engine->levels().state_bytes, model->StateBytes(7 + 60));
  EXPECT_EQ(pair->Peek().dones, 0);
  EXPECT_FALSE(pair->Peek().finishes[1 - early].has_value());
  model->gate.Open();
  EXPECT_EQ(pair->Wait().violation, "");
  ExpectLevels(engine->levels(), 0, 0);
}

TEST_F(SamplesTest, AFaultOfOneEndsAllOnce) {
  // The prompt has seven items; the eighth tells samples apart.
  Use({.is_nan = [](absl::Span<const Item> items) {
    return items.size() == 9 && items[7] % 2 == 0;
  }});
  EngineRequest request = Samples("faulty", 8, 1000);
  request.sampling.ignore_eos = true;
  const auto record = Submit(std::move(request))->Wait();
  EXPECT_LT(model->steps, 10) << "those without a fault went on";
  EXPECT_TRUE(absl::IsInternal(record.status)) << record.status;
  EXPECT_EQ(record.dones, 1);
  EXPECT_EQ(record.violation, "");
  ExpectLevels(engine->levels(), 0, 0);
}

TEST_F(SamplesTest, WithoutMemoryForACopyNothingIsLeft) {
  int made = 0;
  Use({.on_new_sequence = [&](int64_t) {
    return ++made == 3 ? absl::ResourceExhaustedError("no memory")
                       : absl::OkStatus();
  }});
  const auto record = Submit(Samples("many", 4))->Wait();
  EXPECT_TRUE(absl::IsResourceExhausted(record.status)) << record.status;
  EXPECT_EQ(record.violation, "");
  ExpectLevels(engine->levels(), 0, 0);
  EXPECT_TRUE(Submit(Samples("after", 4))->Wait().status.ok());
}

TEST_F(SamplesTest, CancelEndsAll) {
  Use({});
  model->gate.Close();
  auto sink = Submit(Samples("victim", 3, 1000));
  model->gate.Allow(4);
  sink->WaitForBytes(3);
  EXPECT_TRUE(engine->Cancel("victim").ok());
  model->gate.Open();
  const auto record = sink->Wait();
  EXPECT_TRUE(absl::IsCancelled(record.status)) << record.status;
  EXPECT_EQ(record.violation, "");
  ExpectLevels(engine->levels(), 0, 0);
}

TEST_F(SamplesTest, ATimeLimitInTheQueueFinishesEach) {
  Use({}, {.max_batch = 2, .clock = &clock});
  model->gate.Close();
  auto running = Submit(Request("running"));
  model->gate.WaitForHeld();
  EngineRequest late = Samples("late", 2);
  late.time_limit = clock.Now() + std::chrono::seconds(1);
  auto sink = Submit(std::move(late));
  clock.Advance(std::chrono::seconds(2));
  model->gate.Open();
  const auto record = sink->Wait();
  EXPECT_TRUE(record.status.ok()) << record.status;
  for (const auto& finish : record.finishes) {
    ASSERT_TRUE(finish.has_value());
    EXPECT_EQ(finish->reason, FinishReason::kDeadline);
  }
  EXPECT_TRUE(running->Wait().status.ok());
}

TEST_F(SamplesTest, MoreThanRunTogetherAreRefused) {
  Use({.bytes_per_item = 10}, {.max_batch = 4, .state_memory_bytes = 500});
  EXPECT_TRUE(absl::IsInvalidArgument(Refused(Samples("none", 0))));
  EXPECT_TRUE(absl::IsInvalidArgument(Refused(Samples("five", 5))));
  const absl::Status status = Refused(Samples("large", 3));  // 3 * 23 * 10
  EXPECT_EQ(ReasonOf(status), "CONTEXT_LENGTH_EXCEEDED") << status;
  EXPECT_TRUE(Submit(Samples("two", 2))->Wait().status.ok());
}

}  // namespace
}  // namespace strata
