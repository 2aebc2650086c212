#include "server/engine/admission_queue.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "model/base/log.h"
#include "server/engine/error_reason.h"
#include "server/engine/scheduler.h"

namespace strata {
namespace {

// A worker that has been in one step for this long is not waited for when
// requests are spread.
constexpr MonotonicDuration kSlowStep = std::chrono::seconds(1);

absl::Status QueueFull(absl::string_view what, int64_t limit) {
  return WithReason(
      absl::ResourceExhaustedError(absl::StrCat(
          "the queue is full (", what, " limit is ", limit, "); retry later")),
      "QUEUE_FULL");
}

}  // namespace

SlotLease& SlotLease::operator=(SlotLease&& other) noexcept {
  if (this != &other) {
    Release();
    queue_ = std::exchange(other.queue_, nullptr);
    worker_ = other.worker_;
    slots_ = other.slots_;
    state_bytes_ = other.state_bytes_;
  }
  return *this;
}

void SlotLease::Release() {
  if (queue_ != nullptr) {
    std::exchange(queue_, nullptr)->Release(worker_, slots_, state_bytes_);
  }
}

SlotLease SlotLease::SplitOff(int64_t state_bytes) {
  STRATA_CHECK(slots_ > 1 && state_bytes <= state_bytes_);
  --slots_;
  state_bytes_ -= state_bytes;
  return SlotLease(queue_, worker_, 1, state_bytes);
}

SnapshotLease::~SnapshotLease() {
  if (queue_ != nullptr) queue_->ReleaseSnapshot(place_, bytes_);
}

AdmissionQueue::AdmissionQueue(const EngineOptions& options,
                               PrefixCache* prefixes)
    : options_(options),
      prefixes_(prefixes),
      workers_(new WorkerState[options.workers]),
      places_(PlaceOf(options.workers - 1) + 1) {}

absl::StatusOr<int64_t> AdmissionQueue::Push(LiveRequestPtr live) {
  MutexLock lock(&mu_);
  if (gate_closed_) {
    return WithReason(absl::UnavailableError("the server is shutting down"),
                      "DRAINING");
  }
  const std::string& id = live->request.id;
  if (ids_.count(id) > 0) {
    return WithReason(absl::AlreadyExistsError(absl::StrCat(
                          "request_id is \"", id, "\", which is in use")),
                      "REQUEST_ID_IN_USE");
  }
  if (levels_.queued_requests >= options_.max_queued_requests) {
    return QueueFull("requests", options_.max_queued_requests);
  }
  if (live->prompt_items > options_.max_queued_bytes - levels_.queued_bytes) {
    return QueueFull("prompt bytes", options_.max_queued_bytes);
  }
  const int64_t ahead = levels_.queued_requests++;
  levels_.queued_bytes += live->prompt_items;
  ++live_;
  live->ticket = next_ticket_++;
  live->queued = true;
  if (live->expires.has_value()) {
    expiries_.emplace(*live->expires, live->ticket);
  }
  ids_.emplace(id, live);
  queue_.emplace(live->ticket, std::move(live));
  work_.SignalAll();
  return ahead;
}

LiveRequestPtr AdmissionQueue::RemoveFromQueue(uint64_t ticket) {
  const auto it = queue_.find(ticket);
  STRATA_CHECK(it != queue_.end());
  LiveRequestPtr live = std::move(it->second);
  queue_.erase(it);
  live->queued = false;
  --levels_.queued_requests;
  levels_.queued_bytes -= live->prompt_items;
  if (live->expires.has_value()) expiries_.erase({*live->expires, ticket});
  return live;
}

bool AdmissionQueue::Cancel(absl::string_view id, LiveRequestPtr* removed) {
  MutexLock lock(&mu_);
  const auto it = ids_.find(std::string(id));
  if (it == ids_.end()) return false;
  it->second->group->cancelled.store(true, std::memory_order_relaxed);
  if (it->second->queued) {
    *removed = RemoveFromQueue(it->second->ticket);
    work_.SignalAll();  // the next in line may fit where this one did not
  }
  return true;
}

// Only to one that has no more to do, so that nobody waits for a warm worker
// while a cold one idles: an idle worker leaves a request to another idle one.
bool AdmissionQueue::LeaveToPreferred(int worker, const LiveRequest& live,
                                      MonotonicTime now) const {
  const int preferred = live.preferred_worker;
  if (preferred < 0 || preferred == worker) return false;
  const WorkerState& other = workers_[preferred];
  return other.running <= workers_[worker].running &&
         other.running + live.request.samples <= options_.max_batch &&
         InStep(other, now) < kSlowStep && Fits(preferred, live.state_bytes);
}

bool AdmissionQueue::MayTake(int worker, const LiveRequest& live) const {
  const int64_t running = workers_[worker].running;
  const int64_t state_bytes = live.state_bytes;
  if (running + live.request.samples > options_.max_batch ||
      !Fits(worker, state_bytes)) {
    return false;
  }
  const MonotonicTime now = options_.clock->Now();
  if (LeaveToPreferred(worker, live, now)) return false;
  // Those that could have it instead: a worker that is stuck in a step, or has
  // no memory of its own left, is not waited for.
  std::vector<int64_t> others;
  for (int w = 0; w < options_.workers; ++w) {
    if (w != worker && InStep(workers_[w], now) < kSlowStep &&
        Fits(w, state_bytes)) {
      others.push_back(workers_[w].running);
    }
  }
  return ShouldTake(running, others, levels_.queued_requests);
}

bool AdmissionQueue::Fits(int worker, int64_t state_bytes) const {
  const int64_t used = places_[PlaceOf(worker)].state_bytes;
  return state_bytes <= options_.state_memory_bytes - used;
}

bool AdmissionQueue::MakeRoom(int worker, int64_t state_bytes,
                              Intake* intake) {
  const int place = PlaceOf(worker);
  const PlaceState& used = places_[place];
  const int64_t missing = state_bytes + used.state_bytes + used.cached_bytes -
                          options_.state_memory_bytes;
  if (missing <= 0) return true;
  // What is not in the cache, but counted, comes or goes at this moment; either
  // wakes whoever waits.
  const int64_t moving = used.cached_bytes - prefixes_->bytes(place);
  if (missing > moving) {
    intake->evicted = prefixes_->Evict(place, missing - moving);
  }
  return false;
}

bool AdmissionQueue::ReserveSnapshot(SlotLease* slot, bool hand_over,
                                     int64_t bytes, SnapshotLease* lease,
                                     std::vector<SnapshotPtr>* evicted) {
  MutexLock lock(&mu_);
  const int place = PlaceOf(slot->worker_);
  const int64_t given = hand_over ? slot->state_bytes_ : 0;
  PlaceState& used = places_[place];
  const int64_t head =
      queue_.empty() ? 0 : queue_.begin()->second->state_bytes;
  const int64_t missing =
      used.cached_bytes + bytes -
      std::min(options_.prefix_cache_bytes,
               options_.state_memory_bytes - used.state_bytes + given - head);
  evicted->clear();
  if (missing <= 0) {
    used.cached_bytes += bytes;
    levels_.cached_bytes += bytes;
    used.state_bytes -= given;
    levels_.state_bytes -= given;
    slot->state_bytes_ -= given;
    *lease = SnapshotLease(this, place, bytes);
    return true;
  }
  if (missing <= prefixes_->bytes(place)) {
    *evicted = prefixes_->Evict(place, missing);
  }
  return false;
}

SnapshotPtr AdmissionQueue::Keep(const LiveRequest& live, int64_t items,
                                 SnapshotPtr snapshot) {
  MutexLock lock(&mu_);
  SnapshotPtr known = prefixes_->Insert(
      live.request.version,
      absl::MakeConstSpan(live.request.items).first(items),
      std::move(snapshot));
  if (!queue_.empty()) work_.SignalAll();
  return known;
}

void AdmissionQueue::Fill(int worker, Intake* intake) {
  if (!expiries_.empty()) {
    const MonotonicTime now = options_.clock->Now();
    while (!expiries_.empty() && expiries_.begin()->first <= now) {
      intake->expired.push_back(RemoveFromQueue(expiries_.begin()->second));
    }
  }
  while (!queue_.empty() && MayTake(worker, *queue_.begin()->second)) {
    if (!MakeRoom(worker, queue_.begin()->second->state_bytes, intake)) break;
    LiveRequestPtr live = RemoveFromQueue(queue_.begin()->first);
    const int slots = live->request.samples;
    workers_[worker].running += slots;
    places_[PlaceOf(worker)].state_bytes += live->state_bytes;
    levels_.running += slots;
    levels_.state_bytes += live->state_bytes;
    live->lease = SlotLease(this, worker, slots, live->state_bytes);
    intake->arrivals.push_back(std::move(live));
  }
  // Who left the old head to another may be meant by the new one.
  const bool new_head = !intake->arrivals.empty() || !intake->expired.empty();
  if (new_head && !queue_.empty()) work_.SignalAll();
  intake->stop = stop_;
}

AdmissionQueue::Intake AdmissionQueue::Take(
    int worker, bool wait, std::optional<MonotonicDuration> patience) {
  std::optional<MonotonicTime> until;
  if (patience.has_value()) until = CondVar::Clock::now() + *patience;
  WorkerState& self = workers_[worker];
  Intake intake;
  MutexLock lock(&mu_);
  for (;;) {
    Fill(worker, &intake);
    if (!wait || intake.stop || !intake.arrivals.empty() ||
        !intake.expired.empty() || !intake.evicted.empty() || self.wakes_seen != wakes_ ||
        (until.has_value() && CondVar::Clock::now() >= *until)) {
      break;
    }
    self.busy_since = kIdle;
    WaitForWork(until);
  }
  intake.woken = self.wakes_seen != wakes_;
  self.wakes_seen = wakes_;
  Beat(worker);
  return intake;
}

// Condition variables wait in real time; the injected clock says how long.
MonotonicTime AdmissionQueue::RealTime(MonotonicTime t) const {
  const MonotonicTime here = options_.clock->Now();
  const MonotonicTime now = CondVar::Clock::now();
  if (t <= here) return now;
  const MonotonicDuration left = std::min<MonotonicDuration>(
      t - here, std::chrono::hours(24 * 365));  // "never" must not overflow
  return now + left;
}

void AdmissionQueue::WaitForWork(std::optional<MonotonicTime> until) {
  if (!expiries_.empty()) {
    const MonotonicTime expiry = RealTime(expiries_.begin()->first);
    until = until.has_value() ? std::min(*until, expiry) : expiry;
  }
  if (until.has_value()) {
    work_.WaitUntil(&mu_, *until);
  } else {
    work_.Wait(&mu_);
  }
}

void AdmissionQueue::Wake() {
  MutexLock lock(&mu_);
  ++wakes_;
  work_.SignalAll();
}

void AdmissionQueue::Release(int worker, int slots, int64_t state_bytes) {
  MutexLock lock(&mu_);
  workers_[worker].running -= slots;
  places_[PlaceOf(worker)].state_bytes -= state_bytes;
  levels_.running -= slots;
  levels_.state_bytes -= state_bytes;
  if (!queue_.empty()) work_.SignalAll();
}

void AdmissionQueue::ReleaseSnapshot(int place, int64_t bytes) {
  MutexLock lock(&mu_);
  places_[place].cached_bytes -= bytes;
  levels_.cached_bytes -= bytes;
  if (!queue_.empty()) work_.SignalAll();
}

void AdmissionQueue::Forget(const LiveRequest& live) {
  MutexLock lock(&mu_);
  ids_.erase(live.request.id);
}

void AdmissionQueue::Ended() {
  MutexLock lock(&mu_);
  if (--live_ == 0) empty_.SignalAll();
}

void AdmissionQueue::CloseGate() {
  MutexLock lock(&mu_);
  gate_closed_ = true;
}

bool AdmissionQueue::WaitUntilEmpty(std::optional<MonotonicTime> deadline) {
  MutexLock lock(&mu_);
  while (live_ > 0) {
    if (!deadline.has_value()) {
      empty_.Wait(&mu_);
      continue;
    }
    if (*deadline <= options_.clock->Now()) return false;
    empty_.WaitUntil(&mu_, RealTime(*deadline));
  }
  return true;
}

std::vector<LiveRequestPtr> AdmissionQueue::Cut() {
  MutexLock lock(&mu_);
  cut_ = true;
  std::vector<LiveRequestPtr> queued;
  while (!queue_.empty()) {
    queued.push_back(RemoveFromQueue(queue_.begin()->first));
  }
  return queued;
}

void AdmissionQueue::Stop() {
  MutexLock lock(&mu_);
  stop_ = true;
  work_.SignalAll();
}

MonotonicTime AdmissionQueue::Beat(int worker) {
  const MonotonicTime now = options_.clock->Now();
  workers_[worker].busy_since = now.time_since_epoch().count();
  return now;
}

MonotonicDuration AdmissionQueue::InStep(const WorkerState& worker,
                                         MonotonicTime now) const {
  const int64_t since = worker.busy_since;
  if (since == kIdle) return MonotonicDuration::zero();
  return now.time_since_epoch() - MonotonicDuration(since);
}

MonotonicDuration AdmissionQueue::LongestStep() const {
  const MonotonicTime now = options_.clock->Now();
  MonotonicDuration longest = MonotonicDuration::zero();
  for (int w = 0; w < options_.workers; ++w) {
    longest = std::max(longest, InStep(workers_[w], now));
  }
  return longest;
}

EngineLevels AdmissionQueue::levels() const {
  MutexLock lock(&mu_);
  return levels_;
}

}  // namespace strata
