#pragma once
// RpcFixture: the real RPC server, registry, engine and job machine in this
// process, over a toy model and attempts that tests play themselves.

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"
#include "grpcpp/grpcpp.h"
#include "model/chat_template.h"
#include "model/presets.h"
#include "model/version_dir.h"
#include "server/engine/engine.h"
#include "server/jobs/job_manager.h"
#include "server/rpc/rpc_server.h"
#include "strata/v1/generation.grpc.pb.h"
#include "strata/v1/models.grpc.pb.h"
#include "strata/v1/training.grpc.pb.h"
#include "tests/server/rpc/toy_model.h"
#include "tests/testing/toy_classifier.h"
#include "tests/testing/toy_inspector.h"
#include "tests/testing/toy_neighbours.h"

namespace strata {

// Attempts that do what tests tell them: `script` runs on a thread of its own.
class ScriptedExecutor final : public Executor {
 public:
  using Script = std::function<absl::Status(AttemptListener*)>;
  explicit ScriptedExecutor(Script script) : script_(std::move(script)) {}

  absl::StatusOr<std::unique_ptr<Attempt>> Start(const TrainRun&,
                                                 AttemptListener* listener) override {
    struct Running final : Attempt {
      std::thread thread;
      ~Running() override { thread.join(); }
      void Signal(TrainObserver::Signal) override {}
      void Kill() override {}
    };
    auto attempt = std::make_unique<Running>();
    attempt->thread = std::thread([script = script_, listener] {
      listener->OnStarted(0, 1, "{}");
      listener->OnEnded(script(listener));
    });
    return std::unique_ptr<Attempt>(std::move(attempt));
  }
  absl::Status WaitUntilGone(const std::string&, MonotonicTime) override {
    return absl::OkStatus();
  }

 private:
  const Script script_;
};

class EngineCounts final : public EngineObserver {
 public:
  void OnRejected(absl::string_view reason) override { Count("rejected", reason); }
  void OnEnded(absl::string_view outcome, double) override { Count("ended", outcome); }
  void OnCancelled(RequestPhase) override { Count("cancelled", ""); }
  void OnDeadlineExceeded(RequestPhase phase) override {
    Count("expired", phase == RequestPhase::kQueued ? "queued" : "running");
  }
  int Get(const std::string& what, const std::string& label) {
    MutexLock lock(&mu_);
    return counts_[what + "/" + label];
  }

