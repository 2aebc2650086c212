// Requests that ask neighbours: in any batch, however a prompt is cut, in scores, in
// samples; and those that do not ask are left alone.
#include "model/sampling.h"
#include "tests/server/engine/engine_fixture.h"
#include "tests/testing/toy_neighbours.h"

namespace strata {
namespace {

class NeighboursTest : public EngineTest {
 protected:
  void UseNeighbours(EngineOptions options = {}, FakeModelOptions model_options = {}) {
    Use(std::move(model_options), options);
    auto served = std::make_shared<ServedVersion>(*version);
    served->neighbours = std::make_shared<ToyNeighbours>();
    version = served;
  }
  EngineRequest Asking(std::string id, double weight, absl::string_view prompt = "hello") {
    EngineRequest request = Request(std::move(id), 24, prompt);
    request.neighbours = {weight, 4, 1};
    return request;
  }
  // What the fake and its neighbours give, item by item, by the formula.
  std::string Want(const EngineRequest& request) {
    std::vector<Item> items = request.items;
    std::string want;
    uint64_t hash = 1;
    for (const Item item : items) hash = RandomBits(hash, 3, item);
    for (int64_t i = 0; i < request.max_items; ++i) {
      std::vector<float> logits(kVocab), hidden(8);
      model->Logits(items, hash, absl::MakeSpan(logits));
      for (size_t d = 0; d < 8; ++d) {
        hidden[d] = static_cast<float>(RandomUniform(hash, 9, d));
      }
      const std::vector<Neighbour> nearest(4, {1, 0, ToyNeighbours::Says(hidden)});
      MixNeighbours(nearest, request.neighbours, absl::MakeSpan(logits));
      const Item item = *SampleItem(logits, request.sampling,
                                    static_cast<int64_t>(items.size()), {});
      if (item == kEos) break;
      items.push_back(item);
      hash = RandomBits(hash, 3, item);
      if (IsByte(item)) want += static_cast<char>(item);
    }
    return want;
  }
};

TEST_F(NeighboursTest, ARequestGetsWhatTheFormulaGivesInAnyBatch) {
  for (const int64_t prefill : {1, 3, 512}) {
    UseNeighbours({.workers = 2, .prefill_items_per_step = prefill,
                   .prefix_cache_bytes = 1 << 20}, {.block = 4});
    std::vector<EngineRequest> requests;
    std::vector<std::shared_ptr<RecordingSink>> sinks;
    for (int i = 0; i < 12; ++i) {
      requests.push_back(Asking(absl::StrCat(i), 0.3 * (i % 4), std::string(1 + i, 'a' + i % 3)));
      requests.back().sampling.seed = i;
      sinks.push_back(Submit(requests.back()));
    }
    for (int i = 0; i < 12; ++i) {
      const auto seen = sinks[i]->Wait();
      EXPECT_TRUE(seen.status.ok()) << seen.status;
      EXPECT_EQ(seen.data, Want(requests[i])) << i << " prefill " << prefill;
    }
    engine.reset();
  }
}

TEST_F(NeighboursTest, GuessesThatHoldAskAsTheOthersDo) {
  // Right about every other item: of the fake one, what it says to the same items.
  FakeModelOptions options;
  options.drafts = 3;
  std::string text;
  options.guess = [&](absl::Span<const Item> items) -> Item {
    const size_t said = items.size() - Prompt("hello").size();
    return said < text.size() && said % 4 != 0 ? static_cast<uint8_t>(text[said]) : 'x';
  };
  int64_t guesses = 0;
  options.on_step = [&](absl::Span<const StepRow> rows) {
    for (const StepRow& row : rows) guesses += row.drafts;
    return absl::OkStatus();
  };
  UseNeighbours({}, std::move(options));
  for (int i = 0; i < 8; ++i) {
    EngineRequest request = Asking(absl::StrCat(i), 0.5, "hello");
    request.max_items = 200;
    request.sampling.seed = i;
    request.sampling.ignore_eos = true;
    text = Want(request);
    EXPECT_EQ(Submit(request)->Wait().data, text) << i;
  }
  EXPECT_GT(guesses, 100);
}

TEST_F(NeighboursTest, WeightZeroIsTheRequestThatDoesNotAsk) {
  UseNeighbours();
  const auto plain = Submit(Request("plain", 24))->Wait();
  EXPECT_EQ(Submit(Asking("zero", 0))->Wait().data, plain.data);
  EXPECT_NE(Submit(Asking("some", 0.9))->Wait().data, plain.data);
}

// Hidden states are handed out where they are asked for, and nowhere else.
TEST_F(NeighboursTest, OnlyWhoAsksGetsHiddenStates) {
  int64_t hidden = 0, logits = 0;
  UseNeighbours({.prefill_items_per_step = 2},
                {.on_step = [&](absl::Span<const StepRow> rows) {
                  for (const StepRow& row : rows) {
                    hidden += !row.hidden.empty();
                    logits += !row.logits.empty();
                  }
                  return absl::OkStatus();
                }});
  Submit(Request("plain", 5))->Wait();
  EXPECT_EQ(hidden, 0);
  logits = 0;
  Submit(Asking("asks", 0.5))->Wait();
  EXPECT_EQ(hidden, logits);
  EXPECT_GT(hidden, 0);
}

TEST_F(NeighboursTest, ScoresAreThoseOfTheMixture) {
  for (const int64_t prefill : {2, 512}) {
    UseNeighbours({.prefill_items_per_step = prefill});
    EngineRequest request = Asking("score", 0.4, "some TEXT");
    request.kind = EngineRequest::Kind::kScore;
    request.max_items = 0;
    const std::vector<Item> items = request.items;
    const auto seen = Submit(std::move(request))->Wait();
    ASSERT_EQ(seen.scores.size(), items.size() - 1);
    uint64_t hash = 1;
    for (size_t i = 0; i + 1 < items.size(); ++i) {
      hash = RandomBits(hash, 3, items[i]);
      std::vector<float> logits(kVocab), state(8);
      model->Logits(absl::MakeConstSpan(items).first(i + 1), hash, absl::MakeSpan(logits));
      for (size_t d = 0; d < 8; ++d) state[d] = static_cast<float>(RandomUniform(hash, 9, d));
      MixNeighbours(std::vector<Neighbour>(4, {1, 0, ToyNeighbours::Says(state)}),
                    {0.4, 4, 1}, absl::MakeSpan(logits));
      EXPECT_EQ(seen.scores[i], LogProb(logits, items[i + 1]) / 0.69314718055994530942);
    }
    engine.reset();
  }
}

TEST_F(NeighboursTest, EachSampleAsksForItself) {
  UseNeighbours({.prefix_cache_bytes = 1 << 20});
  EngineRequest request = Asking("all", 0.6);
  request.samples = 3;
  const auto all = Submit(request)->Wait();
  EXPECT_TRUE(all.status.ok()) << all.status;
  for (int k = 0; k < 3; ++k) {
    EngineRequest alone = request;
    alone.samples = 1;
    alone.sampling.seed += k;
    EXPECT_EQ(all.sample_data[k], Want(alone)) << k;
  }
}

}  // namespace
}  // namespace strata
