#include "server/engine/engine_core.h"

#include <limits>
#include <utility>

namespace strata {

EngineCore::EngineCore(const EngineOptions& options)
    : options_(options),
      observer_(options.observer != nullptr ? options.observer : &no_observer_),
      queue_(options, &prefixes_) {}

EngineCore::~EngineCore() {
  // What they give back, the queue takes.
  for (int worker = 0; worker < options_.workers; ++worker) {
    prefixes_.Evict(queue_.PlaceOf(worker),
                    std::numeric_limits<int64_t>::max());
  }
}

void EngineCore::End(LiveRequestPtr live, const Ending& ending) {
  live->lease.Release();
  live->request.version.reset();
  SampleGroup& group = *live->group;
  if (!ending.status.ok() && !group.failure.has_value()) {
    group.failure = ending;
    group.cancelled = true;
  }
  if (--group.open > 0) {
    PublishLevels();
    Report(*live, ending);
    live->request.sink.reset();
    return;
  }
  const Ending& whole = group.failure.has_value() ? *group.failure : ending;
  queue_.Forget(*live);
  Observe(*live, whole);
  PublishLevels();
  Report(*live, ending);
  live->request.sink->OnDone(whole.status);
  live->request.sink.reset();
  queue_.Ended();
}

void EngineCore::Report(const LiveRequest& live, const Ending& ending) {
  RequestSink& sink = *live.request.sink;
  if (ending.scores.has_value()) sink.OnScores(*ending.scores);
  if (!ending.finish.has_value()) return;
  sink.OnFinished(*ending.finish);
  if (live.group->split) return;
  FinishInfo info = *ending.finish;
  while (++info.sample < live.request.samples) sink.OnFinished(info);
}

void EngineCore::Observe(const LiveRequest& live, const Ending& ending) {
  if (ending.outcome == "unavailable") ++cut_count_;
  if (ending.outcome == "cancelled") observer_->OnCancelled(ending.phase);
  if (ending.outcome == "deadline_exceeded") {
    observer_->OnDeadlineExceeded(ending.phase);
  }
  observer_->OnEnded(ending.outcome, Seconds(Now() - live.request.arrival));
}

void EngineCore::PublishLevels() {
  // Whoever finds nobody publishing does it, again for as long as others came
  // meanwhile: so the last call follows the last change.
  if (unpublished_.fetch_add(1) != 0) return;
  int seen = 1;
  do {
    const EngineLevels levels = queue_.levels();
    observer_->OnLevels(levels.queued_requests, levels.queued_bytes,
                        levels.running, levels.state_bytes);
    observer_->OnPrefixBytes(levels.cached_bytes);
    seen = unpublished_.fetch_sub(seen) - seen;
  } while (seen != 0);
}

bool EngineCore::Failing() const {
  const int64_t last = last_repeated_fault_;
  return last != kNever &&
         Now() - MonotonicTime(MonotonicTime::duration(last)) < kFaultMemory;
}

}  // namespace strata
