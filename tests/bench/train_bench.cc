// Training tokens/s of a preset, through the real trainer (packing, forward,
// backward, clipping, AdamW; rows of 512 bytes, batch 8), and the roofs beside
// it: fp32 matrix-multiply peak and read bandwidth. Google Benchmark; run.sh
// drives it.
//
//   train_bench [FLAGS] [train/PRESET | train_bf16/PRESET | read/BYTES]…
//
// Without rows: train/ of block-10m and flat-10m. train_bf16: matrix products in
// bfloat16, whose own peak is matrix_multiply_peak_bf16. read: read_rows.h.
// STRATA_BENCH_DEVICE names another device than the CPU ("cuda:0"): there batches are of 64
// rows, and the products of the peaks larger.

#include <benchmark/benchmark.h>
#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "model/base/log.h"
#include "model/base/random.h"
#include "model/dataset.h"
#include "model/train/train_device.h"
#include "model/trainer.h"
#include "model/version_dir.h"
#include "tests/bench/read_rows.h"

namespace strata {
namespace {

constexpr int64_t kSequence = 512;

std::string DeviceName() {
  const char* const name = std::getenv("STRATA_BENCH_DEVICE");
  return name == nullptr ? "cpu" : name;
}

bool OnCpu() { return DeviceName() == "cpu"; }
int64_t Batch() { return OnCpu() ? 8 : 64; }

int Threads() {
  const char* threads = std::getenv("STRATA_BENCH_THREADS");
  return threads == nullptr ? 1 : std::atoi(threads);
}

// Notes when the first and the last measured step ended.
class Stopwatch : public TrainObserver {
 public:
  explicit Stopwatch(int64_t warmup) : warmup_(warmup) {}
  void OnStarted(int64_t, int, absl::string_view) override {}
  void OnProgress(const TrainProgress& progress) override {
    const auto now = std::chrono::steady_clock::now();
    if (progress.step == warmup_) begin_ = now;
    end_ = now;
  }
  void OnEval(const TrainEval&) override {}
  void OnCheckpoint(int64_t, absl::string_view, int64_t) override {}
  void OnWarning(absl::string_view, absl::string_view) override {}
  Signal Poll() override { return Signal::kContinue; }

  double seconds() const {
    return std::chrono::duration<double>(end_ - begin_).count();
  }

 private:
  const int64_t warmup_;
  std::chrono::steady_clock::time_point begin_, end_;
};

void BM_Training(benchmark::State& state, const std::string& preset, bool bf16,
                 int64_t steps) {
  const auto dir = std::filesystem::temp_directory_path() /
                   ("strata-train-bench-" + std::to_string(::getpid()));
  constexpr int64_t kWarmup = 3;
  for (auto _ : state) {
    std::filesystem::create_directories(dir);
    std::string text(1 << 20, ' ');
    for (size_t i = 0; i < text.size(); ++i) {
      text[i] = static_cast<char>('a' + RandomBits(3, 0, i) % 26);
    }
    TrainRun run;
    run.job_dir = dir;
    run.dataset_path = dir / "data";
    STRATA_CHECK(WriteFileAtomically(run.dataset_path, text).ok());
    run.spec.base = preset;
    run.spec.model = "bench";
    run.spec.dataset_sha256 = Sha256Hex(text);
    run.spec.steps = kWarmup + steps;
    run.spec.batch = Batch();
    run.device = DeviceName();
    run.spec.sequence = kSequence;
    run.spec.eval_fraction = 0;
    run.spec.bf16 = bf16;
    run.spec.checkpoint_every_steps = 1'000'000;
    run.spec = ResolveTrainSpec(run.spec, Threads(), 0.1);
    Stopwatch stopwatch(kWarmup);
    const absl::Status status = RunTraining(run, &stopwatch);
    std::filesystem::remove_all(dir);
    if (!status.ok()) {
      state.SkipWithError(std::string(status.message()).c_str());
      return;
    }
    state.SetIterationTime(stopwatch.seconds());
  }
  state.SetItemsProcessed(state.iterations() * steps * Batch() * kSequence);
}

void BM_MatrixMultiplyPeak(benchmark::State& state, torch::ScalarType type) {
  at::set_num_threads(Threads());
  const absl::StatusOr<torch::Device> device = OpenTrainDevice(DeviceName());
  if (!device.ok()) {
    state.SkipWithError(std::string(device.status().message()).c_str());
    return;
  }
  const int64_t n = OnCpu() ? 1024 : 8192;
  const auto a = torch::rand({n, n}).to(type).to(*device);
  const auto b = torch::rand({n, n}).to(type).to(*device);
  auto c = torch::empty_like(a);
  for (auto _ : state) {
    at::matmul_out(c, a, b);
    if (!OnCpu()) c.view({-1})[0].item();  // it has only been asked for
  }
  state.counters["flops"] = benchmark::Counter(
      2.0 * n * n * n * state.iterations(), benchmark::Counter::kIsRate);
}

}  // namespace
}  // namespace strata

int main(int argc, char** argv) {
  using strata::BM_Training;
  const char* quick = std::getenv("STRATA_BENCH_QUICK");
  const int64_t steps = (quick != nullptr && *quick == '1' ? 3 : 6) * (strata::OnCpu() ? 1 : 5);
  benchmark::RegisterBenchmark("matrix_multiply_peak",
                               strata::BM_MatrixMultiplyPeak, torch::kFloat32)
      ->UseRealTime();
  benchmark::RegisterBenchmark("matrix_multiply_peak_bf16",
                               strata::BM_MatrixMultiplyPeak, torch::kBFloat16)
      ->UseRealTime();
  benchmark::Initialize(&argc, argv);
  std::vector<std::string> rows(argv + 1, argv + argc);
  if (rows.empty()) rows = {"train/block-10m", "train/flat-10m"};
  for (const std::string& row : rows) {
    const size_t slash = row.find('/');
    const std::string kind = row.substr(0, slash);
    const std::string what = slash == std::string::npos ? "" : row.substr(slash + 1);
    if (strata::RegisterReadRow(row, strata::Threads())) continue;
    if (kind == "train" || kind == "train_bf16") {
      benchmark::RegisterBenchmark(row.c_str(), BM_Training, what, kind != "train", steps)
          ->UseManualTime()
          ->Iterations(1)
          ->Unit(benchmark::kSecond);
    } else {
      std::fprintf(stderr, "train_bench: %s is no row\n", row.c_str());
      return 2;
    }
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
