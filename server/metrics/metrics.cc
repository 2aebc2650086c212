#include "server/metrics/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <chrono>
#include <cmath>

#include "server/metrics/process_stats.h"

namespace strata {
namespace {

using prometheus::BuildCounter;
using prometheus::BuildGauge;
using prometheus::BuildHistogram;
using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;
using Buckets = Histogram::BucketBoundaries;

// The usual edges of language-model servers, and finer ones below: small models
// answer 10 to 100 times faster than those the usual ones were chosen for.
const Buckets& LatencyBuckets() {
  static const auto* const buckets = new Buckets{
      .001, .0025, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5,
      7.5, 10, 20, 40, 80, 160, 640, 2560};
  return *buckets;
}
const Buckets& StepBuckets() {
  static const auto* const buckets = new Buckets{
      .00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .075, .1,
      .15, .2, .3, .4, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80};
  return *buckets;
}
const Buckets& CountBuckets() {
  static const auto* const buckets = new Buckets{
      1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768,
      65536};
  return *buckets;
}

const char* PhaseName(RequestPhase phase) {
  switch (phase) {
    case RequestPhase::kQueued: return "queued";
    case RequestPhase::kPrefill: return "prefill";
    case RequestPhase::kDecode: return "decode";
  }
  return "queued";
}

constexpr JobState kJobStates[] = {
    JobState::kValidating, JobState::kQueued, JobState::kStarting,
    JobState::kRunning, JobState::kFinalizing, JobState::kSucceeded,
    JobState::kPausing, JobState::kPaused, JobState::kCancelling,
    JobState::kCancelled, JobState::kFailed};

}  // namespace

struct Metrics::Impl {
  prometheus::Registry registry;

  Family<Counter>& CounterFamily(const char* name, const char* help) {
    return BuildCounter().Name(name).Help(help).Register(registry);
  }
  Counter& OneCounter(const char* name, const char* help) {
    return CounterFamily(name, help).Add({});
  }
  Family<Gauge>& GaugeFamily(const char* name, const char* help) {
    return BuildGauge().Name(name).Help(help).Register(registry);
  }
  Gauge& OneGauge(const char* name, const char* help) {
    return GaugeFamily(name, help).Add({});
  }
  Family<Histogram>& HistogramFamily(const char* name, const char* help) {
    return BuildHistogram().Name(name).Help(help).Register(registry);
  }
  Histogram& OneHistogram(const char* name, const char* help, const Buckets& buckets) {
    return HistogramFamily(name, help).Add({}, buckets);
  }

  // Requests
  Family<Counter>& requests = CounterFamily(
      "strata_requests_total", "Requests that ended, by outcome.");
  Family<Counter>& rejections = CounterFamily(
      "strata_requests_rejected_total", "Requests refused at submission, by reason.");
  Family<Counter>& cancellations = CounterFamily(
      "strata_requests_cancelled_total", "Requests cancelled, by the phase they were in.");
  Family<Counter>& expiries = CounterFamily(
      "strata_requests_deadline_exceeded_total",
      "Requests whose deadline passed, by the phase they were in.");
  Counter& prompt_bytes = OneCounter(
      "strata_prompt_bytes_total", "Prompt items (bytes and specials) read.");
  Counter& generated_bytes = OneCounter(
      "strata_generated_bytes_total", "Items (bytes and specials) generated.");
  Histogram& first_item = OneHistogram(
      "strata_time_to_first_token_seconds", "From arrival to the first item.",
      LatencyBuckets());
  Histogram& inter_item = OneHistogram(
      "strata_inter_token_latency_seconds",
      "Between two items of one stream.", StepBuckets());
  Histogram& queue_wait = OneHistogram(
      "strata_queue_wait_seconds", "From arrival to the first step.",
      LatencyBuckets());
  Histogram& request_seconds = OneHistogram(
      "strata_request_duration_seconds", "From arrival to the end of a request.",
      LatencyBuckets());
  Histogram& prompt_length = OneHistogram(
      "strata_request_prompt_bytes", "Items of the prompts admitted.",
      CountBuckets());

  // Engine
  Histogram& step_seconds = OneHistogram(
      "strata_step_duration_seconds", "One step of a worker.", StepBuckets());
  Histogram& batch_rows = OneHistogram(
      "strata_step_decode_rows", "Streams that decoded in one step.",
      CountBuckets());
  Counter& held_rows = OneCounter(
      "strata_phase_held_total",
      "Steps that new streams sat out to come into phase, summed over them.");
  Counter& draft_items = OneCounter(
      "strata_draft_items_total",
      "Items guessed by n-gram heads and fed with the item that came before.");
  Counter& accepted_drafts = OneCounter(
      "strata_draft_items_accepted_total", "Of those, the ones that held.");
  Counter& prefill_items = OneCounter(
      "strata_prefill_items_total", "Prompt items fed in steps.");
  Gauge& queued = OneGauge("strata_queued_requests", "Requests in the queue.");
  Gauge& queued_bytes = OneGauge("strata_queued_bytes",
                                 "Prompt items of the requests in the queue.");
  Gauge& running = OneGauge(
      "strata_running_requests",
      "Streams in batches: one for each sample of a request.");
  Gauge& state_bytes = OneGauge(
      "strata_state_bytes", "Decoding state reserved by running requests.");
  Gauge& state_budget = OneGauge(
      "strata_state_budget_bytes",
      "Limit of strata_state_bytes and strata_prefix_cache_bytes together.");

