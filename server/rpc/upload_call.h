#pragma once
// UploadCall: one UploadDataset call. Each message is appended on the upload
// pool and only then is the next one read: a fast client is held back by the
// transport, and no gRPC thread ever waits for a disk or for the validation.
// Deletes itself when gRPC is done with it.

#include <memory>

#include "grpcpp/grpcpp.h"
#include "server/rpc/rpc_core.h"
#include "strata/v1/training.pb.h"

namespace strata {

class UploadCall final : public grpc::ServerReadReactor<v1::UploadDatasetRequest> {
 public:
  UploadCall(const RpcCore* core, grpc::CallbackServerContext* context,
             v1::Dataset* response);
  void Start();

  void OnReadDone(bool ok) override;
  void OnDone() override;

 private:
  ~UploadCall() override = default;
  // One of these runs at a time: the next step starts where one ends.
  void Open();
  void AppendMessage();
  void Commit();
  absl::Status TryCommit();
  void Next(void (UploadCall::*step)());
  void End(const absl::Status& status);

  const RpcCore* const core_;
  grpc::CallbackServerContext* const context_;
  v1::Dataset* const response_;
  const MonotonicTime start_;
  v1::UploadDatasetRequest message_;
  std::unique_ptr<DatasetStore::Upload> upload_;
  absl::StatusCode code_ = absl::StatusCode::kOk;
};

}  // namespace strata
