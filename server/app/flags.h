#pragma once
// Flags of strata-server: one table gives each its name, its STRATA_* twin in
// the environment, its unit, its default and its help. The command line wins
// over the environment. Pure functions.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/base/clock.h"

namespace strata {

struct Flags {
  std::string models;
  std::string data;
  std::string listen;
  std::string http;
  std::string port_file;
  std::string devices;
  std::string dtype;
  std::string kv_dtype;
  std::string early_exit;
  std::string cuda_graphs;
  int64_t workers = 0;
  int64_t threads = 0;          // 0: all cores, shared by the workers
  int64_t trainer_threads = 0;  // 0: all cores
  std::string trainer_devices;
  int64_t trainer_nice = 0;
  std::string trainer_tickets;
  double trainer_share = 0;
  int64_t job_slots = 0;
  MonotonicDuration job_retry_base{};
  int64_t job_attempts = 0;
  MonotonicDuration job_stall_timeout{};  // 0: none
  MonotonicDuration keep_ended_jobs{};    // 0: for ever
  int64_t max_batch = 0;
  int64_t prefill_chunk = 0;
  int64_t phase_wait = 0;
  int64_t draft_streams = 0;
  int64_t max_queued_requests = 0;
  int64_t max_queued_bytes = 0;
  int64_t state_memory = 0;  // 0: half of what the process may use
  int64_t prefix_cache = 0;  // 0: none
  int64_t inspect_max_bytes = 0;
  int64_t inspect_memory = 0;  // 0: nothing can be inspected
  int64_t datastore_memory = 0;  // 0: no version may have one
  int64_t max_dataset_bytes = 0;
  int64_t max_message_bytes = 0;
  int64_t max_stream_bytes = 0;
  MonotonicDuration write_stall_timeout{};
  MonotonicDuration stream_interval{};
  MonotonicDuration heartbeat{};
  MonotonicDuration max_connection_age{};
  MonotonicDuration drain_delay{};
  MonotonicDuration drain_timeout{};
  std::string log_format;
  std::string log_level;
};

// nullopt when the variable is not set.
using EnvironmentLookup = std::function<std::optional<std::string>(const std::string&)>;
std::optional<std::string> ProcessEnvironment(const std::string& name);

// `arguments` without the program's name: --name=value or --name value.
// INVALID_ARGUMENT names the flag (or its variable), the value and the limit;
// unknown flags and stray arguments are errors.
absl::StatusOr<Flags> ParseFlags(const std::vector<std::string>& arguments,
                                 const EnvironmentLookup& environment);

std::string FlagsHelp();

// "500ms", "10s", "2m", "1h"; a bare number is seconds.
absl::StatusOr<MonotonicDuration> ParseDuration(absl::string_view text);
// "65536", "256MiB", "4GiB", "10MB".
absl::StatusOr<int64_t> ParseBytes(absl::string_view text);

}  // namespace strata