  // Prefix cache
  Counter& prefix_hits = OneCounter(
      "strata_prefix_cache_hits_total",
      "Generations that began with a kept state of a prefix of their prompt.");
  Counter& prefix_misses = OneCounter(
      "strata_prefix_cache_misses_total",
      "Generations that looked for one and found none.");
  Counter& prefix_items = OneCounter(
      "strata_prefix_cache_bytes_reused_total",
      "Prompt items (bytes and specials) that were not read again.");
  Counter& prefix_evictions = OneCounter(
      "strata_prefix_cache_evictions_total",
      "Kept states that went because memory was wanted.");
  Gauge& prefix_bytes = OneGauge("strata_prefix_cache_bytes",
                                 "Memory of the kept states.");

  // Jobs
  Family<Gauge>& jobs = GaugeFamily("strata_jobs", "Training jobs by state.");
  Counter& train_steps = OneCounter("strata_training_steps_total",
                                    "Optimizer steps done.");
  Counter& train_items = OneCounter("strata_training_items_total",
                                    "Items trained on, padding excluded.");
  Counter& checkpoints = OneCounter("strata_checkpoints_total",
                                    "Checkpoints made durable.");
  Counter& checkpoint_bytes = OneCounter("strata_checkpoint_bytes_total",
                                         "Bytes of checkpoints written.");
  Gauge& train_loss = OneGauge(
      "strata_training_loss_nats",
      "Loss of the last reported step of any job, per trained item.");
  Gauge& train_rate = OneGauge("strata_training_items_per_second",
                               "Speed of the last reported step of any job.");
  Family<Counter>& attempts = CounterFamily(
      "strata_training_attempts_total", "Attempts of jobs that ended, by cause.");
  Histogram& ticket_wait = OneHistogram(
      "strata_trainer_ticket_wait_seconds",
      "From a trainer's question for the ticket of its device to the ticket.",
      LatencyBuckets());
  Gauge& tickets_waiting = OneGauge("strata_trainers_waiting",
                                    "Trainers that wait for the ticket of their device.");
  Counter& slice_seconds = OneCounter(
      "strata_trainer_slice_seconds_total",
      "Time that trainers with tickets took on their devices, of all of them.");

  // RPC and process
  Family<Counter>& calls = CounterFamily("strata_rpc_calls_total",
                                         "gRPC calls that ended.");
  Family<Histogram>& call_seconds = HistogramFamily(
      "strata_rpc_duration_seconds", "gRPC calls from arrival to end.");
  Gauge& ready = OneGauge("strata_ready", "1 while requests are welcome.");
  Family<Gauge>& build = GaugeFamily("strata_build_info",
                                     "1; the labels say what runs.");
  Gauge& start_time = OneGauge("process_start_time_seconds",
                               "Start of the process since the Unix epoch.");
  Gauge& resident = OneGauge("process_resident_memory_bytes",
                             "Resident memory of the process.");
  Gauge& open_files = OneGauge("process_open_fds", "Open file descriptors.");
  Gauge& threads = OneGauge("strata_process_threads", "Threads of the process.");
  Counter& cpu_seconds = OneCounter("process_cpu_seconds_total",
                                    "User and system time of the process.");
};

Metrics::Metrics(const BuildInfo& build) : impl_(std::make_unique<Impl>()) {
  impl_->build.Add({{"version", build.version}, {"compiler", build.compiler}}).Set(1);
  impl_->start_time.Set(
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch())
          .count());
  // Known label values exist from the start, so that a rate over them is 0 and
  // not absent.
  for (const char* reason : {"QUEUE_FULL", "CONTEXT_LENGTH_EXCEEDED", "DRAINING"}) {
    impl_->rejections.Add({{"reason", reason}});
  }
  for (const auto phase :
       {RequestPhase::kQueued, RequestPhase::kPrefill, RequestPhase::kDecode}) {
    impl_->cancellations.Add({{"phase", PhaseName(phase)}});
    impl_->expiries.Add({{"phase", PhaseName(phase)}});
  }
  OnJobStates({});
}

Metrics::~Metrics() = default;

std::string Metrics::Text() const {
  const ProcessStats stats = ReadProcessStats();
  impl_->resident.Set(stats.resident_bytes);
  impl_->open_files.Set(stats.open_files);
  impl_->threads.Set(stats.threads);
  const double cpu = stats.cpu_seconds - impl_->cpu_seconds.Value();
  if (cpu > 0) impl_->cpu_seconds.Increment(cpu);
  return prometheus::TextSerializer().Serialize(impl_->registry.Collect());
}

