#pragma once
// A strata-server's three services without a model behind them: what they get
// is recorded, what they answer is set. Listens on a loopback port of its own.

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "model/base/mutex.h"
#include "strata/v1/generation.grpc.pb.h"
#include "tests/client/toy_inspection.h"
#include "strata/v1/models.grpc.pb.h"
#include "strata/v1/training.grpc.pb.h"

namespace strata {

// A status as the real server sends it, with details; `field` is that of every
// violation.
inline grpc::Status BadRequestStatus(const std::string& message,
                                     const std::vector<std::string>& violations,
                                     const std::string& field = "data") {
  google::rpc::Status details;
  google::rpc::ErrorInfo info;
  info.set_reason("BAD_REQUEST");
  details.add_details()->PackFrom(info);
  google::rpc::BadRequest bad;
  for (const std::string& violation : violations) {
    auto* added = bad.add_field_violations();
    added->set_field(field);
    added->set_description(violation);
  }
  details.add_details()->PackFrom(bad);
  return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, message, details.SerializeAsString());
}

class FakeGeneration final : public v1::Generation::Service {
 public:
  // One Delta a piece, then Finished.
  std::vector<std::string> pieces = {"one ", std::string("\xff\0", 2), "two"};
  grpc::Status status;
  std::vector<v1::GenerateRequest> requests;
  v1::InspectRequest inspected;  // the last

  grpc::Status Generate(grpc::ServerContext*, const v1::GenerateRequest* request,
                        grpc::ServerWriter<v1::GenerateResponse>* writer) override {
    MutexLock lock(&mu_);
    requests.push_back(*request);
    if (!status.ok()) return status;
    v1::GenerateResponse event;
    event.mutable_accepted()->set_request_id("r");
    writer->Write(event);
    event.mutable_delta();  // an empty message is no token
    writer->Write(event);
    const int samples = std::max(1, request->n());
    for (const std::string& piece : pieces) {
      for (int sample = samples - 1; sample >= 0; --sample) {
        event.mutable_delta()->set_sample(sample);
        event.mutable_delta()->set_data(piece);
        event.mutable_delta()->set_tokens(static_cast<int>(piece.size()));
        writer->Write(event);
      }
    }
    for (int sample = samples - 1; sample >= 0; --sample) {
      event.mutable_finished()->set_sample(sample);
      event.mutable_finished()->set_reason(v1::FINISH_REASON_EOS);
      event.mutable_finished()->mutable_usage()->set_generated_tokens(9);
      writer->Write(event);
    }
    return grpc::Status::OK;
  }

  grpc::Status Score(grpc::ServerContext*, const v1::ScoreRequest* request,
                     v1::ScoreResponse* response) override {
    response->set_bytes(static_cast<int64_t>(request->text().size()));
    response->set_bits_per_byte(2);
    for (size_t i = 0; i < request->text().size(); ++i) {
      response->add_log2_prob(-2);
      response->add_item_bytes(1);
    }
    return grpc::Status::OK;
  }

  // All but the last byte of a text as one piece.
  grpc::Status Tokenize(grpc::ServerContext*, const v1::TokenizeRequest* request,
                        v1::TokenizeResponse* response) override {
    response->add_tokens(300);
    response->add_token_bytes(static_cast<int>(request->text().size()) - 1);
    response->add_tokens(static_cast<uint8_t>(request->text().back()));
    response->add_token_bytes(1);
    return grpc::Status::OK;
  }

  grpc::Status Inspect(grpc::ServerContext*, const v1::InspectRequest* request,
                       v1::InspectResponse* response) override {
    inspected = *request;
    *response = ToyInspection(request->text());
    return grpc::Status::OK;
  }

 private:
  Mutex mu_;
};

