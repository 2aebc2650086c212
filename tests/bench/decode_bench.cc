// Decoding without a server: bytes/s of a batched step by model, context and
// streams, and of the whole engine by workers. Google Benchmark; run.sh drives
// it. STRATA_BENCH_MODELS names a folder with bench-PRESET/1/ version folders. PRESET may
// say more, as in flat-25m:bf16:fp32 (bench_model_cpu.cc, or bench_model_device.cc in the
// program device_bench); fp32 weights and, on the CPU, fp16 keys and values are what is
// not said.
//
//   decode_bench [FLAGS]
//                [decode/PRESET/CONTEXT/STREAMS | prefill/PRESET/CONTEXT |
//                 copy/PRESET/CONTEXT | engine/PRESET/STREAMS[/BYTES] | read/BYTES |
//                 kernel_peak]…
//
// Without rows to measure: those of block-10m and flat-10m, and the engine's.

#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "model/base/log.h"
#include "model/base/random.h"
#include "model/decode/kernels.h"
#include "model/decode/thread_pool.h"
#include "model/generator.h"
#include "server/engine/engine.h"
#include "tests/bench/bench_model.h"
#include "tests/bench/read_rows.h"

namespace strata {
namespace {

constexpr int64_t kRoom = 128;  // steps before a sequence is made anew
// Streams come at their own times, so they stand at different offsets of their
// blocks; those that start together complete their blocks in the same step, which
// reads the weights of the upper levels once for all.
constexpr int64_t kPhases = 8;

// `name`: PRESET, or PRESET:WEIGHTS, or PRESET:WEIGHTS:MORE.
std::shared_ptr<const LoadedModel> Model(const std::string& name) {
  static auto* const models =
      new std::map<std::string, std::shared_ptr<const LoadedModel>>;
  auto& model = (*models)[name];
  if (model == nullptr) {
    const char* root = std::getenv("STRATA_BENCH_MODELS");
    STRATA_CHECK(root != nullptr);
    const std::vector<std::string> parts = absl::StrSplit(name, ':');
    auto loaded = LoadBenchModel(std::string(root) + "/bench-" + parts[0] + "/1",
                                 {parts.begin() + 1, parts.end()});
    if (!loaded.ok()) {
      std::fprintf(stderr, "%s: %s\n", name.c_str(), loaded.status().ToString().c_str());
      std::exit(1);
    }
    model = *std::move(loaded);
  }
  return model;
}

int Threads() {
  const char* threads = std::getenv("STRATA_BENCH_THREADS");
  return threads == nullptr ? 1 : std::atoi(threads);
}

// A sequence that holds `context` random bytes; made once per model.
const Sequence& Prefilled(const std::string& preset, Generator* generator,
                          int64_t context) {
  static auto* const sequences =
      new std::map<std::pair<std::string, int64_t>, std::unique_ptr<Sequence>>;
  auto& sequence = (*sequences)[{preset, context}];
  if (sequence == nullptr) {
    sequence = *generator->NewSequence(context + kPhases + kRoom);
    std::vector<Item> items(context);
    for (int64_t i = 0; i < context; ++i) items[i] = RandomBits(1, 0, i) % 256;
    constexpr int64_t kChunk = 512;
    for (int64_t i = 0; i < context; i += kChunk) {
      const auto chunk = absl::MakeConstSpan(items).subspan(i, kChunk);
      STRATA_CHECK(generator->Step({{sequence.get(), chunk, {}}}).ok());
    }
  }
  return *sequence;
}

// Takes a sequence back to the prefill and i % kPhases items.
void Rewind(Generator* generator, const Sequence& prefilled, int64_t i,
            Sequence* sequence) {
  STRATA_CHECK(generator->Restore(prefilled, sequence).ok());
  const std::vector<Item> items(i % kPhases, 'a');
  if (items.empty()) return;
  STRATA_CHECK(generator->Step({{sequence, items, {}}}).ok());
}

// `streams` sequences, each a private copy of one prefill, step together.
void BM_Decode(benchmark::State& state, const std::string& preset,
               int64_t context, int64_t streams) {
  const auto model = Model(preset);
  auto generator = *model->NewGenerator({Threads()});
  const Sequence& prefilled = Prefilled(preset, generator.get(), context);
  const int vocab = model->config().vocab;
  std::vector<std::unique_ptr<Sequence>> sequences(streams);
  for (auto& s : sequences) s = *generator->Fork(prefilled);
  std::vector<Item> items(streams);
  std::vector<float> logits(streams * vocab);
  std::vector<StepRow> rows(streams);
  int64_t step = 0;
  for (auto _ : state) {
    if (step % kRoom == 0) {
      state.PauseTiming();
      for (int64_t i = 0; i < streams; ++i) {
        Rewind(generator.get(), prefilled, i, sequences[i].get());
      }
      state.ResumeTiming();
    }
    for (int64_t i = 0; i < streams; ++i) {
      items[i] = RandomBits(2, i, step) % 256;
      rows[i] = {sequences[i].get(), {&items[i], 1},
                 absl::MakeSpan(logits).subspan(i * vocab, vocab)};
    }
    STRATA_CHECK(generator->Step(rows).ok());
    ++step;
  }
  state.SetItemsProcessed(state.iterations() * streams);
  state.counters["state_bytes"] = model->StateBytes(context);
}

// Reads one prompt of `context` bytes in chunks of 512.
void BM_Prefill(benchmark::State& state, const std::string& preset,
                int64_t context) {
  const auto model = Model(preset);
  auto generator = *model->NewGenerator({Threads()});
  std::vector<Item> items(context, 'a');
  for (auto _ : state) {
    auto sequence = *generator->NewSequence(context);
    for (int64_t i = 0; i < context; i += 512) {
      const auto chunk = absl::MakeConstSpan(items).subspan(i, 512);
      STRATA_CHECK(generator->Step({{sequence.get(), chunk, {}}}).ok());
    }
  }
  state.SetItemsProcessed(state.iterations() * context);
}

// Makes a sequence what a prefilled one is: what a prefix that is found again costs, or one
// more sample of a prompt.
void BM_StateCopy(benchmark::State& state, const std::string& preset, int64_t context) {
  auto generator = *Model(preset)->NewGenerator({Threads()});
  const Sequence& prefilled = Prefilled(preset, generator.get(), context);
  const auto copy = *generator->Fork(prefilled);
  for (auto _ : state) STRATA_CHECK(generator->Restore(prefilled, copy.get()).ok());
  state.SetBytesProcessed(state.iterations() * Model(preset)->StateBytes(context));
}

// Operations/s of the executor's own matrix kernel, from the caches: a roof for what is
// made of it, which a library's product need not reach.
void BM_KernelPeak(benchmark::State& state) {
  constexpr int64_t kRows = 128, kIn = 512, kPanels = 8;
  auto pool = ThreadPool(Threads());
  const auto& matmul =
      SelectKernels<float>().products[static_cast<int>(WeightType::kFull)].matmul;
  const std::vector<float> x(kRows * kIn, 0.5f), w(kPanels * kIn * kPanel, 0.25f);
  std::vector<std::vector<float>> y(Threads());
  for (auto& out : y) out.resize(kRows * kPanels * kPanel);
  for (auto _ : state) {
    pool.ParallelFor(Threads(), [&](int thread, int64_t) {
      matmul(x.data(), kIn * sizeof(float), kRows, w.data(), kIn, kPanels,
             y[thread].data(),
             kPanels * kPanel, Epilogue::kStore);
    });
  }
  state.counters["flops"] = benchmark::Counter(
      2.0 * Threads() * kRows * kIn * kPanels * kPanel * state.iterations(),
      benchmark::Counter::kIsRate);
}

// Counts what it is given; blocks until all requests are done.
class CountingSink : public RequestSink {
 public:
  explicit CountingSink(int expected) : left_(expected) {}
  void OnProgress(int64_t, int64_t) override {}
  void OnDelta(const OutputDelta&) override {}
  void OnScores(absl::Span<const double>) override {}
  void OnFinished(const FinishInfo&) override {}
  void OnDone(const absl::Status& status) override {
    STRATA_CHECK(status.ok());
    MutexLock lock(&mu_);
    if (--left_ == 0) done_.SignalAll();
  }
  void Wait() {
    MutexLock lock(&mu_);
    while (left_ > 0) done_.Wait(&mu_);
  }

