#include "client/load_run.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <utility>

#include "client/arrivals.h"
#include "client/load_stream.h"
#include "model/base/clock.h"
#include "model/base/mutex.h"
#include "model/base/random.h"

namespace strata {
namespace {

constexpr int kStreamsPerSocket = 16;
constexpr int64_t kWarmupTokens = 8;
constexpr std::chrono::milliseconds kConnectPatience{2000};

// Returns when the request is due; notes if that is over already.
MonotonicTime WaitUntilDue(MonotonicTime start, double seconds, LoadReport* report) {
  const MonotonicTime due = start + std::chrono::duration_cast<MonotonicDuration>(
                                        std::chrono::duration<double>(seconds));
  const double lateness = Seconds(Clock::System()->Now() - due);
  if (lateness > 0) {
    ++report->late;
    report->worst_lateness = std::max(report->worst_lateness, lateness);
  }
  std::this_thread::sleep_until(due);
  return due;
}

// The streams of a load that may be open at a time. Thread-safe.
class OpenStreams {
 public:
  explicit OpenStreams(int most) : most_(static_cast<size_t>(most)) {
    for (int i = most; i-- > 0;) free_.push_back(i);
  }

  // Waits for one that is free: its number.
  int Take() {
    MutexLock lock(&mu_);
    while (free_.empty()) changed_.Wait(&mu_);
    const int stream = free_.back();
    free_.pop_back();
    return stream;
  }
  void Give(int stream, const LoadReport& report) {
    MutexLock lock(&mu_);
    all_.Merge(report);
    free_.push_back(stream);
    changed_.SignalAll();
  }
  // Waits until none is open: all reports.
  LoadReport Finish() {
    MutexLock lock(&mu_);
    while (free_.size() < most_) changed_.Wait(&mu_);
    return std::move(all_);
  }

 private:
  const size_t most_;
  Mutex mu_;
  CondVar changed_;
  std::vector<int> free_ STRATA_GUARDED_BY(mu_);
  LoadReport all_ STRATA_GUARDED_BY(mu_);
};

// Runs `total` requests on `connections`, `options.concurrency` at a time.
LoadReport RunAll(const std::vector<std::unique_ptr<Connection>>& connections,
                  const LoadOptions& options, int64_t total, uint64_t first,
                  const std::function<void(int64_t)>& on_progress) {
  std::atomic<int64_t> done{0};
  const std::vector<double> arrivals =
      options.rate > 0 ? PoissonArrivals(options.rate, total, options.seed)
                       : std::vector<double>();
  const MonotonicTime start = Clock::System()->Now();
  LoadReport lateness;
  OpenStreams streams(options.concurrency);
  for (int64_t number = 0; number < total; ++number) {
    const int stream = streams.Take();
    MonotonicTime due = Clock::System()->Now();
    if (!arrivals.empty()) {
      due = WaitUntilDue(start, arrivals[static_cast<size_t>(number)], &lateness);
    }
    LoadStream::Start(connections[static_cast<size_t>(stream / kStreamsPerSocket)].get(),
                      options, first + static_cast<uint64_t>(number), due,
                      [&, stream](const LoadReport& report) {
                        on_progress(++done);
                        streams.Give(stream, report);
                      });
  }
  LoadReport all = streams.Finish();
  all.Merge(lateness);
  return all;
}

}  // namespace

void LoadReport::Merge(const LoadReport& other) {
  completed += other.completed;
  failed += other.failed;
  cancelled += other.cancelled;
  good += other.good;
  late += other.late;
  worst_lateness = std::max(worst_lateness, other.worst_lateness);
  for (const auto& [code, count] : other.errors) errors[code] += count;
  if (first_error.empty()) first_error = other.first_error;
  prompt_tokens += other.prompt_tokens;
  generated_tokens += other.generated_tokens;
  messages += other.messages;
  ttft.Merge(other.ttft);
  inter_token.Merge(other.inter_token);
  end_to_end.Merge(other.end_to_end);
}

std::string BenchPrompt(uint64_t seed, uint64_t request, int64_t bytes) {
  std::string prompt;
  prompt.reserve(static_cast<size_t>(std::max<int64_t>(bytes, 0)));
  for (int64_t i = 0; i < bytes; ++i) {
    const uint64_t draw = RandomBits(seed, request, static_cast<uint64_t>(i)) % 31;
    prompt += draw < 26 ? static_cast<char>('a' + draw) : ' ';
  }
  return prompt;
}

LoadReport RunLoad(const LoadOptions& options, const std::function<void(int64_t)>& on_progress) {
  std::vector<std::unique_ptr<Connection>> connections;
  for (int i = 0; i < options.concurrency; i += kStreamsPerSocket) {
    connections.push_back(std::make_unique<Connection>(options.server, /*own_socket=*/true));
    connections.back()->BeginConnecting();
  }
  // No part of the load; what cannot be had says so to the requests.
  const auto until = std::chrono::system_clock::now() + kConnectPatience;
  for (const auto& connection : connections) connection->WaitConnected(until);
  LoadOptions warmup = options;
  warmup.max_tokens = std::min(options.max_tokens, kWarmupTokens);
  warmup.rate = warmup.cancel = 0;
  const auto total = static_cast<uint64_t>(options.requests);
  RunAll(connections, warmup, options.warmup, total, [](int64_t) {});
  const MonotonicTime start = Clock::System()->Now();
  LoadReport report = RunAll(connections, options, options.requests, 0, on_progress);
  report.seconds = Seconds(Clock::System()->Now() - start);
  return report;
}

}  // namespace strata
