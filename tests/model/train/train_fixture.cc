#include "tests/model/train/train_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "model/base/log.h"
#include "model/base/random.h"
#include "model/chat_template.h"
#include "model/hierarchy/hierarchical_transformer.h"
#include "model/hierarchy/weights.h"
#include "model/model_config.h"
#include "model/version_dir.h"

namespace strata::testing {
namespace {

void WriteBase(const std::string& path, const ModelConfig& config) {
  HierarchicalTransformer model(config, ModelOptions{.seed = 11, .faults = {}});
  auto writer = DirWriter::Create(path, "test");
  STRATA_CHECK(writer.ok());
  STRATA_CHECK(
      SaveModelWeights(model, writer->path() + "/model.safetensors").ok());
  STRATA_CHECK(writer->WriteFile("config.json", ModelConfigToJson(config)).ok());
  STRATA_CHECK(
      writer->WriteFile("template.json", TemplateToJson(TemplateKind::kText))
          .ok());
  STRATA_CHECK(writer->Commit({}).ok());
}

}  // namespace

ModelConfig TinyConfig() {
  ModelConfig config;
  config.architecture = "block";
  LevelConfig bytes;
  bytes.dim = 32;
  bytes.heads = 2;
  bytes.enc_layers = 1;
  bytes.dec_layers = 1;
  bytes.dec_scope = Scope::kWindow;
  bytes.window = 16;
  bytes.block = 8;
  LevelConfig top;
  top.dim = 48;
  top.heads = 2;
  top.dec_layers = 1;
  config.levels = {bytes, top};
  config.max_context = 4096;
  return config;
}

TempDir::TempDir() {
  const char* parent = getenv("TMPDIR");
  path_ = std::string(parent != nullptr ? parent : "/tmp") + "/train-XXXXXX";
  STRATA_CHECK(mkdtemp(path_.data()) != nullptr);
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string SampleText(size_t bytes) {
  static const char* const kWords[] = {"the",  "river", "ran",   "under",
                                       "a",    "stone", "bridge", "and",
                                       "over", "small", "hills", "at night"};
  std::string text;
  for (uint64_t i = 0; text.size() < bytes; ++i) {
    const uint64_t bits = RandomBits(1, 2, i);
    text += kWords[bits % 12];
    text += bits % 97 < 9 ? ".\n" : " ";
  }
  text.resize(bytes);
  return text;
}

TrainRun TinyRun(const std::string& dir, const std::string& text) {
  TrainRun run;
  run.job_dir = dir + "/job";
  run.dataset_path = dir + "/data.txt";
  run.base_dir = dir + "/base";
  std::filesystem::create_directories(run.job_dir);
  std::ofstream(run.dataset_path, std::ios::binary) << text;
  if (!std::filesystem::exists(run.base_dir)) WriteBase(run.base_dir, TinyConfig());
  run.spec.base = "tiny@1";
  run.spec.dataset_sha256 = Sha256Hex(text);
  run.spec.model = "result";
  run.spec.steps = 24;
  run.spec.batch = 4;
  run.spec.micro_batch = 2;
  run.spec.sequence = 64;
  run.spec.learning_rate = 2e-3;
  run.spec.eval_fraction = 0.1;
  run.spec.eval_every_steps = 10;
  run.spec.eval_max_items = 256;
  run.spec.checkpoint_every_steps = 4;
  run.spec = ResolveTrainSpec(run.spec, /*default_threads=*/1,
                              /*config_dropout=*/0.1);
  return run;
}

TrainRun WithConfig(TrainRun run, const ModelConfig& config) {
  run.base_dir.clear();
  run.spec.base.clear();
  run.spec.config = ModelConfigToJson(config);
  return run;
}

std::string ResultHash(const TrainRun& run) {
  const auto hash = Sha256HexOfFile(run.job_dir + "/result/model.safetensors");
  return hash.ok() ? *hash : "";
}

TrainerProcess::TrainerProcess(const TrainRun& run, int64_t file_limit, bool tickets)
    : run_file_(run.job_dir + "/run.json") {
  std::ofstream(run_file_, std::ios::binary) << TrainRunToJson(run);
  const char* const command =
      run.spec.model == "poisoned" ? "poisoned-trainer" : "trainer";
  int input[2], events[2];
  STRATA_CHECK(pipe2(input, O_CLOEXEC) == 0 && pipe2(events, O_CLOEXEC) == 0);
  pid_ = fork();
  STRATA_CHECK(pid_ >= 0);
  if (pid_ == 0) {
    dup2(input[0], 0);
    dup2(events[1], 3);
    if (file_limit > 0) {
      const rlimit limit = {static_cast<rlim_t>(file_limit),
                            static_cast<rlim_t>(file_limit)};
      setrlimit(RLIMIT_FSIZE, &limit);
      signal(SIGXFSZ, SIG_IGN);  // EFBIG instead
    }
    execl("/proc/self/exe", "strata_train_test", command, "--run",
          run_file_.c_str(), "--events-fd", "3", "--nice", "0",
          static_cast<const char*>(tickets ? "--tickets" : nullptr),
          static_cast<char*>(nullptr));
    _exit(127);
  }
  close(input[0]);
  close(events[1]);
  input_ = input[1];
  events_ = events[0];
}

TrainerProcess::~TrainerProcess() {
  if (pid_ > 0) {
    Kill();
    Wait();
  }
  CloseInput();
  close(events_);
}

std::optional<TrainEvent> TrainerProcess::Next() {
  while (true) {
    const size_t end = buffer_.find('\n');
    if (end != std::string::npos) {
      const auto event = ParseTrainEvent(buffer_.substr(0, end));
      STRATA_CHECK(event.ok());
      buffer_.erase(0, end + 1);
      return *event;
    }
    char chunk[4096];
    const ssize_t n = read(events_, chunk, sizeof(chunk));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return std::nullopt;
    buffer_.append(chunk, static_cast<size_t>(n));
  }
}

void TrainerProcess::Write(absl::string_view line) {
  STRATA_CHECK(write(input_, line.data(), line.size()) ==
               static_cast<ssize_t>(line.size()));
}

void TrainerProcess::CloseInput() {
  if (input_ >= 0) close(input_);
  input_ = -1;
}

void TrainerProcess::Kill() {
  if (pid_ > 0) kill(pid_, SIGKILL);
}

int TrainerProcess::Wait() {
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

absl::Status TrainerProcess::Finish(std::vector<TrainEvent>* events) {
  absl::Status status = absl::UnavailableError("the trainer did not say");
  while (std::optional<TrainEvent> event = Next()) {
    if (event->type == TrainEvent::Type::kEnded) status = event->status;
    if (events != nullptr) events->push_back(*std::move(event));
  }
  return status;
}

}  // namespace strata::testing
