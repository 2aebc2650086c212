#include "server/rpc/upload_call.h"

#include <utility>

#include "absl/strings/str_format.h"
#include "server/rpc/convert.h"
#include "server/rpc/status.h"

namespace strata {
namespace {

constexpr size_t kMaxMessageBytes = 4 << 20;

}  // namespace

UploadCall::UploadCall(const RpcCore* core, grpc::CallbackServerContext* context,
                       v1::Dataset* response)
    : core_(core), context_(context), response_(response),
      start_(Clock::System()->Now()) {}

void UploadCall::Start() {
  core_->calls->Begin();
  const absl::Status admitted = core_->state->Admit();
  if (!admitted.ok()) return End(admitted);
  if (!core_->upload_pool->Run([this] { Open(); })) {
    End(WithReason(absl::ResourceExhaustedError("too many uploads are waiting"),
                   "QUEUE_FULL"));
  }
}

void UploadCall::Open() {
  auto upload = core_->datasets->StartUpload();
  if (!upload.ok()) return End(upload.status());
  upload_ = *std::move(upload);
  StartRead(&message_);
}

// Not ok: the client said that this was all, or it went.
void UploadCall::OnReadDone(bool ok) {
  Next(ok ? &UploadCall::AppendMessage : &UploadCall::Commit);
}

void UploadCall::AppendMessage() {
  if (message_.data().size() > kMaxMessageBytes) {
    return End(FieldError("data", absl::StrFormat("data is %d bytes; at most %d a message",
                                                  message_.data().size(),
                                                  kMaxMessageBytes)));
  }
  const absl::Status status = upload_->Append(message_.data());
  if (!status.ok()) return End(status);
  StartRead(&message_);
}

void UploadCall::Commit() {
  if (context_->IsCancelled()) return End(CancelCause(*context_));
  End(TryCommit());
}

absl::Status UploadCall::TryCommit() {
  DatasetReport report;
  auto dataset = upload_->Finish(&report);
  if (!dataset.ok()) return DatasetRefused(dataset.status(), report);
  *response_ = ToProto(*dataset);
  return absl::OkStatus();
}

void UploadCall::Next(void (UploadCall::*step)()) {
  if (!core_->upload_pool->Continue([this, step] { (this->*step)(); })) {
    End(WithReason(absl::UnavailableError("the server is shutting down"), "DRAINING"));
  }
}

void UploadCall::End(const absl::Status& status) {
  code_ = status.code();
  upload_.reset();
  Finish(EndCall(status, context_));
}

void UploadCall::OnDone() {
  if (core_->observer != nullptr) {
    core_->observer->OnCall("UploadDataset", code_,
                            Seconds(Clock::System()->Now() - start_));
  }
  core_->calls->End();
  delete this;
}

}  // namespace strata
