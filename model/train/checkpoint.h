#pragma once
// Checkpoints of one job: JOB/checkpoints/step-N/, each whole or absent (the
// recipe of model/version_dir.h):
//
//   model.safetensors  optimizer.safetensors  trainer_state.json  config.json
//   template.json  environment.json  MANIFEST.json
//
// optimizer.safetensors has all tensors that training alone needs: the optimizer's
// own, and weights that no model has (TrainTask::TrainingWeights).
//
// A folder whose manifest does not verify is garbage, and the one before it is
// loaded. The newest `keep` stay, and the newest roll-back point; an old one goes
// only after a newer one is durable. Single writer: the attempt that holds the
// job. Thread-compatible.
//
// The manifest alone makes a folder count, when old ones are deleted as when a run
// resumes; no record elsewhere is waited for or asked (server/jobs/job_manager.h
// says why).
//
// When folders are made besides depends on the clock and on who stops the run; a
// roll-back point does not: every `rollback_every` steps, if the last step was
// finite. Only to those may training return, or an interrupted run would end in
// other weights than one that was left alone. (Those of a run that could not
// save a point, on a full disk, or cannot read it any more, may differ.)

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/train/adamw.h"
#include "model/train/train_state.h"
#include "model/train/train_task.h"

namespace strata {

struct SavedCheckpoint {
  std::string path;
  int64_t bytes = 0;
};

class CheckpointStore {
 public:
  // `fence` goes into temporary names and manifests. Creates the folder and
  // removes what a dead writer left in it.
  static absl::StatusOr<CheckpointStore> Open(const std::string& job_dir,
                                              int64_t fence, int keep,
                                              int64_t rollback_every);

  // Durable on return. A checkpoint of the same step that verifies is kept as
  // it is. RESOURCE_EXHAUSTED on a full disk: nothing changed.
  absl::StatusOr<SavedCheckpoint> Save(
      const TrainState& state, const TrainTask& task,
      const std::vector<NamedParameter>& training);

  // Steps of the folders there are, newest first; not verified.
  std::vector<int64_t> Steps() const;
  // Those of them that are roll-back points, up to step `last`.
  std::vector<int64_t> RollbackPoints(int64_t last) const;
  // Verifies the checkpoint of `step` and reads its state. DATA_LOSS.
  absl::StatusOr<TrainState> ReadState(int64_t step) const;
  // Overwrites the tensors. After ReadState.
  absl::Status ReadTensors(int64_t step, TrainTask* task,
                           const std::vector<NamedParameter>& training) const;

  // Those behind a step that training went back to lead nowhere.
  void RemoveNewer(int64_t step) const;

  std::string Path(int64_t step) const;

 private:
  CheckpointStore(std::string root, int64_t fence, int keep,
                  int64_t rollback_every)
      : root_(std::move(root)),
        fence_(fence),
        keep_(keep),
        rollback_every_(rollback_every) {}
  void Prune(int64_t newest) const;

  std::string root_;
  int64_t fence_;
  int keep_;
  int64_t rollback_every_;
};

}  // namespace strata
