#include "server/rpc/training_service.h"

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "server/rpc/convert.h"
#include "server/rpc/unary_call.h"
#include "server/rpc/upload_call.h"
#include "server/rpc/watch_stream.h"

namespace strata {
namespace {

absl::Status WithDefaultReason(absl::Status status, absl::string_view reason) {
  return status.ok() || !ReasonOf(status).empty() ? status
                                                  : WithReason(status, reason);
}

}  // namespace

grpc::ServerReadReactor<v1::UploadDatasetRequest>* TrainingService::UploadDataset(
    grpc::CallbackServerContext* context, v1::Dataset* response) {
  auto* call = new UploadCall(core_, context, response);
  call->Start();
  return call;
}

grpc::ServerUnaryReactor* TrainingService::UploadTokenizer(
    grpc::CallbackServerContext* context, const v1::UploadTokenizerRequest* request,
    v1::Tokenizer* response) {
  const auto put = [this, request, response]() -> absl::Status {
    STRATA_RETURN_IF_ERROR(core_->state->Admit());
    std::shared_ptr<const Tokenizer> opened;
    auto stored = core_->datasets->PutTokenizer(request->file(), &opened);
    if (absl::IsInvalidArgument(stored.status())) {
      return FieldError("file", absl::StrCat("file ", stored.status().message()));
    }
    STRATA_RETURN_IF_ERROR(stored.status());
    *response = ToProto(*stored, *opened);
    return absl::OkStatus();
  };
  return RunUnary(core_, context, "UploadTokenizer", core_->upload_pool, put);
}

grpc::ServerUnaryReactor* TrainingService::Train(grpc::CallbackServerContext* context,
                                                 const v1::TrainRequest* request,
                                                 v1::Job* response) {
  const auto train = [this, request, response]() -> absl::Status {
    STRATA_RETURN_IF_ERROR(core_->state->Admit());
    STRATA_RETURN_IF_ERROR(ValidateIdempotencyKey(request->idempotency_key()));
    STRATA_ASSIGN_OR_RETURN(const TrainSpec spec, FromProto(request->spec()));
    auto job = core_->jobs->Submit(spec, request->idempotency_key());
    if (absl::IsAlreadyExists(job.status())) {
      return WithDefaultReason(job.status(), "IDEMPOTENCY_KEY_REUSED");
    }
    STRATA_RETURN_IF_ERROR(job.status());
    *response = ToProto(*job);
    return absl::OkStatus();
  };
  return RunUnary(core_, context, "Train", core_->store_pool, train);
}

grpc::ServerUnaryReactor* TrainingService::GetJob(grpc::CallbackServerContext* context,
                                                  const v1::GetJobRequest* request,
                                                  v1::Job* response) {
  const auto get = [this, request, response]() -> absl::Status {
    STRATA_ASSIGN_OR_RETURN(const std::string id, JobId(request->name()));
    auto job = core_->jobs->Get(id);
    if (!job.ok()) return WithResource(job.status(), "job", request->name());
    *response = ToProto(*job);
    return absl::OkStatus();
  };
  return RunUnary(core_, context, "GetJob", core_->store_pool, get);
}

grpc::ServerUnaryReactor* TrainingService::ListJobs(grpc::CallbackServerContext* context,
                                                    const v1::ListJobsRequest* request,
                                                    v1::ListJobsResponse* response) {
  const auto list = [this, request, response]() -> absl::Status {
    STRATA_ASSIGN_OR_RETURN(const int size, PageSize(request->page_size()));
    // One more than asked tells whether there is a next page.
    auto jobs = core_->jobs->List(request->page_token(), size + 1);
    if (absl::IsNotFound(jobs.status())) {
      return FieldError("page_token", "page_token is not one that ListJobs returned");
    }
    STRATA_RETURN_IF_ERROR(jobs.status());
    for (const JobRecord& job : *jobs) {
      if (response->jobs_size() == size) {
        response->set_next_page_token((*jobs)[size - 1].id);
        break;
      }
      *response->add_jobs() = ToProto(job);
    }
    return absl::OkStatus();
  };
  return RunUnary(core_, context, "ListJobs", core_->store_pool, list);
}

grpc::ServerWriteReactor<v1::JobEvent>* TrainingService::WatchJob(
    grpc::CallbackServerContext* context, const v1::WatchJobRequest* request) {
  auto stream = std::make_shared<WatchStream>(core_, context);
  stream->Start(core_->streams, core_->calls);
  stream->Watch(*request);
  return stream.get();
}

grpc::ServerUnaryReactor* TrainingService::CancelJob(
    grpc::CallbackServerContext* context, const v1::CancelJobRequest* request,
    v1::Job* response) {
  const auto cancel = [this, request, response]() -> absl::Status {
    STRATA_ASSIGN_OR_RETURN(const std::string id, JobId(request->name()));
    auto job = core_->jobs->Cancel(id);
    if (!job.ok()) {
      absl::Status status = WithResource(job.status(), "job", request->name());
      return absl::IsFailedPrecondition(status)
                 ? WithDefaultReason(status, "JOB_STATE")
                 : status;
    }
    *response = ToProto(*job);
    return absl::OkStatus();
  };
  return RunUnary(core_, context, "CancelJob", core_->store_pool, cancel);
}

}  // namespace strata
