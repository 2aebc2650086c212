#include "tests/bench/read_rows.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "tests/bench/read_speed.h"

namespace strata {
namespace {

void BM_Read(benchmark::State& state, int threads, int64_t bytes) {
  const int64_t times = std::max<int64_t>(1, (int64_t{64} << 20) / bytes);
  ReadSpeed memory(bytes, threads);
  for (auto _ : state) memory.Read(times);
  state.SetBytesProcessed(state.iterations() * times * memory.bytes());
}

}  // namespace

bool RegisterReadRow(const std::string& row, int threads) {
  const size_t slash = row.find('/');
  const std::string kind = row.substr(0, slash);
  if (slash == std::string::npos || (kind != "read" && kind != "read_alone")) return false;
  const int64_t bytes = std::atoll(row.c_str() + slash + 1);
  if (bytes <= 0) return false;
  benchmark::RegisterBenchmark(row.c_str(), BM_Read, kind == "read" ? threads : 1, bytes)
      ->UseRealTime();
  return true;
}

}  // namespace strata
