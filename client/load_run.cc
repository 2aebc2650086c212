#include "client/load_run.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "client/arrivals.h"
#include "client/generate_stream.h"
#include "client/status.h"
#include "model/base/clock.h"
#include "model/base/random.h"

namespace strata {
namespace {

constexpr int kStreamsPerSocket = 16;
constexpr int64_t kWarmupTokens = 8;
constexpr std::chrono::milliseconds kConnectPatience{2000};

v1::GenerateRequest MakeRequest(const LoadOptions& options, uint64_t number) {
  v1::GenerateRequest request;
  request.set_model(options.model);
  request.set_prompt(BenchPrompt(options.seed, number, options.prompt_bytes));
  request.set_max_tokens(options.max_tokens);
  v1::SamplingParams* sampling = request.mutable_sampling();
  sampling->set_temperature(options.temperature);
  sampling->set_seed(options.seed + number);
  sampling->set_ignore_eos(true);
  return request;
}

void SleepFor(double seconds) {
  if (seconds > 0) std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
}

// One stream's arrivals.
class Timer {
 public:
  Timer(MonotonicTime due, LoadReport* report) : report_(report), sent_(due), last_(due) {}

  bool started() const { return started_; }
  // Whether the goals were kept.
  bool Good(const LoadOptions& options) const {
    const auto kept = [](const Percentiles& seen, double goal) {
      return goal == 0 || seen.Mean() <= goal;
    };
    return kept(report_->ttft, options.ttft_goal) &&
           kept(report_->inter_token, options.inter_token_goal);
  }

  void OnEvent(const v1::GenerateResponse& event) {
    const MonotonicTime now = Now();
    if (event.has_delta() && (event.delta().tokens() > 0 || !event.delta().data().empty())) {
      OnDelta(event.delta(), now);
    } else if (event.has_finished()) {
      report_->prompt_tokens += event.finished().usage().prompt_tokens();
      report_->generated_tokens += event.finished().usage().generated_tokens();
      report_->end_to_end.Add(Seconds(now - sent_));
    }
  }

 private:
  static MonotonicTime Now() { return Clock::System()->Now(); }

  void OnDelta(const v1::Delta& delta, MonotonicTime now) {
    ++report_->messages;
    if (!started_) {
      report_->ttft.Add(Seconds(now - sent_));
    } else {
      const int items = std::max(1, delta.tokens());
      const double each = Seconds(now - last_) / items;
      for (int i = 0; i < items; ++i) report_->inter_token.Add(each);
    }
    started_ = true;
    last_ = now;
  }

  LoadReport* const report_;
  const MonotonicTime sent_;
  MonotonicTime last_;
  bool started_ = false;
};

// Whether request `number` goes away at its first byte.
bool GoesAway(const LoadOptions& options, uint64_t number) {
  constexpr uint64_t kStream = 0x63616e63656c;
  return RandomUniform(options.seed, kStream, number) < options.cancel;
}

void RunOne(Connection* connection, const LoadOptions& options, uint64_t number,
            MonotonicTime due, LoadReport* report) {
  grpc::ClientContext call;
  LoadReport mine;  // a failed or cancelled request leaves no timings
  Timer timer(due, &mine);
  const bool goes_away = GoesAway(options, number);
  bool cancelled = false;
  const absl::Status status = StreamGenerate(
      connection, &call, MakeRequest(options, number), [&](const v1::GenerateResponse& event) {
        timer.OnEvent(event);
        SleepFor(options.read_delay);
        cancelled = goes_away && timer.started() && !event.has_finished();
        return cancelled ? absl::CancelledError("as the load asks") : absl::OkStatus();
      });
  if (status.ok()) {
    ++mine.completed;
    mine.good += timer.Good(options);
  } else if (cancelled) {
    mine = LoadReport();
    ++mine.cancelled;
  } else {
    mine = LoadReport();
    ++mine.failed;
    ++mine.errors[absl::StatusCodeToString(status.code())];
    mine.first_error = std::string(status.message());
  }
  report->Merge(mine);
}

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

// Runs `total` requests on `connections`, `options.concurrency` at a time.
LoadReport RunAll(const std::vector<std::unique_ptr<Connection>>& connections,
                  const LoadOptions& options, int64_t total, uint64_t first,
                  const std::function<void(int64_t)>& on_progress) {
  std::atomic<int64_t> next{0};
  std::atomic<int64_t> done{0};
  const std::vector<double> arrivals =
      options.rate > 0 ? PoissonArrivals(options.rate, total, options.seed)
                       : std::vector<double>();
  const MonotonicTime start = Clock::System()->Now();
  std::vector<LoadReport> reports(static_cast<size_t>(options.concurrency));
  std::vector<std::thread> threads;
  for (int i = 0; i < options.concurrency; ++i) {
    threads.emplace_back([&, i] {
      Connection* connection = connections[static_cast<size_t>(i / kStreamsPerSocket)].get();
      for (int64_t number = next++; number < total; number = next++) {
        LoadReport& report = reports[static_cast<size_t>(i)];
        MonotonicTime due = Clock::System()->Now();
        if (!arrivals.empty()) {
          due = WaitUntilDue(start, arrivals[static_cast<size_t>(number)], &report);
        }
        RunOne(connection, options, first + static_cast<uint64_t>(number), due, &report);
        on_progress(++done);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  LoadReport all;
  for (const LoadReport& report : reports) all.Merge(report);
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
