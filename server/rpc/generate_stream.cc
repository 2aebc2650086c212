#include "server/rpc/generate_stream.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "model/base/log.h"
#include "model/base/status_macros.h"
#include "server/rpc/convert.h"

namespace strata {
namespace {

// Waiting pieces are joined up to this size: far below what clients accept.
constexpr size_t kMaxDeltaBytes = 32 << 10;

// Adds a piece to a message that waits, if that is a delta of the same sample and not
// too long.
bool Join(int sample, const std::string& data, const std::string& text, int64_t items,
          v1::GenerateResponse* last) {
  if (!last->has_delta() || last->delta().sample() != sample ||
      last->delta().data().size() > kMaxDeltaBytes) {
    return false;
  }
  v1::Delta* delta = last->mutable_delta();
  delta->mutable_data()->append(data);
  delta->mutable_text()->append(text);
  delta->set_tokens(delta->tokens() + items);
  return true;
}

}  // namespace

// What the engine holds. It keeps the stream alive until the engine is done.
class GenerateStream::Sink final : public RequestSink {
 public:
  explicit Sink(std::shared_ptr<GenerateStream> stream) : stream_(std::move(stream)) {}

  void OnProgress(int64_t processed, int64_t total) override {
    stream_->processed_ = processed;
    stream_->queue_position_ = 0;
    v1::GenerateResponse message;
    message.mutable_prompt_progress()->set_processed_tokens(processed);
    message.mutable_prompt_progress()->set_prompt_tokens(total);
    stream_->Push(std::move(message));
  }

  void OnDelta(const OutputDelta& delta) override {
    stream_->decoding_ = true;
    stream_->delta_items_ += delta.items;  // Finished has the exact number
    const auto join = [&](v1::GenerateResponse* last) {
      return Join(delta.sample, delta.data, delta.text, delta.items, last);
    };
    if (stream_->PushInto(join)) return;  // most of them: a message costs more than a byte
    v1::GenerateResponse message;
    message.mutable_delta()->set_sample(delta.sample);
    message.mutable_delta()->set_data(delta.data);
    message.mutable_delta()->set_text(delta.text);
    message.mutable_delta()->set_tokens(delta.items);
    stream_->Push(std::move(message));
  }

  void OnScores(absl::Span<const double>) override {}

  void OnFinished(const FinishInfo& info) override {
    stream_->cached_items_ = info.cached_items;
    stream_->finished_items_ += info.generated_items;
    v1::GenerateResponse message;
    *message.mutable_finished() = ToProto(info);
    stream_->Push(std::move(message));
  }

  void OnDone(const absl::Status& status) override {
    stream_->engine_done_ = true;
    stream_->Close(status);
  }

 private:
  const std::shared_ptr<GenerateStream> stream_;
};

GenerateStream::GenerateStream(const RpcCore* core,
                               grpc::CallbackServerContext* context)
    : MessageStream(context, core->limits, core->timing.delta_interval),
      core_(core),
      arrival_(Clock::System()->Now()) {}

void GenerateStream::Submit(const v1::GenerateRequest& request) {
  const absl::Status status = TrySubmit(request);
  if (!status.ok()) Abort(status);
}

absl::Status GenerateStream::TrySubmit(const v1::GenerateRequest& request) {
  model_ = request.model().substr(0, 128);
  STRATA_RETURN_IF_ERROR(core_->Counted(core_->state->Admit()));
  auto converted = ToEngineRequest(request, *core_->registry);
  STRATA_RETURN_IF_ERROR(core_->Counted(converted.status()));
  EngineRequest engine_request = *std::move(converted);
  engine_request.arrival = arrival_;
  engine_request.deadline = CallDeadline(*context(), arrival_);
  if (request.time_limit_seconds() > 0) {
    engine_request.time_limit =
        arrival_ + std::chrono::duration_cast<MonotonicDuration>(
                       std::chrono::duration<double>(request.time_limit_seconds()));
  }
  id_ = engine_request.id;
  model_ = engine_request.version->name();
  prompt_items_ = engine_request.items.size();
  engine_request.sink = std::make_shared<Sink>(
      std::static_pointer_cast<GenerateStream>(shared_from_this()));

  v1::GenerateResponse first;
  *first.mutable_accepted() = ToAccepted(engine_request, 0);
  Cork();
  STRATA_ASSIGN_OR_RETURN(const int64_t ahead,
                          core_->engine->Submit(std::move(engine_request)));
  queue_position_ = ahead;
  first.mutable_accepted()->set_queue_position(ahead);
  Uncork(std::move(first));
  return absl::OkStatus();
}

void GenerateStream::Tick(MonotonicTime now) {
  MessageStream::Tick(now);
  if (decoding_ || engine_done_ || silent()) return;
  if (now - last_push() < core_->timing.heartbeat) return;
  v1::GenerateResponse message;
  v1::PromptProgress* progress = message.mutable_prompt_progress();
  progress->set_processed_tokens(processed_);
  progress->set_prompt_tokens(prompt_items_);
  progress->set_queue_position(queue_position_);
  Push(std::move(message));
}

bool GenerateStream::Merge(const v1::GenerateResponse& message,
                           v1::GenerateResponse* last) {
  if (message.has_prompt_progress() && last->has_prompt_progress()) {
    *last = message;
    return true;
  }
  if (!message.has_delta()) return false;
  const v1::Delta& delta = message.delta();
  return Join(delta.sample(), delta.data(), delta.text(), delta.tokens(), last);
}

bool GenerateStream::MayPass(const v1::GenerateResponse& message,
                             const v1::GenerateResponse& waiting) const {
  return message.has_delta() && waiting.has_delta() &&
         message.delta().sample() != waiting.delta().sample();
}

bool GenerateStream::CanWait(const v1::GenerateResponse& message) const {
  return message.has_delta();
}

void GenerateStream::OnGone() {
  // After its end the id may be another request's. An expired deadline is the
  // engine's own business: it counts as one there, not as a cancellation.
  if (engine_done_ || id_.empty()) return;
  if (CancelCause(*context()).code() == absl::StatusCode::kDeadlineExceeded) return;
  core_->engine->Cancel(id_).IgnoreError();
}

void GenerateStream::OnEnded(const absl::Status& status) {
  const double seconds = Seconds(Clock::System()->Now() - arrival_);
  if (core_->observer != nullptr) {
    core_->observer->OnCall("Generate", status.code(), seconds);
  }
  Log(Severity::kInfo, "generate",
      {{"id", id_}, {"model", model_},
       {"code", absl::StatusCodeToString(status.code())},
       {"reason", ReasonOf(status)},
       {"prompt_tokens", static_cast<long>(prompt_items_)},
       {"cached_prompt_tokens", static_cast<long>(cached_items_)},
       {"generated_tokens",
        static_cast<long>(std::max<int64_t>(delta_items_, finished_items_))},
       {"seconds", seconds}});
}

std::optional<MonotonicTime> CallDeadline(const grpc::ServerContextBase& context,
                                          MonotonicTime now) {
  if (!HasDeadline(context)) return std::nullopt;
  const auto left = context.deadline() - std::chrono::system_clock::now();
  return now + std::chrono::duration_cast<MonotonicDuration>(left);
}

}  // namespace strata
