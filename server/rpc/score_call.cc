#include "server/rpc/score_call.h"

#include <utility>

#include "model/base/status_macros.h"
#include "server/rpc/convert.h"
#include "server/rpc/generate_stream.h"
#include "server/rpc/status.h"

namespace strata {

class ScoreCall::Sink final : public RequestSink {
 public:
  explicit Sink(std::shared_ptr<ScoreCall> call) : call_(std::move(call)) {}
  void OnProgress(int64_t, int64_t) override {}
  void OnDelta(const OutputDelta&) override {}
  void OnScores(absl::Span<const double> log2_probs) override {
    call_->Fill(log2_probs);
  }
  void OnFinished(const FinishInfo&) override {}
  void OnDone(const absl::Status& status) override {
    call_->engine_done_ = true;
    call_->End(status);
  }

 private:
  const std::shared_ptr<ScoreCall> call_;
};

ScoreCall::ScoreCall(const RpcCore* core, grpc::CallbackServerContext* context,
                     v1::ScoreResponse* response)
    : core_(core), context_(context), response_(response),
      arrival_(Clock::System()->Now()) {}

void ScoreCall::Start(const v1::ScoreRequest& request) {
  self_ = shared_from_this();
  core_->calls->Begin();
  const absl::Status status = TryStart(request);
  if (!status.ok()) End(status);
}

absl::Status ScoreCall::TryStart(const v1::ScoreRequest& request) {
  STRATA_RETURN_IF_ERROR(core_->Counted(core_->state->Admit()));
  auto converted = ToEngineRequest(request, *core_->registry);
  STRATA_RETURN_IF_ERROR(core_->Counted(converted.status()));
  EngineRequest engine_request = *std::move(converted);
  engine_request.arrival = arrival_;
  engine_request.deadline = CallDeadline(*context_, arrival_);
  engine_request.sink = std::make_shared<Sink>(shared_from_this());
  id_ = engine_request.id;
  model_ = engine_request.version->name();
  for (const Item item : absl::MakeConstSpan(engine_request.items).subspan(1)) {
    item_bytes_.push_back(engine_request.version->tokenizer->BytesOf(item).size());
  }
  return core_->engine->Submit(std::move(engine_request)).status();
}

void ScoreCall::Fill(absl::Span<const double> log2_probs) {
  MutexLock lock(&mu_);
  if (ended_) return;  // the response is no longer ours
  double bits = 0;
  int64_t bytes = 0;
  for (size_t i = 0; i < log2_probs.size(); ++i) {
    bits -= log2_probs[i];
    bytes += item_bytes_[i];
    response_->add_log2_prob(log2_probs[i]);
    response_->add_item_bytes(item_bytes_[i]);
  }
  response_->set_bytes(bytes);
  response_->set_bits_per_byte(bytes > 0 ? bits / static_cast<double>(bytes) : 0);
  response_->set_model(model_);
}

void ScoreCall::End(const absl::Status& status) {
  MutexLock lock(&mu_);
  if (ended_) return;
  ended_ = true;
  code_ = status.code();
  Finish(EndCall(status, context_));
}

void ScoreCall::OnCancel() {
  const absl::Status cause = CancelCause(*context_);
  if (!engine_done_ && cause.code() == absl::StatusCode::kCancelled) {
    core_->engine->Cancel(id_).IgnoreError();
  }
  End(cause);
}

void ScoreCall::OnDone() {
  if (core_->observer != nullptr) {
    core_->observer->OnCall("Score", code_, Seconds(Clock::System()->Now() - arrival_));
  }
  core_->calls->End();
  self_.reset();  // may delete this
}

}  // namespace strata
