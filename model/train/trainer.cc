// RunTraining: load, loop, write the result. model/trainer.h is the contract.

#include "model/trainer.h"

#include <unistd.h>

#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "model/base/status_macros.h"
#include "model/dataset.h"
#include "model/hierarchy/weights.h"
#include "model/nn/torch_guard.h"
#include "model/train/checkpoint.h"
#include "model/train/environment.h"
#include "model/train/grad_norm.h"
#include "model/train/leak_probe.h"
#include "model/train/model_source.h"
#include "model/train/split.h"
#include "model/train/train_hooks.h"
#include "model/train/train_loop.h"
#include "model/version_dir.h"

namespace strata {
namespace {

std::string ResultPath(const TrainRun& run) {
  return absl::StrCat(run.job_dir, "/result");
}

absl::Status PollWhileLoading(TrainObserver* observer) {
  switch (observer->Poll()) {
    case TrainObserver::Signal::kContinue:
      return absl::OkStatus();
    case TrainObserver::Signal::kCancel:
      return absl::CancelledError("cancelled while loading");
    case TrainObserver::Signal::kCheckpointAndStop:
      break;
  }
  return absl::AbortedError("stopped while loading");
}

absl::StatusOr<Dataset> LoadData(const TrainRun& run) {
  STRATA_ASSIGN_OR_RETURN(const std::string sha256,
                          Sha256HexOfFile(run.dataset_path));
  if (!run.spec.dataset_sha256.empty() && sha256 != run.spec.dataset_sha256) {
    return absl::InvalidArgumentError(
        absl::StrCat("the stored dataset is damaged: its SHA-256 is ", sha256,
                     ", not ", run.spec.dataset_sha256,
                     "; upload the same file again"));
  }
  return ReadDataset(run.dataset_path);
}

absl::Status WriteResultFiles(const TrainedModel& model, DirWriter* writer) {
  STRATA_RETURN_IF_ERROR(
      SaveModelWeights(model.model, writer->path() + "/model.safetensors"));
  STRATA_RETURN_IF_ERROR(
      writer->WriteFile("config.json", ModelConfigToJson(model.config)));
  return writer->WriteFile("template.json", TemplateToJson(model.kind));
}

absl::Status WriteResult(const TrainRun& run, const TrainedModel& model,
                         const TrainEval& eval) {
  if (!AllFinite(Weights(model.model))) {
    return absl::FailedPreconditionError(
        "NON_FINITE: a weight of the result is not finite");
  }
  RemoveFolder(ResultPath(run)).IgnoreError();  // it did not verify
  STRATA_ASSIGN_OR_RETURN(
      DirWriter writer,
      DirWriter::Create(ResultPath(run),
                        absl::StrCat(run.fence, "-", getpid())));
  STRATA_RETURN_IF_ERROR(WriteResultFiles(model, &writer));
  std::map<std::string, std::string> attributes = {
      {"created", absl::FormatTime(absl::RFC3339_sec, absl::Now(),
                                   absl::UTCTimeZone())},
      {"base", run.spec.base},
      {"steps", absl::StrCat(run.spec.steps)}};
  if (eval.items > 0) {
    attributes["eval_loss"] = absl::StrFormat("%.6f", eval.loss);
    attributes["eval_bits_per_byte"] =
        absl::StrFormat("%.6f", eval.bits_per_byte);
    attributes["eval_items"] = absl::StrCat(eval.items);
  }
  return writer.Commit(std::move(attributes));
}

absl::Status CheckResolved(const TrainSpec& spec) {
  if (spec.micro_batch > 0 && spec.threads > 0 && spec.warmup_steps >= 0 &&
      spec.dropout >= 0 && spec.eval_every_steps > 0) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      "spec has unresolved fields; micro_batch, threads, warmup_steps, dropout "
      "and eval_every_steps must be set");
}

// A result too good to be true is published all the same: the text may repeat
// itself. One that sees the future is not.
absl::Status CheckHonest(const TrainedModel& model, const TrainEval& eval,
                         TrainObserver* observer) {
  const double floor = LossFloorBitsPerByte(ParameterCount(model.config));
  if (eval.items > 0 && eval.bits_per_byte < floor) {
    observer->OnWarning(
        "LOSS_BELOW_FLOOR",
        absl::StrFormat("held-out %.3f bits per byte, below %.2f: is the held-out "
                        "text in the training part too, or does it repeat itself?",
                        eval.bits_per_byte, floor));
  }
  return ProbeForLeaks(model.model);
}

// The disk is full at the one save that must succeed.
absl::Status NameFinalSave(absl::Status status) {
  if (!absl::IsResourceExhausted(status)) return status;
  return absl::ResourceExhaustedError(absl::StrCat(
      "STORAGE_FULL: the result cannot be saved: ", status.message()));
}

absl::Status Train(const TrainRun& run, TrainObserver* observer,
                   const TrainHooks& hooks) {
  STRATA_RETURN_IF_ERROR(ValidateTrainSpec(run.spec));
  STRATA_RETURN_IF_ERROR(CheckResolved(run.spec));
  RemoveTemporaries(run.job_dir);
  if (ReadManifest(ResultPath(run), /*verify=*/true).ok()) {
    return absl::OkStatus();  // a run before this one finished, unheard
  }
  ConfigureTrainingProcess(run.spec.threads);
  STRATA_RETURN_IF_ERROR(PollWhileLoading(observer));
  STRATA_ASSIGN_OR_RETURN(Dataset dataset, LoadData(run));
  STRATA_RETURN_IF_ERROR(PollWhileLoading(observer));
  STRATA_ASSIGN_OR_RETURN(TrainedModel model, DescribeModel(run, dataset.kind));
  STRATA_ASSIGN_OR_RETURN(
      CheckpointStore checkpoints,
      CheckpointStore::Open(run.job_dir, run.fence, run.spec.keep_checkpoints));
  const DataSplit data =
      SplitDataset(std::move(dataset), run.spec.eval_fraction);
  STRATA_RETURN_IF_ERROR(PollWhileLoading(observer));
  TrainLoop loop(run, observer, hooks, data, &model, &checkpoints);
  STRATA_RETURN_IF_ERROR(loop.Run());
  STRATA_RETURN_IF_ERROR(CheckHonest(model, loop.final_eval(), observer));
  return NameFinalSave(WriteResult(run, model, loop.final_eval()));
}

}  // namespace

absl::Status RunTrainingWithHooks(const TrainRun& run, TrainObserver* observer,
                                  const TrainHooks& hooks) {
  return TorchGuard([&] { return Train(run, observer, hooks); });
}

absl::Status RunTraining(const TrainRun& run, TrainObserver* observer) {
  return RunTrainingWithHooks(run, observer, TrainHooks());
}

}  // namespace strata
