// Training over a real connection: uploads, jobs, watching.

#include "tests/server/rpc/rpc_fixture.h"

namespace strata {
namespace {

class TrainingTest : public RpcFixture {
 protected:
  grpc::Status Upload(const std::string& data, v1::Dataset* dataset,
                      size_t piece = 1000) {
    grpc::ClientContext context;
    auto writer = training_->UploadDataset(&context, dataset);
    for (size_t i = 0; i < data.size(); i += piece) {
      v1::UploadDatasetRequest message;
      message.set_data(data.substr(i, piece));
      if (!writer->Write(message)) break;
    }
    writer->WritesDone();
    return writer->Finish();
  }

  v1::TrainRequest TrainRequestFor(const std::string& dataset) {
    v1::TrainRequest request;
    request.mutable_spec()->set_base("block");
    request.mutable_spec()->set_dataset(dataset);
    request.mutable_spec()->set_model("fresh");
    request.mutable_spec()->set_steps(10);
    return request;
  }

  grpc::Status Train(const v1::TrainRequest& request, v1::Job* job) {
    grpc::ClientContext context;
    return training_->Train(&context, request, job);
  }

  v1::Job StartJob(const std::string& key = "") {
    v1::Dataset dataset;
    EXPECT_TRUE(Upload(Text(), &dataset).ok());
    v1::TrainRequest request = TrainRequestFor(dataset.name());
    request.set_idempotency_key(key);
    v1::Job job;
    const grpc::Status status = Train(request, &job);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return job;
  }

  std::vector<v1::JobEvent> Watch(const std::string& job, int64_t after,
                                  grpc::Status* status, size_t limit = 10000) {
    grpc::ClientContext context;
    v1::WatchJobRequest request;
    request.set_name(job);
    request.set_after_sequence(after);
    auto reader = training_->WatchJob(&context, request);
    std::vector<v1::JobEvent> events;
    v1::JobEvent event;
    while (events.size() < limit && reader->Read(&event)) events.push_back(event);
    if (events.size() >= limit) context.TryCancel();
    *status = reader->Finish();
    return events;
  }

  static std::string Text() {
    std::string text;
    for (int i = 0; i < 2000; ++i) text += "the quick brown fox\n";
    return text;
  }
};

TEST_F(TrainingTest, UploadNamesADatasetByItsContent) {
  Start();
  v1::Dataset first, second;
  ASSERT_TRUE(Upload(Text(), &first, 777).ok());
  ASSERT_TRUE(Upload(Text(), &second, 100000).ok());
  EXPECT_EQ(first.name(), second.name());
  EXPECT_EQ(first.name().size(), std::string("datasets/").size() + 64);
  EXPECT_EQ(first.format(), v1::DATASET_FORMAT_TEXT);
  EXPECT_EQ(first.bytes(), static_cast<int64_t>(Text().size()));
}

TEST_F(TrainingTest, BadDatasetIsRefusedWithLineAndColumn) {
  Start();
  v1::Dataset dataset;
  const grpc::Status status = Upload(
      "{\"prompt\": \"a\", \"completion\": \"b\"}\n"
      "{\"prompt\": \"a\", \"completion\" \"b\"}\n",
      &dataset);
  EXPECT_EQ(status.error_code(), grpc::INVALID_ARGUMENT);
  EXPECT_EQ(Reason(status), "DATASET_INVALID");
  const auto bad = Detail<google::rpc::BadRequest>(status);
  ASSERT_TRUE(bad.has_value());
  ASSERT_EQ(bad->field_violations_size(), 1);
  EXPECT_EQ(bad->field_violations(0).description().rfind("line 2, column ", 0), 0u)
      << bad->field_violations(0).description();
}

TEST_F(TrainingTest, AnOversizedDatasetIsRefused) {
  Start();
  v1::Dataset dataset;
  const grpc::Status status = Upload(std::string((1 << 20) + 1, 'x'), &dataset, 1 << 18);
  EXPECT_EQ(status.error_code(), grpc::RESOURCE_EXHAUSTED);
}

TEST_F(TrainingTest, BadSpecsAreRefusedNamingTheField) {
  Start();
  v1::Dataset dataset;
  ASSERT_TRUE(Upload(Text(), &dataset).ok());
  const auto field = [&](const std::function<void(v1::TrainSpec*)>& spoil) {
    v1::TrainRequest request = TrainRequestFor(dataset.name());
    spoil(request.mutable_spec());
    v1::Job job;
    const grpc::Status status = Train(request, &job);
    EXPECT_EQ(status.error_code(), grpc::INVALID_ARGUMENT) << status.error_message();
    return Field(status);
  };
  EXPECT_EQ(field([](v1::TrainSpec* s) { s->set_steps(0); }), "spec.steps");
  EXPECT_EQ(field([](v1::TrainSpec* s) { s->set_micro_batch(0); }), "spec.micro_batch");
  EXPECT_EQ(field([](v1::TrainSpec* s) { s->set_warmup_steps(-1); }), "spec.warmup_steps");
  EXPECT_EQ(field([](v1::TrainSpec* s) { s->set_dropout(-1); }), "spec.dropout");
  EXPECT_EQ(field([](v1::TrainSpec* s) { s->set_ngram_weight(-1); }), "spec.ngram_weight");
  EXPECT_EQ(field([](v1::TrainSpec* s) { s->set_ngram_weight(0.1); }), "spec.ngram_weight");
  EXPECT_EQ(field([](v1::TrainSpec* s) { s->set_block_weight(-1); }), "spec.block_weight");
  EXPECT_EQ(field([](v1::TrainSpec* s) { s->set_learning_rate(20); }), "spec.learning_rate");
  EXPECT_EQ(field([](v1::TrainSpec* s) { s->set_dataset("x"); }), "spec.dataset");
  EXPECT_EQ(field([](v1::TrainSpec* s) { s->set_model("block"); }), "spec.model");
}

TEST_F(TrainingTest, TheSameKeyGivesTheSameJobAndAnotherSpecIsRefused) {
  Start();
  const v1::Job first = StartJob("key");
  EXPECT_EQ(StartJob("key").name(), first.name());
  v1::TrainRequest other = TrainRequestFor(first.spec().dataset());
  other.mutable_spec()->set_steps(11);
  other.set_idempotency_key("key");
  v1::Job job;
  const grpc::Status status = Train(other, &job);
  EXPECT_EQ(status.error_code(), grpc::ALREADY_EXISTS);
  EXPECT_EQ(Reason(status), "IDEMPOTENCY_KEY_REUSED");
}

TEST_F(TrainingTest, WatchReplaysAndEndsAndResumesWithoutGaps) {
  attempt_ = [](AttemptListener* listener) {
    for (int step = 1; step <= 600; ++step) {
      TrainProgress progress;
      progress.step = step;
      progress.total_steps = 600;
      progress.loss = 1.5;
      listener->OnProgress(progress);
    }
    return absl::FailedPreconditionError("NON_FINITE: as the test says");
  };
  Start();
  const v1::Job job = StartJob();
  grpc::Status status;
  const auto all = Watch(job.name(), 0, &status);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_FALSE(all.empty());
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].sequence(), static_cast<int64_t>(i + 1));
  }
  EXPECT_EQ(all.back().state(), v1::FAILED);
  // Away after five events, and back with the last one seen.
  const auto some = Watch(job.name(), 0, &status, 5);
  const auto rest = Watch(job.name(), some.back().sequence(), &status);
  EXPECT_TRUE(status.ok());
  ASSERT_EQ(some.size() + rest.size(), all.size());
  EXPECT_EQ(rest.front().sequence(), 6);
  // Everything seen already: ends at once.
  EXPECT_TRUE(Watch(job.name(), all.back().sequence(), &status).empty());
  EXPECT_TRUE(status.ok());
}

