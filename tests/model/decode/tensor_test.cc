// P5 to P9 for the tensor executor: step by step, in ragged batches, through
// forks and memory that is used again, it computes the model of model/README.md.

#include <torch/torch.h>

#include <algorithm>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/base/random.h"
#include "tests/model/decode/tensor_fixture.h"

namespace strata {
namespace {

using ::testing::HasSubstr;

// What feeds many items at a time, or none: recording changes nothing of it.
class PlainTensorTest : public TensorTest {};

TEST_P(TensorTest, EveryStepEqualsTheFullModel) {
  const auto items = RandomItems(131, 3, config.vocab);
  const auto want = Want(items);
  auto sequence = New(131);
  for (int64_t t = 0; t < 131; ++t) {
    const auto got = Feed(sequence.get(), items, t, t + 1);
    ASSERT_LE(Distance(got, want.slice(0, t + 1, t + 2)), kExact)
        << "after item " << t;
  }
  EXPECT_GT(want.abs().max().item<double>(), 5) << "too small to mean anything";
}

TEST_P(TensorTest, EveryStepEqualsTheFullModelInFloat) {
  Use(GetParam().config, torch::kFloat);
  const auto items = RandomItems(131, 4, config.vocab);
  const auto want = Want(items);
  // 1e-4 of logits that range over 6; random configs have some that range further.
  const double tolerance =
      1e-4 * std::max(6.0, want.abs().max().item<double>()) / 6;
  auto sequence = New(131);
  for (int64_t t = 0; t < 131; ++t) {
    ASSERT_LE(Distance(Feed(sequence.get(), items, t, t + 1),
                       want.slice(0, t + 1, t + 2)),
              tolerance);
  }
}

// Rounded weights and states: all logits together agree, with those of the weights as they
// are kept. What compares may fall on the other side.
TEST_P(TensorTest, InBf16TheLogitsAreNearTheFullModels) {
  Use(GetParam().config, torch::kBFloat16);
  const auto items = RandomItems(75, 4, config.vocab);
  const Rows rows = NaiveLogits(config, weights->Rounded(16), items);
  const auto want = TensorOf(rows);
  auto sequence = New(75);
  std::vector<torch::Tensor> got;
  for (int64_t t = 0; t < 50; ++t) got.push_back(Feed(sequence.get(), items, t, t + 1));
  got.push_back(Feed(sequence.get(), items, 50, 75));
  EXPECT_EQ(sequence->bytes(), StateBytes(config, 75, 2));
  if (Compares(config)) return;
  const auto off = at::cat(got) - want.slice(0, 1);
  EXPECT_LE(off.norm().item<double>(), 0.1 * want.norm().item<double>());
}

TEST_P(PlainTensorTest, EverySplitOfAPrefillEqualsTheFullModel) {
  const auto items = RandomItems(67, 5, config.vocab);
  const auto want = Want(items).slice(0, 1);
  for (int64_t cut = 1; cut <= 67; ++cut) {
    auto sequence = New(67);
    auto got = Feed(sequence.get(), items, 0, cut);
    if (cut < 67) got = at::cat({got, Feed(sequence.get(), items, cut, 67)});
    ASSERT_LE(Distance(got, want), kExact) << "cut at " << cut;
  }
}

TEST_P(PlainTensorTest, RingsThatWrappedStillEqualTheFullModel) {
  const auto items = RandomItems(331, 6, config.vocab);
  const auto want = Want(items).slice(0, 1);
  for (const int64_t chunk : {3, 7, 24, 100}) {
    auto sequence = New(331);
    std::vector<torch::Tensor> got;
    for (int64_t begin = 0; begin < 331; begin += chunk) {
      got.push_back(Feed(sequence.get(), items, begin,
                         std::min<int64_t>(begin + chunk, 331)));
    }
    ASSERT_LE(Distance(at::cat(got), want), kExact) << "chunks of " << chunk;
  }
}

// Sequences at other offsets, of other lengths, coming and going: the memory of
// those that went is used again, and the pool grows under those that stay.
TEST_P(TensorTest, ARowInARaggedBatchEqualsTheFullModel) {
  struct Stream {
    std::vector<Item> items;
    std::unique_ptr<Sequence> sequence;
    torch::Tensor want;
    int64_t fed = 0;
  };
  std::vector<Stream> streams;
  for (uint64_t turn = 0; turn < 110; ++turn) {
    if (streams.size() < 9 && turn < 60) {
      const int64_t n = 1 + (turn * 37) % 151;
      Stream s{RandomItems(n, 100 + turn, config.vocab), New(n + turn % 3), {}, 0};
      s.want = Want(s.items);
      streams.push_back(std::move(s));
    }
    std::vector<StepRow> rows;
    std::vector<float> room(64 * config.vocab);
    std::vector<torch::Tensor> want;
    for (size_t i = 0; i < streams.size(); ++i) {
      Stream& s = streams[i];
      const uint64_t bits = RandomBits(9, i, turn);
      if (bits % 4 == 0) continue;
      const int64_t n = std::min<int64_t>(
          bits % 5 == 0 ? 1 + (bits >> 8) % 40 : 1, s.items.size() - s.fed);
      const bool wanted = bits % 7 != 0;
      rows.push_back({s.sequence.get(),
                      absl::MakeConstSpan(s.items).subspan(s.fed, n),
                      absl::MakeSpan(room).subspan(0, wanted ? config.vocab : 0)});
      s.fed += n;
      if (wanted) want.push_back(s.want.slice(0, s.fed, s.fed + 1));
    }
    if (rows.empty()) continue;
    auto got = generator->StepExact(rows);
    ASSERT_TRUE(got.ok()) << got.status();
    ASSERT_EQ(got->defined(), !want.empty());
    if (!want.empty()) {
      ASSERT_LE(Distance(*got, at::cat(want)), kExact) << "turn " << turn;
    }
    streams.erase(std::remove_if(streams.begin(), streams.end(),
                                 [](const Stream& s) {
                                   return s.fed == int64_t(s.items.size());
                                 }),
                  streams.end());
  }
}

TEST_P(TensorTest, ForksAndRestoresReplay) {
  const auto items = RandomItems(90, 21, config.vocab);
  const auto other = RandomItems(90, 22, config.vocab);
  const auto want = Want(items).slice(0, 1);
  auto sequence = New(90);
  for (int64_t t = 0; t < 89; ++t) {
    auto snapshot = generator->Fork(*sequence);
    ASSERT_TRUE(snapshot.ok()) << snapshot.status();
    EXPECT_EQ((*snapshot)->bytes(), sequence->bytes());
    Feed(sequence.get(), other, t, std::min<int64_t>(90, t + 1 + t % 40));
    ASSERT_TRUE(generator->Restore(**snapshot, sequence.get()).ok());
    ASSERT_EQ(sequence->size(), t);
    ASSERT_LE(Distance(Feed(sequence.get(), items, t, t + 1),
                       want.slice(0, t, t + 1)),
              kExact);
  }
}

TEST_P(PlainTensorTest, AForkOfAnotherCapacityGoesOnAsIfAlwaysThatLarge) {
  const auto items = RandomItems(331, 24, config.vocab);
  const auto want = Want(items).slice(0, 1);
  for (const int64_t at : {0, 1, 16, 17, 64, 65, 130, 300}) {
    auto sequence = New(at + 29);
    if (at > 0) Feed(sequence.get(), items, 0, at);
    auto kept = generator->Fork(*sequence, std::max<int64_t>(1, at));
    ASSERT_TRUE(kept.ok()) << kept.status();
    for (const int64_t last : {at + 5, at + 31, int64_t{331}}) {
      const int64_t end = std::min<int64_t>(331, last);
      auto fork = generator->Fork(**kept, end);
      ASSERT_TRUE(fork.ok()) << fork.status();
      ASSERT_LE(Distance(Feed(fork->get(), items, at, end),
                         want.slice(0, at, end)),
                kExact)
          << at << " -> " << end;
    }
  }
}

TEST_P(PlainTensorTest, BytesEqualTheFormula) {
  for (const int64_t capacity : {1, 17, 257, 4096}) {
    auto sequence = New(capacity);
    EXPECT_EQ(sequence->bytes(), StateBytes(config, capacity, 8));
    EXPECT_EQ(model->StateBytes(capacity), sequence->bytes());
  }
}

TEST_P(PlainTensorTest, LogitsComeWhereTheyAreAsked) {
  const auto items = RandomItems(40, 14, config.vocab);
  const auto want = Want(items).to(torch::kFloat).contiguous();
  auto a = New(40), b = New(40), c = New(40);
  const int vocab = config.vocab;
  std::vector<float> last(vocab), all(40 * vocab);
  ASSERT_TRUE(generator
                  ->Step({{a.get(), items, absl::MakeSpan(last)},
                          {b.get(), items, {}},
                          {c.get(), items, absl::MakeSpan(all)}})
                  .ok());
  const float* rows = want.const_data_ptr<float>();
  for (int v = 0; v < vocab; ++v) EXPECT_NEAR(last[v], rows[40 * vocab + v], 1e-5);
  for (int i = 0; i < 40 * vocab; ++i) EXPECT_NEAR(all[i], rows[vocab + i], 1e-5);
  EXPECT_EQ(b->size(), 40);
}

// What goes into the head, beside logits or without: the head makes the logits of it, and
// in a batch it is the row's own.
TEST_P(PlainTensorTest, HiddenStatesComeWhereTheyAreAskedAndAreWhatTheHeadReads) {
  const auto items = RandomItems(40, 15, config.vocab);
  const int64_t dim = config.levels[0].dim, vocab = config.vocab;
  std::vector<float> logits(40 * vocab), hidden(40 * dim), last(dim), plain(vocab);
  auto a = New(40), b = New(40), c = New(40);
  const auto both = generator->StepBoth(
      {{a.get(), items, absl::MakeSpan(logits), absl::MakeSpan(hidden)}});
  ASSERT_TRUE(both.ok()) << both.status();
  const std::vector<double>& head = weights->at("head.weight");
  const auto matrix = torch::tensor(head, torch::kDouble).view({vocab, dim});
  ASSERT_LE(Distance(both->logits, both->hidden.matmul(matrix.t())), 1e-11);
  a = New(40);
  ASSERT_TRUE(generator
                  ->Step({{a.get(), items, {}, absl::MakeSpan(hidden)},
                          {b.get(), items, absl::MakeSpan(plain)},
                          {c.get(), items, {}, absl::MakeSpan(last)}})
                  .ok());
  const auto want = both->hidden.to(torch::kFloat).contiguous();
  const float* rows = want.const_data_ptr<float>();
  for (int64_t i = 0; i < 40 * dim; ++i) ASSERT_NEAR(hidden[i], rows[i], 1e-5);
  for (int64_t d = 0; d < dim; ++d) ASSERT_NEAR(last[d], rows[39 * dim + d], 1e-5);
  const auto full = both->logits.to(torch::kFloat).contiguous();
  for (int64_t v = 0; v < vocab; ++v) {
    ASSERT_NEAR(plain[v], full.const_data_ptr<float>()[39 * vocab + v], 1e-5);
  }
}

TEST_P(PlainTensorTest, BadRowsAreRefusedAndNoRowAdvances) {
  const auto items = RandomItems(10, 31, config.vocab);
  auto good = New(16), small = New(8);
  const StepRow fine{good.get(), items, {}};
  const std::vector<Item> high = {3, config.vocab};
  const std::vector<std::pair<StepRow, std::string>> cases = {
      {{nullptr, items, {}}, "null"},
      {{small.get(), {}, {}}, "no items"},
      {{small.get(), items, {}}, "room for 8"},
      {{small.get(), high, {}}, "item is " + std::to_string(config.vocab)},
      {fine, "twice"},
  };
  for (const auto& [row, message] : cases) {
    EXPECT_THAT(generator->Step({fine, row}).message(), HasSubstr(message));
    EXPECT_EQ(good->size(), 0);
  }
  EXPECT_FALSE(generator->NewSequence(0).ok());
  EXPECT_FALSE(generator->NewSequence(config.max_context + 1).ok());
  EXPECT_FALSE(generator->Restore(*good, small.get()).ok());
  EXPECT_FALSE(model->NewGenerator({.threads = 0}).ok());
  EXPECT_EQ(model->executor(), absl::StrCat("tensor-", TestDevice().str()));
}

TEST_P(PlainTensorTest, ADamagedSequenceIsRefusedUntilItIsRestored) {
  const auto items = RandomItems(10, 32, config.vocab);
  auto sequence = New(16);
  auto snapshot = generator->Fork(*sequence);
  ASSERT_TRUE(snapshot.ok());
  static_cast<TensorSequence*>(sequence.get())->set_damaged(true);
  EXPECT_EQ(generator->Step({{sequence.get(), items, {}}}).code(),
            absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(generator->Restore(**snapshot, sequence.get()).ok());
  EXPECT_TRUE(generator->Step({{sequence.get(), items, {}}}).ok());
}

INSTANTIATE_TEST_SUITE_P(Configs, TensorTest, ::testing::ValuesIn(Cases()), CaseName);
INSTANTIATE_TEST_SUITE_P(Configs, PlainTensorTest, ::testing::ValuesIn(Cases(false)),
                         CaseName);

}  // namespace
}  // namespace strata
