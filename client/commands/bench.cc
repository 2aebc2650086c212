// strata bench: latency and throughput of a server, as a client sees them.

#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/command.h"
#include "client/load_run.h"
#include "client/output.h"
#include "model/base/mutex.h"
#include "model/base/status_macros.h"

namespace strata {
namespace {

using Json = nlohmann::ordered_json;

Json ToJson(const Percentiles& values) {
  return {{"count", values.count()}, {"mean", values.Mean()},  {"p50", values.At(50)},
          {"p90", values.At(90)},    {"p99", values.At(99)}};
}

double PerSecond(double count, double seconds) { return seconds > 0 ? count / seconds : 0; }

bool HasGoals(const LoadOptions& options) {
  return options.ttft_goal > 0 || options.inter_token_goal > 0;
}

std::string JsonReport(const LoadOptions& options, const LoadReport& report) {
  Json json;
  json["model"] = options.model;
  json["concurrency"] = options.concurrency;
  if (options.rate > 0) json["rate"] = options.rate;
  json["requests"] = options.requests;
  json["warmup"] = options.warmup;
  json["prompt_bytes"] = options.prompt_bytes;
  json["max_tokens"] = options.max_tokens;
  json["temperature"] = options.temperature;
  json["seed"] = options.seed;
  json["cancel"] = options.cancel;
  json["read_delay_seconds"] = options.read_delay;
  if (options.ttft_goal > 0) json["ttft_goal_seconds"] = options.ttft_goal;
  if (options.inter_token_goal > 0) {
    json["inter_token_goal_seconds"] = options.inter_token_goal;
  }
  json["completed"] = report.completed;
  json["failed"] = report.failed;
  json["cancelled"] = report.cancelled;
  if (options.rate > 0) {
    json["late"] = report.late;
    json["worst_lateness_seconds"] = report.worst_lateness;
  }
  json["errors"] = report.errors;
  json["seconds"] = report.seconds;
  json["prompt_tokens"] = report.prompt_tokens;
  json["generated_tokens"] = report.generated_tokens;
  json["messages"] = report.messages;
  json["requests_per_second"] =
      PerSecond(static_cast<double>(report.completed), report.seconds);
  json["tokens_per_second"] =
      PerSecond(static_cast<double>(report.generated_tokens), report.seconds);
  if (HasGoals(options)) {
    json["goodput_requests_per_second"] =
        PerSecond(static_cast<double>(report.good), report.seconds);
  }
  json["ttft_seconds"] = ToJson(report.ttft);
  json["inter_token_seconds"] = ToJson(report.inter_token);
  json["end_to_end_seconds"] = ToJson(report.end_to_end);
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::vector<std::string> Row(const char* name, const Percentiles& values) {
  std::vector<std::string> row = {name};
  for (const double seconds : {values.Mean(), values.At(50), values.At(90), values.At(99)}) {
    row.push_back(absl::StrFormat("%.2f ms", seconds * 1e3));
  }
  return row;
}

std::string TextReport(const LoadOptions& options, const LoadReport& report) {
  return absl::StrCat(
      absl::StrFormat("%s: %d requests, %s%d at a time, %d prompt bytes, %d tokens each\n",
                      options.model, options.requests,
                      options.rate > 0 ? absl::StrFormat("%g a second, at most ", options.rate) : "",
                      options.concurrency, options.prompt_bytes, options.max_tokens),
      absl::StrFormat("%d completed, %d failed in %.2f s: %.1f tokens/s, %.2f requests/s\n",
                      report.completed, report.failed, report.seconds,
                      PerSecond(static_cast<double>(report.generated_tokens), report.seconds),
                      PerSecond(static_cast<double>(report.completed), report.seconds)),
      report.cancelled > 0 ? absl::StrFormat("%d cancelled, as asked\n", report.cancelled) : "",
      report.late > 0
          ? absl::StrFormat("%d were sent late, by up to %.2f s: all streams were taken, see "
                            "--concurrency\n",
                            report.late, report.worst_lateness)
          : "",
      HasGoals(options)
          ? absl::StrFormat("%.2f requests/s kept the goals\n",
                            PerSecond(static_cast<double>(report.good), report.seconds))
          : "",
      FormatTable({{"", "mean", "p50", "p90", "p99"},
                   Row("time to first token", report.ttft),
                   Row("inter-token latency", report.inter_token),
                   Row("end to end", report.end_to_end)}));
}

absl::Status Validate(const LoadOptions& options, int64_t concurrency) {
  if (options.requests < 1) return UsageError("--requests must be at least 1");
  if (concurrency < 1 || concurrency > 4096) {
    return UsageError("--concurrency must be in [1, 4096]");
  }
  if (options.prompt_bytes < 1) return UsageError("--prompt-bytes must be at least 1");
  if (options.warmup < 0) return UsageError("--warmup must not be negative");
  const auto finite = [](double value, double most) { return value >= 0 && value <= most; };
  if (!finite(options.rate, 1e6)) return UsageError("--rate must be in [0, 1000000]");
  if (!finite(options.cancel, 1)) return UsageError("--cancel must be in [0, 1]");
  if (!finite(options.read_delay, 3600)) return UsageError("--read-delay must be in [0, 3600]");
  if (!finite(options.ttft_goal, 1e6)) return UsageError("--ttft-goal must be in [0, 1000000]");
  if (!finite(options.inter_token_goal, 1e6)) {
    return UsageError("--inter-token-goal must be in [0, 1000000]");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status RunBench(CommandContext* context, const std::vector<std::string>& words) {
  LoadOptions options;
  std::optional<int64_t> streams;
  bool json = false;
  ArgParser args("bench",
                 "Sends requests, a fixed number at a time or as they come (--rate), and prints\n"
                 "the time to the first token, the inter-token latency and the throughput.");
  args.Add("model", "M", "NAME, NAME@VERSION or NAME@ALIAS", &options.model).Require();
  args.Add("concurrency", "C",
           "streams at a time, with --rate at most; default 1, with --rate 256", &streams)
      .Add("rate", "R",
           "an open loop: requests a second, at random times (Poisson), whether or not\n"
           "the ones before have ended; latencies count from when each was due",
           &options.rate)
      .Add("ttft-goal", "SECONDS", "with the next: prints how many requests a second kept both",
           &options.ttft_goal)
      .Add("inter-token-goal", "SECONDS", "of a request's mean", &options.inter_token_goal)
      .Add("cancel", "SHARE", "of requests that are cancelled at their first byte; default 0",
           &options.cancel)
      .Add("read-delay", "SECONDS", "slow readers: a wait before each read; default 0",
           &options.read_delay)
      .Add("requests", "R", "in all; default 16", &options.requests)
      .Add("warmup", "N", "requests before the clock starts; default 1", &options.warmup)
      .Add("prompt-bytes", "P", "of every prompt; default 128", &options.prompt_bytes)
      .Add("max-tokens", "N", "generated by every request; default 128", &options.max_tokens)
      .Add("temperature", "T", "default 1", &options.temperature)
      .Add("seed", "S", "of prompts and sampling; default 1", &options.seed)
      .AddFlag("json", "print one JSON object, times in seconds", &json);
  bool done = false;
  STRATA_RETURN_IF_ERROR(ParseOrHelp(context, &args, words, &done));
  if (done) return absl::OkStatus();
  const int64_t concurrency = streams.value_or(options.rate > 0 ? 256 : 1);
  STRATA_RETURN_IF_ERROR(Validate(options, concurrency));
  options.server = context->server;
  options.concurrency = static_cast<int>(std::min(concurrency, options.requests));

  const bool show = isatty(STDERR_FILENO) != 0;
  Mutex mu;
  const LoadReport report = RunLoad(options, [&](int64_t finished) {
    MutexLock lock(&mu);
    if (show) fprintf(stderr, "\r\033[K%d/%d", static_cast<int>(finished),
                      static_cast<int>(options.requests));
  });
  if (show) fputs("\r\033[K", stderr);
  if (report.completed > 0 || json) {
    STRATA_RETURN_IF_ERROR(
        json ? WriteLine(JsonReport(options, report)) : WriteOut(TextReport(options, report)));
  }
  if (report.failed == 0) return absl::OkStatus();
  return absl::AbortedError(absl::StrCat(report.failed, " of ", options.requests,
                                         " requests failed, the first with: ",
                                         report.first_error));
}

}  // namespace strata