 private:
  void Count(const char* what, absl::string_view label) {
    MutexLock lock(&mu_);
    ++counts_[absl::StrCat(what, "/", label)];
  }
  Mutex mu_;
  std::map<std::string, int> counts_ STRATA_GUARDED_BY(mu_);
};

class RpcFixture : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/strata-rpc-XXXXXX";
    root_ = mkdtemp(name);
    engine_options_.observer = &counts_;
    rpc_options_.tick = std::chrono::milliseconds(20);
  }

  void TearDown() override {
    switches_.Open();
    if (rpc_ != nullptr) rpc_->Shutdown(Clock::System()->Now());
    if (jobs_ != nullptr) jobs_->Stop(Clock::System()->Now());
    rpc_.reset();
    jobs_.reset();
    engine_.reset();
    std::filesystem::remove_all(root_);
  }

  void AddVersion(const std::string& model, const std::string& version,
                  TemplateKind kind = TemplateKind::kText) {
    AddVersion(model, version, kind, ModelConfigToJson(*PresetConfig("flat")));
  }
  void AddVersion(const std::string& model, const std::string& version,
                  TemplateKind kind, const std::string& config) {
    const std::string dir = root_ + "/models/" + model;
    if (std::filesystem::exists(dir + "/" + version)) return;
    std::filesystem::create_directories(dir);
    auto writer = DirWriter::Create(dir + "/" + version, "test");
    ASSERT_TRUE(writer.ok()) << writer.status();
    ASSERT_TRUE(writer->WriteFile("config.json", config).ok());
    ASSERT_TRUE(writer->WriteFile("template.json", TemplateToJson(kind)).ok());
    ASSERT_TRUE(writer->Commit({}).ok());
    if (!std::filesystem::exists(dir + "/aliases.json")) {
      ASSERT_TRUE(WriteFileAtomically(dir + "/aliases.json",
                                      absl::StrCat("{\"live\": \"", version, "\"}")).ok());
    }
  }

  // With the models `toy` (text) and `chatty` (chat) in version 1.
  void Start() {
    AddVersion("toy", "1");
    AddVersion("chatty", "1", TemplateKind::kChat);
    registry_ = std::make_unique<ModelRegistry>(
        root_ + "/models", [this](const std::string& dir) { return Load(dir); },
        [this](const std::string&) {
          return std::make_shared<ToyClassifier>([this] { switches_.Pass(); });
        },
        // Of the model `remembers` alone.
        [](const std::string& dir, const ModelConfig&) {
          return dir.find("/remembers/") == std::string::npos
                     ? nullptr
                     : std::make_shared<ToyNeighbours>();
        });
    ASSERT_TRUE(registry_->LoadAll().ok());
    inspectors_ = std::make_unique<InspectorCache>(
        registry_.get(),
        [this](const std::string&) {
          return std::make_shared<ToyInspector>(ToyModel(&switches_).config(), [this] {
            ++inspected_;
            switches_.Pass();
          });
        },
        inspect_memory_);
    engine_ = std::make_unique<Engine>(engine_options_);
    datasets_ = std::make_unique<DatasetStore>(root_ + "/datasets", 1 << 20);
    auto store = OpenSqliteJobStore(root_ + "/jobs.sqlite");
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    JobManagerOptions job_options;
    job_options.jobs_dir = root_ + "/jobs";
    jobs_ = std::make_unique<JobManager>(job_options, store_.get(), &executor_,
                                         datasets_.get(), registry_.get());
    ASSERT_TRUE(jobs_->Start().ok());
    auto rpc = RpcServer::Start(rpc_options_, Backends());
    ASSERT_TRUE(rpc.ok()) << rpc.status();
    rpc_ = *std::move(rpc);
    state_.Set(ServerState::Phase::kServing);
    channel_ = grpc::CreateChannel(rpc_->address(), grpc::InsecureChannelCredentials());
    generation_ = v1::Generation::NewStub(channel_);
    models_ = v1::Models::NewStub(channel_);
    training_ = v1::Training::NewStub(channel_);
  }

  RpcBackends Backends() {
    return {engine_.get(), registry_.get(), inspectors_.get(), jobs_.get(),
            datasets_.get(), &state_, nullptr};
  }

  absl::StatusOr<std::shared_ptr<const LoadedModel>> Load(const std::string& dir) {
    if (on_load_) {
      const absl::Status status = on_load_(dir);
      if (!status.ok()) return status;
    }
    return std::make_shared<ToyModel>(&switches_);
  }

  static v1::GenerateRequest Request(int64_t max_tokens = 5) {
    v1::GenerateRequest request;
    request.set_model("toy");
    request.set_prompt("hi");
    request.mutable_sampling()->set_temperature(0);
    request.set_max_tokens(max_tokens);
    return request;
  }

  struct Result {
    grpc::Status status;
    std::vector<v1::GenerateResponse> messages;
    std::multimap<std::string, std::string> trailers;

    std::string data() const {
      std::string out;
      for (const auto& message : messages) out += message.delta().data();
      return out;
    }
  };

  Result Generate(const v1::GenerateRequest& request, int deadline_millis = 20000) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() +
                         std::chrono::milliseconds(deadline_millis));
    auto reader = generation_->Generate(&context, request);
    Result result;
    for (v1::GenerateResponse message; reader->Read(&message);) {
      result.messages.push_back(message);
    }
    result.status = reader->Finish();
    for (const auto& [key, value] : context.GetServerTrailingMetadata()) {
      result.trailers.emplace(std::string(key.data(), key.size()),
                              std::string(value.data(), value.size()));
    }
    return result;
  }

  // Waits for a condition that other threads bring about.
  template <typename Condition>
  static bool Eventually(Condition condition) {
    for (int i = 0; i < 2000; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
  }

  std::string root_;
  ToySwitches switches_;
  EngineCounts counts_;
  EngineOptions engine_options_;
  RpcOptions rpc_options_;
  ServerState state_;
  std::function<absl::Status(const std::string&)> on_load_;
  ScriptedExecutor executor_{[this](AttemptListener* listener) {
    return attempt_ ? attempt_(listener)
                    : absl::FailedPreconditionError("NON_FINITE: as the test says");
  }};
  ScriptedExecutor::Script attempt_;
  int64_t inspect_memory_ = 1 << 20;
  std::atomic<int> inspected_{0};  // passes that began
  std::unique_ptr<ModelRegistry> registry_;
  std::unique_ptr<InspectorCache> inspectors_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<DatasetStore> datasets_;
  std::unique_ptr<JobStore> store_;
  std::unique_ptr<JobManager> jobs_;
  std::unique_ptr<RpcServer> rpc_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::Generation::Stub> generation_;
  std::unique_ptr<v1::Models::Stub> models_;
  std::unique_ptr<v1::Training::Stub> training_;
};

// The detail of type M of a status, or nullopt.
template <typename M>
std::optional<M> Detail(const grpc::Status& status) {
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return std::nullopt;
  for (const auto& any : details.details()) {
    M message;
    if (any.UnpackTo(&message)) return message;
  }
  return std::nullopt;
}

inline std::string Reason(const grpc::Status& status) {
  const auto info = Detail<google::rpc::ErrorInfo>(status);
  return info.has_value() && info->domain() == "strata" ? info->reason() : "";
}

inline std::string Field(const grpc::Status& status) {
  const auto bad = Detail<google::rpc::BadRequest>(status);
  return bad.has_value() && bad->field_violations_size() > 0
             ? bad->field_violations(0).field()
             : "";
}

}  // namespace strata
