// The exposition text, and the HTTP server that serves it.

#include "server/metrics/metrics.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <set>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "model/base/clock.h"
#include "server/http/http_server.h"

namespace strata {
namespace {

// One request of HTTP/1.1; the whole answer.
std::string Get(const std::string& address, const std::string& path,
                const std::string& method = "GET") {
  const std::vector<std::string> parts = absl::StrSplit(address, ':');
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_port = htons(std::stoi(parts[1]));
  inet_pton(AF_INET, parts[0].c_str(), &to.sin_addr);
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
  const std::string request =
      absl::StrCat(method, " ", path, " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(write(fd, request.data(), request.size()),
            static_cast<ssize_t>(request.size()));
  std::string out;
  char buffer[4096];
  for (ssize_t n; (n = read(fd, buffer, sizeof(buffer))) > 0;) out.append(buffer, n);
  close(fd);
  return out;
}

// Value of a sample; nan when there is none.
double Sample(const std::string& text, const std::string& name) {
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    double value = 0;
    if (absl::StartsWith(line, name + " ") &&
        absl::SimpleAtod(line.substr(name.size() + 1), &value)) {
      return value;
    }
  }
  return std::nan("");
}

TEST(MetricsTest, CountsWhatTheObserversSay) {
  Metrics metrics({"1.2.3", "gcc"});
  metrics.OnRejected("QUEUE_FULL");
  metrics.OnCancelled(RequestPhase::kPrefill);
  metrics.OnDeadlineExceeded(RequestPhase::kQueued);
  metrics.OnItems(10, 3);
  metrics.OnLevels(1, 2, 3, 4);
  metrics.OnPrefixLookup(70);
  metrics.OnPrefixLookup(0);
  metrics.OnPrefixLookup(30);
  metrics.OnPrefixesEvicted(5);
  metrics.OnPrefixBytes(6);
  metrics.OnEnded("eos", 0.5);
  metrics.OnFirstItem(0.02);
  metrics.OnInterItem(0.0002);
  metrics.OnJobStates({{JobState::kRunning, 2}});
  metrics.OnTrainProgress(5, 500, {});
  metrics.OnTicket(0.3);
  metrics.OnSlice(0.25);
  metrics.OnSlice(0.5);
  metrics.OnTicketsWaiting(2);
  metrics.OnCall("Generate", "OK", 0.1);
  const std::string text = metrics.Text();
  EXPECT_EQ(Sample(text, "strata_requests_rejected_total{reason=\"QUEUE_FULL\"}"), 1);
  EXPECT_EQ(Sample(text, "strata_requests_rejected_total{reason=\"DRAINING\"}"), 0);
  EXPECT_EQ(Sample(text, "strata_requests_cancelled_total{phase=\"prefill\"}"), 1);
  EXPECT_EQ(Sample(text, "strata_requests_deadline_exceeded_total{phase=\"queued\"}"), 1);
  EXPECT_EQ(Sample(text, "strata_prompt_bytes_total"), 10);
  EXPECT_EQ(Sample(text, "strata_generated_bytes_total"), 3);
  EXPECT_EQ(Sample(text, "strata_queued_requests"), 1);
  EXPECT_EQ(Sample(text, "strata_running_requests"), 3);
  EXPECT_EQ(Sample(text, "strata_state_bytes"), 4);
  EXPECT_EQ(Sample(text, "strata_prefix_cache_hits_total"), 2);
  EXPECT_EQ(Sample(text, "strata_prefix_cache_misses_total"), 1);
  EXPECT_EQ(Sample(text, "strata_prefix_cache_bytes_reused_total"), 100);
  EXPECT_EQ(Sample(text, "strata_prefix_cache_evictions_total"), 5);
  EXPECT_EQ(Sample(text, "strata_prefix_cache_bytes"), 6);
  EXPECT_EQ(Sample(text, "strata_requests_total{outcome=\"eos\"}"), 1);
  EXPECT_EQ(Sample(text, "strata_time_to_first_token_seconds_count"), 1);
  EXPECT_EQ(Sample(text, "strata_inter_token_latency_seconds_bucket{le=\"0.00025\"}"), 1);
  EXPECT_EQ(Sample(text, "strata_jobs{state=\"RUNNING\"}"), 2);
  EXPECT_EQ(Sample(text, "strata_jobs{state=\"FAILED\"}"), 0);
  EXPECT_EQ(Sample(text, "strata_training_steps_total"), 5);
  EXPECT_EQ(Sample(text, "strata_trainer_ticket_wait_seconds_sum"), 0.3);
  EXPECT_EQ(Sample(text, "strata_trainer_slice_seconds_total"), 0.75);
  EXPECT_EQ(Sample(text, "strata_trainers_waiting"), 2);
  EXPECT_EQ(Sample(text, "strata_rpc_calls_total{code=\"OK\",method=\"Generate\"}"), 1);
  EXPECT_EQ(Sample(text, "strata_build_info{compiler=\"gcc\",version=\"1.2.3\"}"), 1);
  EXPECT_GT(Sample(text, "process_resident_memory_bytes"), 1e6);
  EXPECT_GT(Sample(text, "process_start_time_seconds"), 1.6e9);
}

// What `promtool check metrics` asks for.
TEST(MetricsTest, NamesFollowTheConventions) {
  Metrics metrics({"1", "gcc"});
  std::set<std::string> helped;
  for (const absl::string_view line : absl::StrSplit(metrics.Text(), '\n')) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    if (absl::StartsWith(line, "# HELP ")) {
      helped.insert(words[2]);
      EXPECT_TRUE(absl::StartsWith(words[2], "strata_") ||
                  absl::StartsWith(words[2], "process_"));
    }
    if (!absl::StartsWith(line, "# TYPE ")) continue;
    EXPECT_EQ(helped.count(words[2]), 1u) << words[2];
    EXPECT_EQ(words[3] == "counter", absl::EndsWith(words[2], "_total")) << line;
    for (const char* unit : {"milliseconds", "_ms", "kilobytes", "_count", "_sum"}) {
      EXPECT_EQ(words[2].find(unit), std::string::npos) << line;
    }
  }
  EXPECT_GT(helped.size(), 30u);
}

