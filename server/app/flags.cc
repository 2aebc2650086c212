#include "server/app/flags.h"

#include <cstdlib>
#include <limits>
#include <map>
#include <variant>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "model/base/status_macros.h"

namespace strata {
namespace {

struct Text { std::string Flags::*field; };
struct Address { std::string Flags::*field; };
struct Choice { std::string Flags::*field; const char* values; };  // "a, b"
struct Count { int64_t Flags::*field; int64_t low; int64_t high; };
struct Share { double Flags::*field; };  // of a whole, not none of it
struct Bytes { int64_t Flags::*field; int64_t low; };
struct Duration {
  MonotonicDuration Flags::*field;
  MonotonicDuration most = MonotonicDuration::max();
};

struct Flag {
  const char* name;
  std::variant<Text, Address, Choice, Count, Share, Bytes, Duration> kind;
  const char* value;  // the default, in the syntax of the command line
  const char* unit;
  const char* help;
};

constexpr int64_t kMaxCount = std::numeric_limits<int32_t>::max();

const std::vector<Flag>& Table() {
  using F = Flags;
  static const auto* const table = new std::vector<Flag>{
      {"models", Text{&F::models}, "models", "DIR", "Model repository; created if absent."},
      {"data", Text{&F::data}, "data", "DIR",
       "Jobs, datasets, the database; created if absent. One server at a time."},
      {"listen", Address{&F::listen}, "127.0.0.1:50051", "HOST:PORT",
       "Address for gRPC; port 0 picks a free one."},
      {"http", Address{&F::http}, "127.0.0.1:9090", "HOST:PORT",
       "Address for /metrics, /livez and /readyz; port 0 picks a free one."},
      {"port-file", Text{&F::port_file}, "", "FILE",
       "Gets the lines grpc=HOST:PORT and http=HOST:PORT once both accept."},
      {"devices", Text{&F::devices}, "auto", "list",
       "What decodes: cpu; cuda, every CUDA device; cuda:0,cuda:1, these; auto: "
       "cuda where there is a device that works, else cpu; tensor: what "
       "CUDA devices run, on the CPU, with one worker: for a look, slower than cpu."},
      {"dtype", Choice{&F::dtype, "fp32, bf16, int8, auto"}, "fp32", "type",
       "Of weights: bf16 takes half of the memory and of the time to read them, int8, on "
       "the CPU alone, a quarter, at a cost in quality (tests/bench prints it). On CUDA "
       "devices bf16 is of states and of what is computed, too. auto: on the CPU fp32 or "
       "bf16, whichever is faster here for matrices of the model's width, measured when "
       "it is loaded, and logged; on CUDA devices bf16, with --devices tensor fp32."},
      {"kv-dtype", Choice{&F::kv_dtype, "fp32, fp16, bf16"}, "fp16", "type",
       "Of keys and values in the states of the CPU executor: 16 bits take half of the "
       "memory, and of the time to read them. fp16 is the more exact one; levels whose "
       "positions scale keys (xpos) have bf16 in its place."},
      {"early-exit", Choice{&F::early_exit, "on, off"}, "on", "on or off",
       "Whether the bytes of models with `exits` may leave the decoder where the "
       "threshold that was found when they were trained lets them; off: all pass all "
       "layers."},
      {"cuda-graphs", Choice{&F::cuda_graphs, "on, off"}, "on", "on or off",
       "On CUDA devices, whether steps of a byte a stream are recorded as CUDA graphs and "
       "replayed, which spares launching their kernels one by one, for models whose steps "
       "can be; the executor that `strata models` names then ends with -graphs."},
      {"workers", Count{&F::workers, 1, 256}, "1", "count",
       "Workers on the CPU, each stepping a batch of its own; a CUDA device has one."},
      {"threads", Count{&F::threads, 0, 1024}, "0", "threads a worker",
       "0: the cores this process may use, divided by the workers."},
      {"trainer-threads", Count{&F::trainer_threads, 0, 1024}, "0", "threads",
       "Of a training job that does not say; 0: the cores this process may use."},
      {"trainer-devices", Text{&F::trainer_devices}, "auto", "list",
       "What trains models, of each job slot in turn: cpu; cuda, every CUDA device; "
       "cuda:0,cuda:1, these; auto: the CUDA devices that decode, else cpu. Classifiers "
       "and language models train there, datastores are built on the CPU."},
      {"trainer-nice", Count{&F::trainer_nice, 0, 19}, "19", "niceness",
       "Of trainer processes, so that serving comes first: where it wants every core, 19 "
       "leaves them some hundredths of it, 10 a tenth, and streams wait longer for it."},
      {"trainer-tickets", Choice{&F::trainer_tickets, "auto, on, off"}, "auto",
       "auto, on or off",
       "Whether a trainer takes a ticket before each slice of its work on a device (a "
       "forward and backward pass of micro_batch rows, an update of the weights): one "
       "slice at a time, and no more of them than --trainer-share. auto: on CUDA devices "
       "on which streams decode; the CPU is shared by niceness. on: everywhere, on the CPU "
       "beside niceness, which leaves a job little. off: nowhere."},
      {"trainer-share", Share{&F::trainer_share}, "0.1", "share of the time",
       "The most of a device's time that trainers with tickets take, all together, while "
       "requests run or are queued: they get that much, however busy it is. When there "
       "were no requests for 100ms they take all of it."},
      {"job-slots", Count{&F::job_slots, 1, 64}, "1", "count",
       "Training jobs that run at the same time."},
      {"job-retry-base", Duration{&F::job_retry_base}, "10s", "duration",
       "Before an attempt that was lost is made anew; doubled each time."},
      {"job-attempts", Count{&F::job_attempts, 1, 1 << 20}, "5", "attempts",
       "Lost in a row without a new checkpoint, after which a job fails; each saves "
       "sooner than the one before, from 30s on. A server "
       "that crashes or is killed while it runs the job counts apart, up to twice "
       "as many; one that shuts down does not count."},
      {"job-stall-timeout", Duration{&F::job_stall_timeout}, "30m", "duration",
       "A trainer of which nothing is heard for so long hangs: it is killed, and "
       "replaced. A healthy one is heard every 10s, but not within one micro-batch, "
       "while a dataset is read, or within one save: more than the longest of these. "
       "0: never."},
      {"keep-ended-jobs", Duration{&F::keep_ended_jobs}, "24h", "duration",
       "After which the checkpoints of a job that failed or was cancelled are deleted, "
       "and its result if that could not be published; looked at at the start and "
       "every 10m. Those of one that succeeded go at once; what ListJobs and WatchJob "
       "tell stays. 0: kept for ever."},
      {"max-batch", Count{&F::max_batch, 1, 65536}, "64", "sequences",
       "A worker steps at most so many together."},
      {"prefill-chunk", Count{&F::prefill_chunk, 1, 8192}, "512", "items a step",
       "Prompt items that a worker reads before other streams step again; up to an "
       "eighth more where that ends a prompt."},
      {"phase-wait", Count{&F::phase_wait, 0, 4096}, "15", "steps",
       "A new stream waits with its second byte for at most so many steps until it "
       "completes blocks together with those that run: upper levels then run once a "
       "block for all of them. Blocks that are longer are not waited for; 0: none."},
      {"draft-streams", Count{&F::draft_streams, 0, 65536}, "1", "streams",
       "While at most so many streams of a worker decode, the n-gram heads of a model "
       "guess its next bytes, which one step then checks: the same output in fewer steps, "
       "where that was seen to be faster. Several "
       "streams of a model whose blocks they complete together are not guessed for. "
       "0: never."},
      {"max-queued-requests", Count{&F::max_queued_requests, 1, kMaxCount}, "1024",
       "requests",
       "More are refused with RESOURCE_EXHAUSTED; calls of Classify, Embed and Inspect "
       "wait in a queue of their own of the same size."},
      {"max-queued-bytes", Bytes{&F::max_queued_bytes, 1}, "64MiB", "bytes",
       "Of prompts in the queue, and of texts in that of Classify, Embed and Inspect; "
       "more are refused with RESOURCE_EXHAUSTED."},
      {"state-memory", Bytes{&F::state_memory, 0}, "0", "bytes",
       "Decoding state of all running requests, of each CUDA device where there are; "
       "0: half of the cgroup's memory limit or of the machine's memory, or a quarter "
       "of what is free on the device."},
      {"prefix-cache", Bytes{&F::prefix_cache, 0}, "512MiB", "bytes",
       "Of the state memory, what states of earlier requests may take while no "
       "request wants it, so that a prompt that begins as one of them is not read "
       "again: that of 4,000 bytes takes half a MB in block-1m, 4 MB in block-10m, "
       "34 MB in flat-10m. 0: none are kept; for clients that must not learn from the "
       "speed of an answer what others sent."},
      {"inspect-max-bytes", Bytes{&F::inspect_max_bytes, 1}, "4096", "bytes",
       "Of a text of Inspect. Its time, and that of calls of Classify and Embed behind "
       "it, grows with the square of its length in a full scope."},
      {"inspect-memory", Bytes{&F::inspect_memory, 0}, "1GiB", "bytes",
       "Of weights that Inspect opens beside those that serve, 4 bytes a parameter; "
       "the versions that it used last are kept. 0: nothing can be inspected."},
      {"datastore-memory", Bytes{&F::datastore_memory, 0}, "2GiB", "bytes",
       "Of the datastore of one version, which is held in memory as its weights are; a "
       "version with a larger one is not loaded, a job that would build one is refused. "
       "An entry takes about 160 bytes and two for each number of the byte level's "
       "width. 0: none."},
      {"max-dataset-bytes", Bytes{&F::max_dataset_bytes, 1}, "4GiB", "bytes",
       "Of one uploaded dataset."},
      {"max-message-bytes", Bytes{&F::max_message_bytes, 1024}, "32MiB", "bytes",
       "Of one gRPC message from a client; also of an answer of Classify, Embed or "
       "Inspect."},
      {"max-stream-bytes", Bytes{&F::max_stream_bytes, 1024}, "4MiB", "bytes",
       "Of output that waits for a slow reader before its stream is cut off."},
      {"write-stall-timeout", Duration{&F::write_stall_timeout}, "30s", "duration",
       "A reader that takes nothing for so long is cut off."},
      {"stream-interval", Duration{&F::stream_interval, std::chrono::seconds(1)}, "10ms", "duration",
       "What a stream generates in so long is sent as one message; its first bytes "
       "and its end are sent at once. Where many streams are fast it is longer, by 40ms at "
       "most, so that their messages take 1.5% of each core: 64 of them on two cores get "
       "one in 25ms. At most 1s; 0: whatever each step generates."},
      {"heartbeat", Duration{&F::heartbeat}, "10s", "duration",
       "Between messages of a stream that waits or reads its prompt."},
      {"max-connection-age", Duration{&F::max_connection_age}, "0s", "duration",
       "After which clients are asked to connect anew, so that they spread over "
       "replicas; running streams are not cut; 0: never."},
      {"drain-delay", Duration{&F::drain_delay}, "0s", "duration",
       "After SIGTERM, how long requests are still admitted while load balancers "
       "see that the server is no longer ready; 10s behind one."},
      {"drain-timeout", Duration{&F::drain_timeout}, "45s", "duration",
       "After that, how long admitted requests may take to finish."},
      {"log-format", Choice{&F::log_format, "text, json"}, "text", "text or json",
       "Of the log on standard error."},
      {"log-level", Choice{&F::log_level, "debug, info, warning, error"}, "info",
       "level", "debug, info, warning or error; less is dropped."},
  };
  return *table;
}

std::string EnvironmentName(const Flag& flag) {
  return absl::StrCat("STRATA_", absl::StrReplaceAll(
                                     absl::AsciiStrToUpper(flag.name), {{"-", "_"}}));
}

// Assigns `text` to the flag's field; the error has no name yet.
struct Assign {
  const std::string& text;
  Flags* flags;