void Metrics::OnRejected(absl::string_view reason) {
  impl_->rejections.Add({{"reason", std::string(reason)}}).Increment();
}
void Metrics::OnAdmitted(absl::string_view, int64_t prompt_items) {
  impl_->prompt_length.Observe(prompt_items);
}
void Metrics::OnStarted(double queue_seconds) {
  impl_->queue_wait.Observe(queue_seconds);
}
void Metrics::OnFirstItem(double seconds) { impl_->first_item.Observe(seconds); }
void Metrics::OnInterItem(double seconds) { impl_->inter_item.Observe(seconds); }
void Metrics::OnItems(int64_t prompt_items, int64_t generated_items) {
  impl_->prompt_bytes.Increment(prompt_items);
  impl_->generated_bytes.Increment(generated_items);
}
void Metrics::OnCancelled(RequestPhase phase) {
  impl_->cancellations.Add({{"phase", PhaseName(phase)}}).Increment();
}
void Metrics::OnDeadlineExceeded(RequestPhase phase) {
  impl_->expiries.Add({{"phase", PhaseName(phase)}}).Increment();
}
void Metrics::OnEnded(absl::string_view outcome, double total_seconds) {
  impl_->requests.Add({{"outcome", std::string(outcome)}}).Increment();
  impl_->request_seconds.Observe(total_seconds);
}
void Metrics::OnStep(double seconds, int64_t decode_rows, int64_t prefill_items) {
  impl_->step_seconds.Observe(seconds);
  if (decode_rows > 0) impl_->batch_rows.Observe(decode_rows);
  if (prefill_items > 0) impl_->prefill_items.Increment(prefill_items);
}
void Metrics::OnHeld(int64_t rows) { impl_->held_rows.Increment(rows); }
void Metrics::OnDrafts(int64_t guesses, int64_t accepted) {
  impl_->draft_items.Increment(guesses);
  impl_->accepted_drafts.Increment(accepted);
}
void Metrics::OnPrefixLookup(int64_t cached_items) {
  (cached_items > 0 ? impl_->prefix_hits : impl_->prefix_misses).Increment();
  if (cached_items > 0) impl_->prefix_items.Increment(cached_items);
}
void Metrics::OnPrefixesEvicted(int64_t snapshots) {
  impl_->prefix_evictions.Increment(snapshots);
}
void Metrics::OnPrefixBytes(int64_t bytes) { impl_->prefix_bytes.Set(bytes); }
void Metrics::OnLevels(int64_t queued_requests, int64_t queued_bytes,
                       int64_t running, int64_t state_bytes) {
  impl_->queued.Set(queued_requests);
  impl_->queued_bytes.Set(queued_bytes);
  impl_->running.Set(running);
  impl_->state_bytes.Set(state_bytes);
}

void Metrics::OnJobStates(const std::map<JobState, int64_t>& counts) {
  for (const JobState state : kJobStates) {
    const auto it = counts.find(state);
    impl_->jobs.Add({{"state", std::string(JobStateName(state))}})
        .Set(it == counts.end() ? 0 : it->second);
  }
}
void Metrics::OnTrainProgress(int64_t steps_delta, int64_t items_delta,
                              const TrainProgress& progress) {
  if (steps_delta > 0) impl_->train_steps.Increment(steps_delta);
  if (items_delta > 0) impl_->train_items.Increment(items_delta);
  if (std::isfinite(progress.loss)) impl_->train_loss.Set(progress.loss);
  impl_->train_rate.Set(progress.items_per_second);
}
void Metrics::OnCheckpoint(int64_t bytes) {
  impl_->checkpoints.Increment();
  impl_->checkpoint_bytes.Increment(bytes);
}
void Metrics::OnAttemptEnded(absl::string_view cause) {
  impl_->attempts.Add({{"cause", std::string(cause)}}).Increment();
}
void Metrics::OnTicket(double wait_seconds) { impl_->ticket_wait.Observe(wait_seconds); }
void Metrics::OnSlice(double seconds) { impl_->slice_seconds.Increment(seconds); }
void Metrics::OnTicketsWaiting(int64_t trainers) {
  impl_->tickets_waiting.Set(static_cast<double>(trainers));
}

void Metrics::OnCall(absl::string_view method, absl::string_view code,
                     double seconds) {
  impl_->calls.Add({{"method", std::string(method)}, {"code", std::string(code)}})
      .Increment();
  impl_->call_seconds.Add({{"method", std::string(method)}}, LatencyBuckets())
      .Observe(seconds);
}
void Metrics::SetReady(bool ready) { impl_->ready.Set(ready ? 1 : 0); }
void Metrics::SetStateBudget(int64_t bytes) { impl_->state_budget.Set(bytes); }

}  // namespace strata
