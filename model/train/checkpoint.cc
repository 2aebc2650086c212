#include "model/train/checkpoint.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/train/tensor_file.h"
#include "model/version_dir.h"

namespace strata {
namespace {

namespace fs = std::filesystem;

constexpr char kPrefix[] = "step-";

int64_t TotalBytes(const std::vector<NamedParameter>& tensors) {
  int64_t bytes = 0;
  for (const NamedParameter& t : tensors) {
    bytes += static_cast<int64_t>(t.tensor.nbytes());
  }
  return bytes;
}

// Fails early instead of filling the disk of others to the brim.
absl::Status CheckSpace(const std::string& folder, int64_t expected) {
  std::error_code error;
  const fs::space_info space = fs::space(folder, error);
  if (error) return absl::OkStatus();  // the write itself will tell
  const double needed = 1.2 * static_cast<double>(expected);
  if (static_cast<double>(space.available) >= needed) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("no space for a checkpoint: ", space.available,
                   " bytes free, ", static_cast<int64_t>(needed), " wanted"));
}

int64_t FolderBytes(const Manifest& manifest) {
  int64_t bytes = 0;
  for (const ManifestFile& file : manifest.files) bytes += file.bytes;
  return bytes;
}

}  // namespace

absl::StatusOr<CheckpointStore> CheckpointStore::Open(
    const std::string& job_dir, int64_t fence, int keep,
    int64_t rollback_every) {
  const std::string root = absl::StrCat(job_dir, "/checkpoints");
  std::error_code error;
  fs::create_directories(root, error);
  if (error) {
    return absl::InternalError(
        absl::StrCat("cannot create ", root, ": ", error.message()));
  }
  RemoveTemporaries(root);
  return CheckpointStore(root, fence, std::max(keep, 1), rollback_every);
}

std::string CheckpointStore::Path(int64_t step) const {
  return absl::StrCat(root_, "/", kPrefix, step);
}

std::vector<int64_t> CheckpointStore::Steps() const {
  std::vector<int64_t> steps;
  std::error_code error;
  for (fs::directory_iterator it(root_, error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename().string();
    int64_t step = 0;
    if (absl::StartsWith(name, kPrefix) &&
        absl::SimpleAtoi(absl::string_view(name).substr(sizeof(kPrefix) - 1),
                         &step)) {
      steps.push_back(step);
    }
  }
  std::sort(steps.begin(), steps.end(), std::greater<int64_t>());
  return steps;
}

std::vector<int64_t> CheckpointStore::RollbackPoints(int64_t last) const {
  std::vector<int64_t> points;
  for (const int64_t step : Steps()) {
    if (step > last || step % rollback_every_ != 0) continue;
    const auto text = ReadFile(Path(step) + "/trainer_state.json");
    if (!text.ok()) continue;
    const auto state = ParseTrainState(*text);
    // One that was asked for between steps that were not finite is none.
    if (state.ok() && state->non_finite.consecutive == 0) {
      points.push_back(step);
    }
  }
  return points;
}

absl::StatusOr<SavedCheckpoint> CheckpointStore::Save(
    const TrainState& state, const TrainTask& task,
    const std::vector<NamedParameter>& training) {
  const std::string path = Path(state.step);
  std::error_code ignored;
  if (fs::exists(path, ignored)) {
    const auto manifest = ReadManifest(path, /*verify=*/true);
    if (manifest.ok()) return SavedCheckpoint{path, FolderBytes(*manifest)};
    RemoveFolder(path).IgnoreError();  // Commit tells if it is still there
  }
  // Weights are half of the optimizer's two tensors each.
  STRATA_RETURN_IF_ERROR(CheckSpace(root_, TotalBytes(training) / 2 * 3));
  STRATA_ASSIGN_OR_RETURN(
      DirWriter writer,
      DirWriter::Create(path, absl::StrCat(fence_, "-", getpid())));
  STRATA_RETURN_IF_ERROR(
      task.SaveWeights(writer.path() + "/model.safetensors"));
  STRATA_RETURN_IF_ERROR(
      WriteTensors(writer.path() + "/optimizer.safetensors", training,
                   {{"updates", absl::StrCat(state.updates)}}));
  STRATA_RETURN_IF_ERROR(
      writer.WriteFile("trainer_state.json", TrainStateToJson(state)));
  STRATA_RETURN_IF_ERROR(writer.WriteFile("config.json", task.config_json()));
  STRATA_RETURN_IF_ERROR(
      writer.WriteFile("template.json", task.template_json()));
  STRATA_RETURN_IF_ERROR(
      writer.WriteFile("environment.json", state.environment_json));
  STRATA_RETURN_IF_ERROR(
      writer.Commit({{"step", absl::StrCat(state.step)},
                     {"fence", absl::StrCat(fence_)},
                     {"spec_sha256", state.spec_sha256}}));
  Prune(state.step);
  STRATA_ASSIGN_OR_RETURN(const Manifest manifest,
                          ReadManifest(path, /*verify=*/false));
  return SavedCheckpoint{path, FolderBytes(manifest)};
}

absl::StatusOr<TrainState> CheckpointStore::ReadState(int64_t step) const {
  const std::string path = Path(step);
  STRATA_RETURN_IF_ERROR(ReadManifest(path, /*verify=*/true).status());
  STRATA_ASSIGN_OR_RETURN(const std::string text,
                          ReadFile(path + "/trainer_state.json"));
  STRATA_ASSIGN_OR_RETURN(TrainState state, ParseTrainState(text));
  if (state.step != step) {
    return absl::DataLossError(
        absl::StrCat(path, " holds the state of step ", state.step));
  }
  return state;
}

absl::Status CheckpointStore::ReadTensors(
    int64_t step, TrainTask* task,
    const std::vector<NamedParameter>& training) const {
  const std::string path = Path(step);
  STRATA_RETURN_IF_ERROR(task->LoadWeights(path + "/model.safetensors"));
  return ReadTensorsInto(path + "/optimizer.safetensors", training);
}

void CheckpointStore::Prune(int64_t newest) const {
  // Newer than the newest: only one that did not verify when this run began.
  RemoveNewer(newest);
  const std::vector<int64_t> points = RollbackPoints(newest);
  int kept = 0;
  for (const int64_t step : Steps()) {
    const bool point = !points.empty() && step == points.front();
    if (++kept > keep_ && !point) RemoveFolder(Path(step)).IgnoreError();
  }
}

void CheckpointStore::RemoveNewer(int64_t step) const {
  for (const int64_t newer : Steps()) {
    if (newer > step) RemoveFolder(Path(newer)).IgnoreError();
  }
}

}  // namespace strata