  absl::Status operator()(const Text& kind) const {
    flags->*kind.field = text;
    return absl::OkStatus();
  }
  absl::Status operator()(const Address& kind) const {
    const size_t colon = text.rfind(':');
    int port = -1;
    if (colon == 0 || colon == std::string::npos ||
        !absl::SimpleAtoi(text.substr(colon + 1), &port) || port < 0 ||
        port > 65535) {
      return absl::InvalidArgumentError(absl::StrCat(
          "\"", text, "\" must be HOST:PORT, with a port in [0, 65535]"));
    }
    flags->*kind.field = text;
    return absl::OkStatus();
  }
  absl::Status operator()(const Choice& kind) const {
    for (const absl::string_view value : absl::StrSplit(kind.values, ", ")) {
      if (value == text) {
        flags->*kind.field = text;
        return absl::OkStatus();
      }
    }
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\" is none of ", kind.values));
  }
  absl::Status operator()(const Count& kind) const {
    int64_t value = 0;
    if (!absl::SimpleAtoi(text, &value) || value < kind.low || value > kind.high) {
      return absl::InvalidArgumentError(absl::StrCat(
          "\"", text, "\" must be a whole number in [", kind.low, ", ", kind.high, "]"));
    }
    flags->*kind.field = value;
    return absl::OkStatus();
  }
  absl::Status operator()(const Share& kind) const {
    double value = 0;
    if (!absl::SimpleAtod(text, &value) || !(value > 0 && value <= 1)) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", text, "\" must be a number above 0, at most 1"));
    }
    flags->*kind.field = value;
    return absl::OkStatus();
  }
  absl::Status operator()(const Bytes& kind) const {
    STRATA_ASSIGN_OR_RETURN(const int64_t value, ParseBytes(text));
    if (value < kind.low) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", text, "\" must be at least ", kind.low, " bytes"));
    }
    flags->*kind.field = value;
    return absl::OkStatus();
  }
  absl::Status operator()(const Duration& kind) const {
    STRATA_ASSIGN_OR_RETURN(const MonotonicDuration value, ParseDuration(text));
    if (value > kind.most) {
      return absl::InvalidArgumentError(absl::StrCat(
          "\"", text, "\" must be at most ", Seconds(kind.most), "s; a number alone is seconds"));
    }
    flags->*kind.field = value;
    return absl::OkStatus();
  }
};