class FakeTraining final : public v1::Training::Service {
 public:
  v1::Job job;                        // what every call returns
  std::vector<v1::JobEvent> events;   // what Watch replays
  int64_t break_after = -1;           // the stream breaks after this sequence, once
  std::string uploaded;
  grpc::Status upload_status;
  std::vector<v1::TrainRequest> requests;
  std::vector<int64_t> resumed_after;

  grpc::Status UploadDataset(grpc::ServerContext*,
                             grpc::ServerReader<v1::UploadDatasetRequest>* reader,
                             v1::Dataset* dataset) override {
    v1::UploadDatasetRequest piece;
    while (reader->Read(&piece)) uploaded += piece.data();
    dataset->set_name("datasets/abc");
    return upload_status;
  }

  grpc::Status UploadTokenizer(grpc::ServerContext*,
                               const v1::UploadTokenizerRequest* request,
                               v1::Tokenizer* tokenizer) override {
    tokenizer->set_name("tokenizers/" + request->file());
    return grpc::Status::OK;
  }

  grpc::Status Train(grpc::ServerContext*, const v1::TrainRequest* request,
                     v1::Job* response) override {
    requests.push_back(*request);
    *response = job;
    return grpc::Status::OK;
  }

  grpc::Status GetJob(grpc::ServerContext*, const v1::GetJobRequest* request,
                      v1::Job* response) override {
    *response = job;
    if (request->name() == job.name()) return grpc::Status::OK;
    return grpc::Status(grpc::StatusCode::NOT_FOUND, "no such job");
  }

  // Pages of one.
  grpc::Status ListJobs(grpc::ServerContext*, const v1::ListJobsRequest* request,
                        v1::ListJobsResponse* response) override {
    *response->add_jobs() = job;
    if (request->page_token().empty()) response->set_next_page_token("2");
    return grpc::Status::OK;
  }

  grpc::Status WatchJob(grpc::ServerContext* context, const v1::WatchJobRequest* request,
                        grpc::ServerWriter<v1::JobEvent>* writer) override {
    resumed_after.push_back(request->after_sequence());
    for (const v1::JobEvent& event : events) {
      if (event.sequence() <= request->after_sequence()) continue;
      writer->Write(event);
      writer->Write(v1::JobEvent());  // a keep-alive
      if (event.sequence() == break_after) {
        break_after = -1;
        return grpc::Status(grpc::StatusCode::UNAVAILABLE, "draining");
      }
    }
    while (hold && !context->IsCancelled()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return grpc::Status::OK;
  }

  std::atomic<bool> hold{false};  // keep the watch open after the last event
};

class FakeModels final : public v1::Models::Service {
 public:
  v1::SetAliasRequest aliased;
  v1::Model model;  // the only one that GetModel knows

  grpc::Status GetModel(grpc::ServerContext*, const v1::GetModelRequest* request,
                        v1::Model* response) override {
    if (request->name() != model.name()) {
      return grpc::Status(grpc::StatusCode::NOT_FOUND, "no such model");
    }
    *response = model;
    return grpc::Status::OK;
  }

  grpc::Status ListModels(grpc::ServerContext*, const v1::ListModelsRequest*,
                          v1::ListModelsResponse* response) override {
    v1::Model* model = response->add_models();
    model->set_name("mine");
    model->add_versions()->set_version("1");
    (*model->mutable_aliases())["live"] = "1";
    return grpc::Status::OK;
  }

  grpc::Status SetAlias(grpc::ServerContext*, const v1::SetAliasRequest* request,
                        v1::Model* response) override {
    aliased = *request;
    response->set_name(request->name());
    return grpc::Status::OK;
  }
};

class FakeServer {
 public:
  FakeServer() {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&generation);
    builder.RegisterService(&training);
    builder.RegisterService(&models);
    server_ = builder.BuildAndStart();
    address = absl::StrCat("127.0.0.1:", port);
  }
  ~FakeServer() { server_->Shutdown(std::chrono::system_clock::now()); }

  FakeGeneration generation;
  FakeTraining training;
  FakeModels models;
  std::string address;

 private:
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace strata
