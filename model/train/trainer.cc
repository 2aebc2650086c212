// RunTraining: load, loop, write the result. model/trainer.h is the contract.

#include "model/trainer.h"

#include <unistd.h>

#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/dataset.h"
#include "model/items.h"
#include "model/nn/matrix_precision.h"
#include "model/nn/torch_guard.h"
#include "model/segment_rule.h"
#include "model/train/checkpoint.h"
#include "model/train/data_warnings.h"
#include "model/train/datastore_job.h"
#include "model/train/document_task.h"
#include "model/train/environment.h"
#include "model/train/grad_norm.h"
#include "model/train/job_files.h"
#include "model/train/job_tokenizer.h"
#include "model/train/language_task.h"
#include "model/train/model_source.h"
#include "model/train/split.h"
#include "model/train/train_device.h"
#include "model/train/train_hooks.h"
#include "model/train/train_loop.h"
#include "model/version_dir.h"

namespace strata {
namespace {

absl::Status WriteResultFiles(const TrainTask& task, DirWriter* writer) {
  STRATA_RETURN_IF_ERROR(
      task.SaveWeights(writer->path() + "/model.safetensors"));
  STRATA_RETURN_IF_ERROR(writer->WriteFile("config.json", task.config_json()));
  const std::string tokenizer = task.tokenizer_file();
  if (!tokenizer.empty()) {
    STRATA_RETURN_IF_ERROR(writer->WriteFile(kTokenizerFile, tokenizer));
  }
  return writer->WriteFile("template.json", task.template_json());
}

absl::Status WriteResult(const TrainRun& run, TrainTask* task,
                         const TrainEval& eval) {
  if (!AllFinite(Weights(task->module()))) {
    return absl::FailedPreconditionError(
        "NON_FINITE: a weight of the result is not finite");
  }
  RemoveFolder(ResultPath(run)).IgnoreError();  // it did not verify
  STRATA_ASSIGN_OR_RETURN(
      DirWriter writer,
      DirWriter::Create(ResultPath(run),
                        absl::StrCat(run.fence, "-", getpid())));
  STRATA_RETURN_IF_ERROR(WriteResultFiles(*task, &writer));
  std::map<std::string, std::string> attributes = ResultAttributes(run, eval);
  attributes["steps"] = absl::StrCat(run.spec.steps);
  return writer.Commit(std::move(attributes));
}

absl::Status CheckResolved(const TrainSpec& spec) {
  if (spec.micro_batch > 0 && spec.sequence > 0 && spec.threads > 0 &&
      spec.warmup_steps >= 0 && spec.dropout >= 0 && spec.ngram_weight >= 0 &&
      spec.eval_every_steps > 0) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      "spec has unresolved fields; micro_batch, sequence, threads, warmup_steps, "
      "dropout, ngram_weight and eval_every_steps must be set");
}

void WarnOfSlowProducts(TrainObserver* observer) {
  observer->OnWarning("NO_BF16_UNITS",
                      "spec.bf16: this processor has no units for bfloat16; steps take "
                      "several times longer than without");
}

// The loop over a task, and its result.
absl::Status RunTask(const TrainRun& run, TrainObserver* observer,
                     const TrainHooks& hooks, TrainTask* task) {
  STRATA_RETURN_IF_ERROR(PollWhileLoading(observer));
  if (run.spec.bf16 && run.device == "cpu" && !HasBf16Units()) WarnOfSlowProducts(observer);
  STRATA_ASSIGN_OR_RETURN(
      CheckpointStore checkpoints,
      CheckpointStore::Open(run.job_dir, run.fence, run.spec.keep_checkpoints,
                            run.spec.checkpoint_every_steps));
  TrainLoop loop(run, observer, hooks, task, &checkpoints);
  STRATA_RETURN_IF_ERROR(loop.Run());
  STRATA_RETURN_IF_ERROR(task->CheckResult(loop.final_eval(), observer));
  return NameFinalSave(WriteResult(run, task, loop.final_eval()));
}

absl::Status TrainLanguage(const TrainRun& run, TrainObserver* observer,
                           const TrainHooks& hooks, Dataset dataset) {
  const TemplateKind kind = dataset.kind;
  DataSplit data = SplitDataset(std::move(dataset), run.spec.eval_fraction);
  const auto poll = [&] { return PollWhileLoading(observer); };
  STRATA_ASSIGN_OR_RETURN(auto tokenizer, JobTokenizer(run, data.train, poll));
  STRATA_ASSIGN_OR_RETURN(TrainedModel model,
                          DescribeModel(run, kind, std::move(tokenizer)));
  STRATA_RETURN_IF_ERROR(MoveToTrainDevice(run.device, model.model.get()));
  WarnOfFewerPieces(model.tokenizer->vocab() - kVocab, run.spec.pieces, observer);
  STRATA_RETURN_IF_ERROR(EncodeSplit(*model.tokenizer, poll, &data));
  if (!CarriesMemory(model.config)) {
    WarnOfCutDocuments(data, run.spec.sequence, observer);
  }
  WarnOfSmallData(TrainItems(data), run.spec.batch * run.spec.sequence, "items",
                  observer);
  LanguageTask task(run, data, &model);
  return RunTask(run, observer, hooks, &task);
}

absl::Status TrainClassifier(const TrainRun& run, TrainObserver* observer,
                             const TrainHooks& hooks, Dataset dataset) {
  STRATA_ASSIGN_OR_RETURN(
      const auto task, DocumentTask::Create(run, std::move(dataset), observer));
  return RunTask(run, observer, hooks, task.get());
}

absl::Status Train(const TrainRun& run, TrainObserver* observer,
                   const TrainHooks& hooks) {
  STRATA_RETURN_IF_ERROR(ValidateTrainSpec(run.spec));
  STRATA_RETURN_IF_ERROR(CheckResolved(run.spec));
  RemoveTemporaries(run.job_dir);
  if (ReadManifest(ResultPath(run), /*verify=*/true).ok()) {
    return absl::OkStatus();  // a run before this one finished, unheard
  }
  ConfigureTrainingProcess(run);
  STRATA_RETURN_IF_ERROR(PollWhileLoading(observer));
  STRATA_ASSIGN_OR_RETURN(Dataset dataset, LoadData(run, observer));
  STRATA_RETURN_IF_ERROR(PollWhileLoading(observer));
  if (BuildsDatastore(run.spec)) {
    return BuildDatastore(run, std::move(dataset), EnvironmentJson("cpu"), observer);
  }
  const auto train = dataset.kind == TemplateKind::kLabel ? TrainClassifier
                                                          : TrainLanguage;
  return train(run, observer, hooks, std::move(dataset));
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
