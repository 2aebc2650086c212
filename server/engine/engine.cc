#include "server/engine/engine.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/base/log.h"
#include "model/base/status_macros.h"
#include "server/engine/engine_core.h"
#include "server/engine/error_reason.h"
#include "server/engine/stop_matcher.h"
#include "server/engine/worker.h"

namespace strata {
namespace {

absl::Status Invalid(absl::string_view message) {
  return WithReason(absl::InvalidArgumentError(message), "INVALID_REQUEST");
}

absl::Status ContextExceeded(absl::string_view message) {
  return WithReason(absl::InvalidArgumentError(message),
                    "CONTEXT_LENGTH_EXCEEDED");
}

absl::Status ValidateRequest(const EngineRequest& request) {
  if (request.id.empty()) return Invalid("request_id is empty");
  if (request.version == nullptr || request.version->weights == nullptr) {
    return Invalid("the request names no loaded version");
  }
  const int vocab = request.version->weights->config().vocab;
  for (const Item item : request.items) {
    if (item < 0 || item >= vocab) {
      return Invalid(absl::StrCat("the prompt has item ", item,
                                  "; must be in [0, ", vocab - 1, "]"));
    }
  }
  if (request.items.empty()) return Invalid("the prompt is empty");
  if (request.kind == EngineRequest::Kind::kScore) return absl::OkStatus();
  if (request.max_items < 1) {
    return Invalid(absl::StrCat("max_tokens is ", request.max_items,
                                "; must be at least 1"));
  }
  if (request.samples < 1) {
    return Invalid(absl::StrCat("n is ", request.samples, "; must be at least 1"));
  }
  absl::Status status = ValidateSampling(request.sampling, vocab);
  if (status.ok()) status = ValidateStops(request.stop);
  return status.ok() ? status : WithReason(status, "INVALID_REQUEST");
}

std::optional<MonotonicTime> Earlier(std::optional<MonotonicTime> a,
                                     std::optional<MonotonicTime> b) {
  if (a.has_value() && b.has_value()) return std::min(*a, *b);
  return a.has_value() ? a : b;
}

// How much the request may hold; its state by formula.
absl::Status Size(const EngineOptions& options, LiveRequest* live) {
  const EngineRequest& request = live->request;
  const LoadedModel& weights = *request.version->weights;
  const int64_t context = weights.config().max_context;
  const bool scoring = request.kind == EngineRequest::Kind::kScore;
  live->prompt_items = static_cast<int64_t>(request.items.size());
  const int64_t room = context - live->prompt_items;
  if (room < (scoring ? 0 : 1)) {
    return ContextExceeded(absl::StrCat(
        "the prompt has ", live->prompt_items, " items",
        scoring ? "" : " and one must be generated", "; the context of ",
        request.version->name(), " holds ", context));
  }
  live->max_generated = scoring ? 0 : std::min(request.max_items, room);
  live->capacity = live->prompt_items + live->max_generated;
  if (request.samples > options.max_batch) {
    return Invalid(absl::StrCat("n is ", request.samples, "; a worker steps ",
                                options.max_batch, " streams together (--max-batch)"));
  }
  live->state_bytes = weights.StateBytes(live->capacity) * request.samples;
  if (live->state_bytes > options.state_memory_bytes) {
    return ContextExceeded(absl::StrCat(
        "the request needs ", live->state_bytes, " bytes of state for ",
        live->capacity, " items",
        request.samples > 1 ? " of each sample" : "", "; the server's budget is ",
        options.state_memory_bytes));
  }
  live->expires = Earlier(request.deadline, request.time_limit);
  return absl::OkStatus();
}

// Where workers share their memory they share the snapshots too.
int PreferredWorker(EngineCore* core, const EngineRequest& request) {
  const bool uses = core->options().state_memory_per_worker &&
                    request.prefix_cache &&
                    request.kind == EngineRequest::Kind::kGenerate;
  if (!uses) return -1;
  return core->prefixes().PlaceOfLongest(request.version, request.items);
}

EngineOptions Checked(EngineOptions options) {
  STRATA_CHECK(options.workers >= 1);
  STRATA_CHECK(options.max_batch >= 1);
  STRATA_CHECK(options.prefill_items_per_step >= 1);
  STRATA_CHECK(options.prefix_cache_bytes >= 0);
  STRATA_CHECK(options.clock != nullptr);
  return options;
}

}  // namespace

struct Engine::Impl {
  explicit Impl(const EngineOptions& options) : core(options) {
    for (int i = 0; i < options.workers; ++i) {
      workers.push_back(std::make_unique<Worker>(&core, i));
    }
  }
  ~Impl() { core.queue().Stop(); }

  absl::StatusOr<int64_t> Admit(EngineRequest request) {
    STRATA_RETURN_IF_ERROR(ValidateRequest(request));
    auto live = std::make_shared<LiveRequest>();
    live->request = std::move(request);
    STRATA_RETURN_IF_ERROR(Size(core.options(), live.get()));
    live->preferred_worker = PreferredWorker(&core, live->request);
    return core.queue().Push(std::move(live));
  }

  EngineCore core;
  std::vector<std::unique_ptr<Worker>> workers;  // joined before `core` goes
};

Engine::Engine(EngineOptions options)
    : options_(Checked(options)), impl_(std::make_unique<Impl>(options_)) {}

Engine::~Engine() { Drain(options_.clock->Now()); }

absl::StatusOr<int64_t> Engine::Submit(EngineRequest request) {
  STRATA_CHECK(request.sink != nullptr);
  EngineCore& core = impl_->core;
  if (request.arrival == MonotonicTime{}) request.arrival = core.Now();
  // Not the version itself: it would be alive here when it is gone elsewhere.
  const std::string model =
      request.version == nullptr ? "" : request.version->model;
  const int64_t prompt_items = static_cast<int64_t>(request.items.size());
  absl::StatusOr<int64_t> ahead = impl_->Admit(std::move(request));
  if (ahead.ok()) {
    core.observer().OnAdmitted(model, prompt_items);
    core.PublishLevels();
  } else {
    core.observer().OnRejected(ReasonOf(ahead.status()));
  }
  return ahead;
}

absl::Status Engine::Cancel(absl::string_view id) {
  LiveRequestPtr removed;
  if (!impl_->core.queue().Cancel(id, &removed)) {
    return WithReason(
        absl::NotFoundError(absl::StrCat("no request \"", id, "\" is live")),
        "REQUEST_NOT_FOUND");
  }
  if (removed != nullptr) {
    impl_->core.End(std::move(removed),
                    CancelledEnding(RequestPhase::kQueued));
  }
  return absl::OkStatus();
}

bool Engine::Drain(MonotonicTime deadline) {
  AdmissionQueue& queue = impl_->core.queue();
  queue.CloseGate();
  if (!queue.WaitUntilEmpty(deadline)) {
    for (LiveRequestPtr& live : queue.Cut()) {
      impl_->core.End(std::move(live), CutEnding(RequestPhase::kQueued));
    }
    queue.WaitUntilEmpty(std::nullopt);  // at most the step in progress
  }
  return impl_->core.cut_count() == 0;
}

void Engine::ReleaseUnused() { impl_->core.queue().Wake(); }

bool Engine::Healthy(MonotonicDuration limit) const {
  return impl_->core.queue().LongestStep() <= limit;
}

bool Engine::Failing() const { return impl_->core.Failing(); }

EngineLevels Engine::levels() const { return impl_->core.queue().levels(); }

}  // namespace strata