 private:
  Mutex mu_;
  CondVar done_;
  int left_;
};

// The seconds that an engine's steps took in the model.
class StepSeconds : public EngineObserver {
 public:
  void OnStep(double seconds, int64_t, int64_t) override {
    MutexLock lock(&mu_);
    sum_ += seconds;
  }
  double sum() const {
    MutexLock lock(&mu_);
    return sum_;
  }

 private:
  mutable Mutex mu_;
  double sum_ STRATA_GUARDED_BY(mu_) = 0;
};

// 32 letters, no two alike: as clients ask, nothing of it has been read before.
std::vector<Item> Prompt(uint64_t number) {
  std::string text(32, ' ');
  for (size_t i = 0; i < text.size(); ++i) text[i] = 'a' + RandomBits(4, number, i) % 26;
  return RenderText(text);
}

constexpr int64_t kStreamBytes = 256;

// `streams` requests of 32 bytes in and `bytes` out, from the first to the last byte. The
// prompts are those from number `asked` on.
void RunWave(Engine* engine, const std::shared_ptr<const ServedVersion>& version,
             int streams, int64_t bytes, uint64_t asked) {
  auto sink = std::make_shared<CountingSink>(streams);
  for (int i = 0; i < streams; ++i) {
    EngineRequest request;
    request.id = std::to_string(i);
    request.version = version;
    request.items = Prompt(asked + i);
    request.sampling.seed = i;
    request.sampling.ignore_eos = true;
    request.max_items = bytes;
    request.arrival = Clock::System()->Now();
    request.sink = sink;
    STRATA_CHECK(engine->Submit(std::move(request)).ok());
  }
  sink->Wait();
}

// Waves through an engine that has run for a while: its memory has been cleared, and the
// cache of prefixes is full. `own`: what one worker's engine takes beside the model's
// steps, as a part of these.
void BM_Engine(benchmark::State& state, const std::string& preset, int streams,
               int workers, int threads, int64_t bytes) {
  StepSeconds steps;
  EngineOptions options;
  options.workers = workers;
  options.threads_per_worker = threads;
  options.prefix_cache_bytes = 16 << 20;
  options.observer = &steps;
  Engine engine(options);
  auto version = std::make_shared<ServedVersion>();
  version->model = preset;
  version->version = "1";
  version->weights = Model(preset);
  uint64_t asked = 0;
  for (int i = 0; i < 4; ++i, asked += streams) {
    RunWave(&engine, version, streams, kStreamBytes, asked);
  }
  const double stepped = steps.sum();
  const std::clock_t before = std::clock();  // of all threads
  const MonotonicTime start = Clock::System()->Now();
  for (auto _ : state) {
    RunWave(&engine, version, streams, bytes, asked);
    asked += streams;
  }
  const double wall = Seconds(Clock::System()->Now() - start);
  const int64_t items = state.iterations() * streams * bytes;
  state.SetItemsProcessed(items);
  state.counters["cpu_us"] = 1e6 / CLOCKS_PER_SEC * (std::clock() - before) / items;
  if (workers == 1) state.counters["own"] = wall / (steps.sum() - stepped) - 1;
}

void RegisterEngine(const std::string& name, const std::string& preset, int streams,
                    int workers, int threads, int64_t bytes = kStreamBytes) {
  benchmark::RegisterBenchmark(name.c_str(), BM_Engine, preset, streams, workers, threads,
                               bytes)
      ->UseRealTime();
}

void RegisterDecode(const std::string& preset, int64_t context, int64_t streams) {
  const std::string name = "decode/" + preset + "/context" +
                           std::to_string(context) + "/streams" +
                           std::to_string(streams);
  benchmark::RegisterBenchmark(name.c_str(), BM_Decode, preset, context, streams)
      ->UseRealTime();
}

void RegisterPrefill(const std::string& preset, int64_t context) {
  const std::string name = "prefill/" + preset + "/context" + std::to_string(context);
  benchmark::RegisterBenchmark(name.c_str(), BM_Prefill, preset, context)
      ->UseRealTime();
}

void RegisterCopy(const std::string& preset, int64_t context) {
  const std::string name = "copy/" + preset + "/context" + std::to_string(context);
  benchmark::RegisterBenchmark(name.c_str(), BM_StateCopy, preset, context)->UseRealTime();
}

// False where `row` names none.
bool RegisterRow(const std::string& row) {
  if (RegisterReadRow(row, Threads())) return true;
  if (row == "kernel_peak") {
    benchmark::RegisterBenchmark("kernel_peak", BM_KernelPeak)->UseRealTime();
    return true;
  }
  const std::vector<std::string> parts = absl::StrSplit(row, '/');
  int64_t context = 0, streams = 0;
  if (parts.size() < 3 || !absl::SimpleAtoi(parts[2], &context)) return false;
  if (parts[0] == "engine") {
    int64_t bytes = kStreamBytes;
    if (parts.size() > 4 || (parts.size() == 4 && !absl::SimpleAtoi(parts[3], &bytes))) {
      return false;
    }
    RegisterEngine(row, parts[1], static_cast<int>(context), 1, Threads(), bytes);
    return true;
  }
  if (parts[0] == "copy" && parts.size() == 3) {
    RegisterCopy(parts[1], context);
    return true;
  }
  if (parts[0] == "prefill" && parts.size() == 3) {
    RegisterPrefill(parts[1], context);
    return true;
  }
  if (parts[0] != "decode" || parts.size() != 4) return false;
  if (!absl::SimpleAtoi(parts[3], &streams)) return false;
  RegisterDecode(parts[1], context, streams);
  return true;
}

void RegisterAll() {
  for (const std::string preset : {"block-10m", "flat-10m"}) {
    for (const int64_t context : {512, 4096}) {
      for (const int64_t streams : {1, 8, 64}) RegisterDecode(preset, context, streams);
      RegisterPrefill(preset, context);
      RegisterCopy(preset, context);
    }
  }
  for (const int workers : {1, 2}) {
    RegisterEngine("engine/block-10m/workers" + std::to_string(workers), "block-10m", 64,
                   workers, 1);
  }
}

}  // namespace
}  // namespace strata

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    if (strata::RegisterRow(argv[i])) continue;
    std::fprintf(stderr, "decode_bench: %s is no row\n", argv[i]);
    return 2;
  }
  if (argc == 1) strata::RegisterAll();
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
