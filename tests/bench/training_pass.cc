// Time and memory of one training pass, forward and backward, over one row of a flat model
// of four layers of 256 channels: what attention to buckets and reversible layers spare.
// Google Benchmark.
//
//   training_pass [FLAGS] [VARIANT/ITEMS]…
//
// VARIANT: exact, lsh (one round), routing, or reversible; without rows, each at 4096
// items. held_bytes live between the two passes, most_bytes at once: weights and their
// gradients aside.

#include <benchmark/benchmark.h>
#include <torch/torch.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "model/hierarchy/hierarchical_transformer.h"
#include "tests/testing/tensor_bytes.h"

namespace strata {
namespace {

// Buckets of 64 items, so that a query sees 128: Reformer's chunks.
ModelConfig PassConfig(const std::string& variant, int64_t items) {
  LevelConfig level;
  level.dim = 256;
  level.heads = 4;
  level.dec_layers = 4;
  if (variant == "reversible") level.gate = GateKind::kReversible;
  if (variant == "lsh" || variant == "routing") {
    const bool lsh = variant == "lsh";
    level.trained_attention = lsh ? TrainedAttention::kLsh : TrainedAttention::kRouting;
    level.buckets = static_cast<int>(items / 64);
    level.hash_rounds = lsh ? 1 : 0;
  }
  ModelConfig config;
  config.architecture = variant;
  config.levels = {level};
  return config;
}

// As training runs it: with the documents of the row, here one.
void BM_Pass(benchmark::State& state, const std::string& variant, int64_t items) {
  const ModelConfig config = PassConfig(variant, items);
  const auto valid = items < 128 ? absl::InvalidArgumentError("VARIANT/ITEMS, of 128 or more")
                                 : ValidateModelConfig(config);
  if (!valid.ok()) {
    state.SkipWithError(std::string(valid.message()).c_str());
    return;
  }
  HierarchicalTransformer model(config);
  const auto row = torch::randint(0, 256, {1, items}, torch::kLong);
  const auto documents = torch::zeros({1, items + 1}, torch::kLong);
  const auto forward = [&] { return model->Contexts(row, documents).sum(); };
  forward().backward();  // gradients are there from now on
  const testing::TensorBytes bytes;
  int64_t held = 0;
  for (auto _ : state) {
    const auto loss = forward();
    held = bytes.live();
    loss.backward();
  }
  state.counters["held_bytes"] = static_cast<double>(held);
  state.counters["most_bytes"] = static_cast<double>(bytes.most());
}

}  // namespace
}  // namespace strata

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  std::vector<std::string> rows(argv + 1, argv + argc);
  if (rows.empty()) rows = {"exact/4096", "lsh/4096", "routing/4096", "reversible/4096"};
  const char* threads = std::getenv("STRATA_BENCH_THREADS");
  at::set_num_threads(threads == nullptr ? 1 : std::atoi(threads));
  for (const std::string& row : rows) {
    const size_t slash = row.find('/');
    const int64_t items =
        slash == std::string::npos ? 0 : std::atoll(row.c_str() + slash + 1);
    benchmark::RegisterBenchmark(row.c_str(), strata::BM_Pass, row.substr(0, slash), items)
        ->UseRealTime()
        ->Unit(benchmark::kSecond);
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