absl::Status Set(const Flag& flag, absl::string_view source, const std::string& text,
                 Flags* flags) {
  const absl::Status status = std::visit(Assign{text, flags}, flag.kind);
  if (status.ok()) return status;
  return absl::InvalidArgumentError(absl::StrCat(source, ": ", status.message()));
}

absl::StatusOr<const Flag*> FindFlag(absl::string_view name) {
  for (const Flag& flag : Table()) {
    if (name == flag.name) return &flag;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("--", name, " is no flag of strata-server; try --help"));
}

// Every flag at its default, or at its variable's value.
absl::Status SetFromEnvironment(const EnvironmentLookup& environment, Flags* flags) {
  for (const Flag& flag : Table()) {
    STRATA_RETURN_IF_ERROR(Set(flag, flag.name, flag.value, flags));
    const std::string variable = EnvironmentName(flag);
    if (const auto value = environment(variable)) {
      STRATA_RETURN_IF_ERROR(Set(flag, variable, *value, flags));
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::optional<std::string> ProcessEnvironment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr) return std::nullopt;
  return std::string(value);
}

absl::StatusOr<Flags> ParseFlags(const std::vector<std::string>& arguments,
                                 const EnvironmentLookup& environment) {
  Flags flags;
  STRATA_RETURN_IF_ERROR(SetFromEnvironment(environment, &flags));
  for (size_t i = 0; i < arguments.size(); ++i) {
    const absl::string_view argument = arguments[i];
    if (!absl::StartsWith(argument, "--")) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", argument, "\" is no flag; try --help"));
    }
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(argument.substr(2), absl::MaxSplits('=', 1));
    STRATA_ASSIGN_OR_RETURN(const Flag* flag, FindFlag(parts.first));
    std::string value(parts.second);
    if (argument.find('=') == absl::string_view::npos) {
      if (i + 1 == arguments.size()) {
        return absl::InvalidArgumentError(absl::StrCat(argument, " needs a value"));
      }
      value = arguments[++i];
    }
    STRATA_RETURN_IF_ERROR(Set(*flag, absl::StrCat("--", flag->name), value, &flags));
  }
  return flags;
}

std::string FlagsHelp() {
  std::string out;
  for (const Flag& flag : Table()) {
    absl::StrAppend(&out, "  --", flag.name, "  (", flag.unit, ", default \"", flag.value,
                    "\", ", EnvironmentName(flag), ")\n      ", flag.help, "\n");
  }
  return out;
}

}  // namespace strata
