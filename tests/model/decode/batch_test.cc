// P7: a row's bits depend on its own items alone: not on the batch, its phases,
// its chunks, the threads, the worker, or what memory held before.

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "model/base/random.h"
#include "tests/model/decode/decode_fixture.h"

namespace strata {
namespace {

struct Stream {
  std::unique_ptr<Sequence> sequence;
  std::vector<Item> items;
  int64_t fed = 0;
  std::vector<std::vector<float>> logits;  // after each item
};

// Steps all streams to their ends in ragged batches: each step feeds a random
// subset of them, each a random number of items.
void RunRagged(Bench<float>* bench, CpuGenerator<float>* generator,
               std::vector<Stream>* streams, uint64_t seed) {
  const int64_t vocab = bench->config.vocab;
  for (uint64_t step = 0;; ++step) {
    std::vector<Stream*> members;
    std::vector<StepRow> rows;
    std::vector<std::vector<float>> outputs;
    bool open = false;
    for (size_t i = 0; i < streams->size(); ++i) {
      Stream& s = (*streams)[i];
      const int64_t left = static_cast<int64_t>(s.items.size()) - s.fed;
      if (left == 0) continue;
      open = true;
      const uint64_t bits = RandomBits(seed, i, step);
      if (bits % 3 == 0) continue;
      const int64_t n = bits % 5 == 0 ? 1 + (bits >> 8) % 21 : 1;
      members.push_back(&s);
      outputs.emplace_back(std::min(n, left) * vocab);
      rows.push_back({s.sequence.get(),
                      absl::MakeConstSpan(s.items)
                          .subspan(s.fed, std::min(n, left)),
                      {}});
    }
    if (!open) return;
    if (rows.empty()) continue;
    for (size_t i = 0; i < rows.size(); ++i) {
      rows[i].logits = absl::MakeSpan(outputs[i]);
    }
    ASSERT_TRUE(generator->Step(rows).ok());
    for (size_t i = 0; i < rows.size(); ++i) {
      members[i]->fed += rows[i].items.size();
      for (size_t j = 0; j < outputs[i].size(); j += vocab) {
        members[i]->logits.emplace_back(outputs[i].begin() + j,
                                        outputs[i].begin() + j + vocab);
      }
    }
  }
}

std::vector<Stream> MakeStreams(Bench<float>* bench, int count) {
  std::vector<Stream> streams;
  for (int i = 0; i < count; ++i) {
    Stream s;
    s.items = RandomItems(1 + (i * 37) % 151, 100 + i, bench->config.vocab);
    s.sequence = bench->New(s.items.size() + i % 3);
    streams.push_back(std::move(s));
  }
  return streams;
}

void ExpectEachAsAlone(Bench<float>* bench,
                       const std::vector<Stream>& streams) {
  for (size_t i = 0; i < streams.size(); ++i) {
    auto alone = bench->New(streams[i].items.size());
    ASSERT_EQ(streams[i].logits,
              bench->FeedSingly(alone.get(), streams[i].items, 0,
                                streams[i].items.size()))
        << "stream " << i;
  }
}

class BatchTest : public EveryConfig {};

TEST_P(BatchTest, ARowInARaggedBatchEqualsItselfAlone) {
  Bench<float> bench(GetParam());
  auto streams = MakeStreams(&bench, 23);
  RunRagged(&bench, bench.generator.get(), &streams, 1);
  ExpectEachAsAlone(&bench, streams);
}

// Of whatever type the numbers are, a thread is given the same rows of a product.
class ThreadsTest : public EveryConfig {};

TEST_P(ThreadsTest, ChangeNothing) {
  Bench<float> bench(GetParam());
  const auto pooled = bench.NewGenerator(3);
  auto streams = MakeStreams(&bench, 23);
  RunRagged(&bench, pooled.get(), &streams, 2);
  ExpectEachAsAlone(&bench, streams);
}

TEST_P(BatchTest, ASequenceMayMoveBetweenWorkers) {
  Bench<float> bench(GetParam());
  const auto other = bench.NewGenerator(1);
  const auto items = RandomItems(61, 12, bench.config.vocab);
  auto alone = bench.New(61);
  const auto want = bench.FeedSingly(alone.get(), items, 0, 61);
  auto sequence = bench.New(61);
  for (int64_t t = 0; t < 61; ++t) {
    std::vector<float> logits(bench.config.vocab);
    const StepRow row{sequence.get(), absl::MakeConstSpan(items).subspan(t, 1),
                      absl::MakeSpan(logits)};
    auto* generator = t % 2 == 0 ? bench.generator.get() : other.get();
    ASSERT_TRUE(generator->Step({row}).ok());
    ASSERT_EQ(logits, want[t]);
  }
}

// Whoever had the memory before, nothing of it is read.
TEST_P(BatchTest, PoisonedMemoryLeavesNoResidue) {
  Bench<float> bench(GetParam());
  const auto items = RandomItems(97, 13, bench.config.vocab);
  auto clean = bench.New(97);
  const auto want = bench.FeedSingly(clean.get(), items, 0, 97);
  auto poisoned = CpuSequence<float>::Allocate(&bench.model->config(), 97,
                                                bench.model->cache_type());
  ASSERT_TRUE(poisoned.ok());
  // A NaN of every type.
  const int64_t bytes =
      StateBytes(bench.config, 97,
                 CpuSequence<float>::ValueBytesOf(bench.model->cache_type()));
  std::fill_n((*poisoned)->data(), bytes, uint8_t{0xFF});
  (*poisoned)->CopyFrom(bench.model->origin());
  EXPECT_EQ(bench.FeedSingly(poisoned->get(), items, 0, 50),
            (std::vector<std::vector<float>>(want.begin(), want.begin() + 50)));
  EXPECT_EQ(bench.Feed(poisoned->get(), items, 50, 97),
            (std::vector<std::vector<float>>(want.begin() + 50, want.end())));
}

// The last logits alone are the last of all logits; none can be asked for.
TEST_P(BatchTest, LogitsComeWhereTheyAreAsked) {
  Bench<float> bench(GetParam());
  const auto items = RandomItems(40, 14, bench.config.vocab);
  auto alone = bench.New(40);
  const auto want = bench.FeedSingly(alone.get(), items, 0, 40);
  auto a = bench.New(40), b = bench.New(40), c = bench.New(40);
  std::vector<float> last(bench.config.vocab);
  std::vector<float> all(40 * bench.config.vocab);
  const std::vector<StepRow> rows = {{a.get(), items, absl::MakeSpan(last)},
                                     {b.get(), items, {}},
                                     {c.get(), items, absl::MakeSpan(all)}};
  ASSERT_TRUE(bench.generator->Step(rows).ok());
  EXPECT_EQ(last, want[39]);
  for (int t = 0; t < 40; ++t) {
    ASSERT_TRUE(std::equal(want[t].begin(), want[t].end(),
                           all.begin() + t * bench.config.vocab));
  }
  EXPECT_EQ(b->size(), 40);
}

// What goes into the head: the head's own product of it is the logits; it comes where it
// is asked, beside logits or without, and its bits depend on its row alone.
TEST_P(BatchTest, HiddenStatesComeWhereTheyAreAskedAndAreWhatTheHeadReads) {
  Bench<double> exact(GetParam());
  const int64_t vocab = exact.config.vocab, dim = exact.config.levels[0].dim;
  const auto items = RandomItems(40, 17, exact.config.vocab);
  auto sequence = exact.New(40);
  std::vector<double> logits(40 * vocab), hidden(40 * dim);
  ASSERT_TRUE(exact.generator
                  ->StepExact({{sequence.get(), items, absl::MakeSpan(logits),
                                absl::MakeSpan(hidden)}})
                  .ok());
  const std::vector<double>& head = exact.weights.at("head.weight");
  for (int64_t t = 0; t < 40; ++t) {
    for (int64_t v = 0; v < vocab; ++v) {
      double sum = 0;
      for (int64_t d = 0; d < dim; ++d) sum += head[v * dim + d] * hidden[t * dim + d];
      ASSERT_NEAR(logits[t * vocab + v], sum, 1e-11);
    }
  }
  Bench<float> bench(GetParam());
  auto a = bench.New(40), b = bench.New(40), c = bench.New(40), d = bench.New(40);
  std::vector<float> all(40 * dim), last(dim), beside(dim), plain(vocab), own(vocab);
  const std::vector<StepRow> rows = {
      {a.get(), items, {}, absl::MakeSpan(all)},
      {b.get(), items, absl::MakeSpan(plain)},
      {c.get(), items, {}, absl::MakeSpan(last)},
      {d.get(), items, absl::MakeSpan(own), absl::MakeSpan(beside)}};
  ASSERT_TRUE(bench.generator->Step(rows).ok());
  EXPECT_EQ(own, plain);
  EXPECT_EQ(last, beside);
  EXPECT_TRUE(std::equal(last.begin(), last.end(), all.end() - dim));
  auto alone = bench.New(40);
  for (int64_t t = 0; t < 40; ++t) {
    std::vector<float> one(dim);
    ASSERT_TRUE(bench.generator
                    ->Step({{alone.get(), absl::MakeConstSpan(items).subspan(t, 1), {},
                             absl::MakeSpan(one)}})
                    .ok());
    ASSERT_TRUE(std::equal(one.begin(), one.end(), all.begin() + t * dim)) << t;
  }
}

// Every instruction set of this machine: right, and equal to itself in bits.
// What pieces of a tokeniser change are the rows of two tables.
class ProcessorsTest : public EveryConfig {};

std::vector<TypedConfig> OfBytes(std::vector<TypedConfig> configs) {
  std::erase_if(configs, [](const TypedConfig& typed) {
    return typed.config.vocab != kVocab;
  });
  return configs;
}

TEST_P(ProcessorsTest, AreEachRightAndBatchInvariant) {
  for (const char* isa : {"baseline", "avx2", "avx512", "avx512vnni", "avx512bf16"}) {
    setenv("STRATA_CPU_ISA", isa, 1);
    Bench<float> bench(GetParam());
    Bench<double> exact(GetParam());
    unsetenv("STRATA_CPU_ISA");
    if (bench.model->kernels().name != std::string(isa)) continue;
    const auto items = RandomItems(75, 15, bench.config.vocab);
    const Rows want = NaiveLogits(
        bench.config, KeptWeights(bench.weights, GetParam().types.weights), items);
    const Rows want_exact = NaiveLogits(bench.config, bench.weights, items);
    auto f = bench.New(75);
    auto d = exact.New(75);
    const auto got_f = bench.FeedSingly(f.get(), items, 0, 75);
    const auto got_d = exact.FeedSingly(d.get(), items, 0, 75);
    SCOPED_TRACE(isa);
    ExpectLogits(GetParam(), bench.model->kernels(), got_f, want);
    for (int t = 0; t < 75; ++t) {
      ASSERT_LE(MaxDifference(got_d[t], want_exact[t + 1]), 1e-12) << isa;
    }
    auto streams = MakeStreams(&bench, 9);
    RunRagged(&bench, bench.generator.get(), &streams, 3);
    ExpectEachAsAlone(&bench, streams);
  }
}

INSTANTIATE_TEST_SUITE_P(Configs, BatchTest,
                         ::testing::ValuesIn(Typed(AllTypes())), ConfigName);
INSTANTIATE_TEST_SUITE_P(Configs, ThreadsTest,
                         ::testing::ValuesIn(Typed(FullTypes())), ConfigName);
INSTANTIATE_TEST_SUITE_P(Configs, ProcessorsTest,
                         ::testing::ValuesIn(OfBytes(Typed(AllTypes()))), ConfigName);

}  // namespace
}  // namespace strata
