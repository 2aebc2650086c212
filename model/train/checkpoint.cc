#include "model/train/checkpoint.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/train/step_folders.h"
#include "model/train/tensor_file.h"
#include "model/version_dir.h"

namespace strata {
namespace {

namespace fs = std::filesystem;

int64_t TotalBytes(const std::vector<NamedParameter>& tensors) {
  int64_t bytes = 0;
  for (const NamedParameter& t : tensors) {
    bytes += static_cast<int64_t>(t.tensor.nbytes());
  }
  return bytes;
}

}  // namespace

absl::StatusOr<CheckpointStore> CheckpointStore::Open(
    const std::string& job_dir, int64_t fence, int keep,
    int64_t rollback_every) {
  STRATA_ASSIGN_OR_RETURN(const std::string root, OpenStepFolders(job_dir));
  return CheckpointStore(root, fence, std::max(keep, 1), rollback_every);
}

std::string CheckpointStore::Path(int64_t step) const {
  return StepFolder(root_, step);
}

std::vector<int64_t> CheckpointStore::Steps() const { return StepFolders(root_); }

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