TEST(HttpTest, ServesProbesAndMetrics) {
  bool ready = false;
  const auto server = HttpServer::Start(
      "127.0.0.1:0", ProbeHandlers([&] { return ready; }, [] { return true; },
                                   [] { return std::string("strata_x 1\n"); }));
  ASSERT_TRUE(server.ok()) << server.status();
  const std::string address = (*server)->address();
  EXPECT_NE(address, "127.0.0.1:0");
  EXPECT_TRUE(absl::StartsWith(Get(address, "/readyz"), "HTTP/1.1 503"));
  ready = true;
  EXPECT_TRUE(absl::StartsWith(Get(address, "/readyz"), "HTTP/1.1 200"));
  EXPECT_TRUE(absl::StartsWith(Get(address, "/livez"), "HTTP/1.1 200"));
  const std::string metrics = Get(address, "/metrics");
  EXPECT_TRUE(absl::EndsWith(metrics, "\r\n\r\nstrata_x 1\n")) << metrics;
  EXPECT_NE(metrics.find("version=0.0.4"), std::string::npos);
  EXPECT_TRUE(absl::StartsWith(Get(address, "/other"), "HTTP/1.1 404"));
  EXPECT_TRUE(absl::StartsWith(Get(address, "/metrics", "POST"), "HTTP/1.1 405"));
}

TEST(HttpTest, ATakenPortIsAnError) {
  const auto first = HttpServer::Start("127.0.0.1:0", {});
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(HttpServer::Start((*first)->address(), {}).status().code(),
            absl::StatusCode::kUnavailable);
}

TEST(HttpTest, StopsAtOnce) {
  const MonotonicTime start = Clock::System()->Now();
  for (int i = 0; i < 10; ++i) {
    const auto server = HttpServer::Start("127.0.0.1:0", ProbeHandlers(
        [] { return true; }, [] { return true; }, [] { return std::string(); }));
    ASSERT_TRUE(server.ok()) << server.status();
    Get((*server)->address(), "/livez");
  }
  EXPECT_LT(Seconds(Clock::System()->Now() - start), 5);
}

}  // namespace
}  // namespace strata
