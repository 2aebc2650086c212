#pragma once
// strata.v1.Training. Everything that touches the jobs' database or the disk
// runs on a pool.

#include "server/rpc/rpc_core.h"
#include "strata/v1/training.grpc.pb.h"

namespace strata {

class TrainingService final : public v1::Training::CallbackService {
 public:
  explicit TrainingService(const RpcCore* core) : core_(core) {}

  grpc::ServerReadReactor<v1::UploadDatasetRequest>* UploadDataset(
      grpc::CallbackServerContext* context, v1::Dataset* response) override;
  grpc::ServerUnaryReactor* UploadTokenizer(grpc::CallbackServerContext* context,
                                            const v1::UploadTokenizerRequest* request,
                                            v1::Tokenizer* response) override;
  grpc::ServerUnaryReactor* Train(grpc::CallbackServerContext* context,
                                  const v1::TrainRequest* request,
                                  v1::Job* response) override;
  grpc::ServerUnaryReactor* GetJob(grpc::CallbackServerContext* context,
                                   const v1::GetJobRequest* request,
                                   v1::Job* response) override;
  grpc::ServerUnaryReactor* ListJobs(grpc::CallbackServerContext* context,
                                     const v1::ListJobsRequest* request,
                                     v1::ListJobsResponse* response) override;
  grpc::ServerWriteReactor<v1::JobEvent>* WatchJob(
      grpc::CallbackServerContext* context,
      const v1::WatchJobRequest* request) override;
  grpc::ServerUnaryReactor* CancelJob(grpc::CallbackServerContext* context,
                                      const v1::CancelJobRequest* request,
                                      v1::Job* response) override;

 private:
  const RpcCore* const core_;
};

}  // namespace strata