TEST_F(TrainingTest, ASilentJobGetsKeepAlivesAndShutdownEndsTheWatch) {
  // Shared: the attempt may look once more when this function is over.
  const auto hold = std::make_shared<std::atomic<bool>>(true);
  attempt_ = [hold](AttemptListener*) {
    while (*hold) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return absl::AbortedError("stopped");
  };
  rpc_options_.timing.keep_alive = std::chrono::milliseconds(30);
  Start();
  const v1::Job job = StartJob();
  grpc::Status status;
  std::atomic<int> keep_alives{0};
  std::thread watcher([&] {
    grpc::ClientContext context;
    v1::WatchJobRequest request;
    request.set_name(job.name());
    auto reader = training_->WatchJob(&context, request);
    v1::JobEvent event;
    while (reader->Read(&event)) {
      keep_alives += event.sequence() == 0 && event.type() == "keep_alive";
    }
    status = reader->Finish();
  });
  EXPECT_TRUE(Eventually([&] { return keep_alives > 2; }));
  rpc_->EndStreams();
  watcher.join();
  *hold = false;
  EXPECT_EQ(status.error_code(), grpc::UNAVAILABLE);
  EXPECT_EQ(Reason(status), "DRAINING");
}

TEST_F(TrainingTest, UnknownJobsAndBadNamesAreRefused) {
  Start();
  grpc::ClientContext context;
  v1::GetJobRequest request;
  request.set_name("jobs/nobody");
  v1::Job job;
  const grpc::Status missing = training_->GetJob(&context, request, &job);
  EXPECT_EQ(missing.error_code(), grpc::NOT_FOUND);
  EXPECT_EQ(Detail<google::rpc::ResourceInfo>(missing)->resource_type(), "job");
  grpc::Status status;
  EXPECT_TRUE(Watch("nobody", 0, &status).empty());
  EXPECT_EQ(Field(status), "name");
  EXPECT_TRUE(Watch("jobs/nobody", 0, &status).empty());
  EXPECT_EQ(status.error_code(), grpc::NOT_FOUND);
}

TEST_F(TrainingTest, CancelOfAnEndedJobIsFailedPrecondition) {
  Start();
  const v1::Job job = StartJob();
  grpc::Status status;
  Watch(job.name(), 0, &status);  // until it has failed
  grpc::ClientContext context;
  v1::CancelJobRequest request;
  request.set_name(job.name());
  v1::Job out;
  const grpc::Status refused = training_->CancelJob(&context, request, &out);
  EXPECT_EQ(refused.error_code(), grpc::FAILED_PRECONDITION);
  EXPECT_EQ(Reason(refused), "JOB_STATE");
}

TEST_F(TrainingTest, ListGoesPageByPageNewestFirst) {
  Start();
  std::vector<std::string> made;
  for (const char* key : {"a", "b", "c"}) made.push_back(StartJob(key).name());
  std::vector<std::string> listed;
  std::string token;
  do {
    grpc::ClientContext context;
    v1::ListJobsRequest request;
    request.set_page_size(2);
    request.set_page_token(token);
    v1::ListJobsResponse response;
    ASSERT_TRUE(training_->ListJobs(&context, request, &response).ok());
    for (const v1::Job& job : response.jobs()) listed.push_back(job.name());
    token = response.next_page_token();
  } while (!token.empty());
  std::reverse(made.begin(), made.end());
  EXPECT_EQ(listed, made);
}

}  // namespace
}  // namespace strata
