#include "model/train/language_task.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "model/base/log.h"
#include "model/base/status_macros.h"
#include "model/hierarchy/weights.h"
#include "model/nn/bucket_rule.h"
#include "model/segment_rule.h"
#include "model/stack_depth.h"
#include "model/train/batch_tensors.h"
#include "model/train/batcher.h"
#include "model/train/evaluate.h"
#include "model/train/exit_threshold.h"
#include "model/train/job_files.h"
#include "model/train/lane_batcher.h"
#include "model/train/language_loss.h"
#include "model/train/leak_probe.h"
#include "model/train/slice.h"

namespace strata {
namespace {

BatcherOptions TrainBatches(const TrainRun& run, const TrainedModel& model,
                            bool shift_cuts) {
  return {.sequence = run.spec.sequence,
          .block_bytes = DocumentAlignment(model.config),
          .seed = run.spec.seed,
          .shuffle = true,
          .shift_cuts = shift_cuts};
}

}  // namespace

LanguageTask::LanguageTask(const TrainRun& run, const DataSplit& data,
                           TrainedModel* model)
    : run_(run),
      data_(data),
      model_(model) {
  if (run.spec.block_weight > 0) {
    predictor_ = BlockPredictor(model->config);
    predictor_->to(model->model->device());
  }
  const BatcherOptions options = TrainBatches(run, *model, data.is_text);
  if (!CarriesMemory(model->config)) {
    source_ = std::make_unique<Batcher>(data.train, options);
    return;
  }
  source_ = std::make_unique<LaneBatcher>(data.train, run.spec.batch, options);
  memory_ = SegmentMemory(model->config, run.spec.batch,
                          model->model->level(0).start().options());
}

RowCounts LanguageTask::Next(int64_t rows, absl::Span<const DataWindow> skip,
                             DataCursor* cursor) {
  left_.clear();
  EndBucketStep(*model_->model, /*applied=*/false);  // of one that was broken off
  batch_ = source_->Next(rows, skip, cursor);
  return {batch_.rows, batch_.real_items,
          run_.spec.batch * run_.spec.sequence};
}

TaskLoss LanguageTask::Loss(int64_t begin, int64_t end) {
  SegmentMemory memory;
  if (memory_) memory = memory_->Rows(begin, end);
  const TaskLoss sums =
      LanguageLossSums(model_->model,
                       RowsAsTensors(batch_, begin, end, model_->model->device()),
                       {.ngram_weight = run_.spec.ngram_weight,
                        .block = {run_.spec.block_weight,
                                  predictor_ ? predictor_.get() : nullptr},
                        .span_weight = run_.spec.span_weight},
                       memory_ ? &memory : nullptr);
  if (memory_) left_.emplace_back(begin, memory);
  // The segments of a step may all lie within prompts.
  const auto items = static_cast<double>(std::max<int64_t>(1, batch_.trained_items));
  return {sums.minimised / items, sums.reported / items};
}

void LanguageTask::EndStep(bool applied) {
  EndBucketStep(*model_->model, applied);
  if (!memory_) return;
  if (!applied) memory_->Clear();  // what was not finite may be in it
  for (const auto& [begin, memory] : left_) {
    if (applied) memory_->CopyRows(begin, memory);
  }
  left_.clear();
}

std::vector<NamedParameter> LanguageTask::CarriedTensors() {
  std::vector<NamedParameter> tensors;
  if (!memory_) return tensors;
  memory_->ForEach([&](const std::string& name, torch::Tensor& tensor) {
    if (tensor.numel() > 0) tensors.push_back({name, tensor});
  });
  return tensors;
}

double LanguageTask::items_per_byte() const {
  int64_t bytes = 0;
  for (size_t i = 0; i < batch_.items.size(); ++i) {
    if (!batch_.trained[i]) continue;
    const auto item = static_cast<Item>(batch_.items[i]);
    bytes += IsText(item)
                 ? static_cast<int64_t>(model_->tokenizer->BytesOf(item).size())
                 : 1;
  }
  return static_cast<double>(batch_.trained_items) /
         static_cast<double>(std::max<int64_t>(1, bytes));
}

absl::StatusOr<TrainEval> LanguageTask::Evaluate(
    const std::function<absl::Status()>& poll) {
  return strata::Evaluate(model_->model, data_.held_out, HeldOut(), poll);
}

// A result too good to be true is published all the same: the text may repeat
// itself. One that sees the future is not.
absl::Status LanguageTask::CheckResult(const TrainEval& eval,
                                       TrainObserver* observer) {
  STRATA_RETURN_IF_ERROR(OpenExits(observer));
  const double floor = LossFloorBitsPerByte(ParameterCount(model_->config));
  if (eval.items > 0 && eval.bits_per_byte < floor) {
    observer->OnWarning(
        "LOSS_BELOW_FLOOR",
        absl::StrFormat("held-out %.3f bits per byte, below %.2f: is the held-out "
                        "text in the training part too, or does it repeat itself?",
                        eval.bits_per_byte, floor));
  }
  Slices slices(observer, model_->model->device());
  slices.Begin();  // a stop comes too late: the result is as good as made
  return ProbeForLeaks(model_->model);
}

EvalOptions LanguageTask::HeldOut() const {
  EvalOptions options;
  options.max_items = run_.spec.eval_max_items;
  options.rows = run_.rows_at_once();
  options.tokenizer = model_->tokenizer.get();
  options.batcher = TrainBatches(run_, *model_, false);
  return options;
}

// What is published may leave early; what was trained and evaluated did not.
absl::Status LanguageTask::OpenExits(TrainObserver* observer) {
  if (model_->config.levels[0].exits == 0) return absl::OkStatus();
  Slices slices(observer, model_->model->device());
  const auto poll = [&] {
    return StatusOfSignal(slices.Begin(), "while calibrating exits");
  };
  STRATA_ASSIGN_OR_RETURN(
      const ExitThreshold found,
      FindExitThreshold(model_->model, data_.held_out, HeldOut(), poll));
  if (found.threshold >= kNoExit) {
    observer->OnWarning(
        "NO_EARLY_EXIT",
        found.rows < kLeastExitRows
            ? absl::StrFormat("no item of this model leaves early: %d rows of text were "
                              "held out to find a threshold by, of at least %d",
                              found.rows, kLeastExitRows)
            : absl::StrFormat("no item of this model leaves early: on %d held-out rows "
                              "no threshold kept its cost below %g nats an item",
                              found.rows, model_->config.levels[0].exit_tolerance));
    return absl::OkStatus();
  }
  Log(Severity::kInfo, absl::StrFormat(
      "exits: threshold %.2f, %.2f of %d layers, %+.4f nats an item on %d held-out rows",
      found.threshold, found.layers, model_->config.levels[0].dec_layers, found.cost,
      found.rows));
  return absl::OkStatus();
}

std::vector<NamedParameter> LanguageTask::TrainingWeights() {
  return predictor_ ? Weights(*predictor_) : std::vector<NamedParameter>();
}

absl::Status LanguageTask::ResetWeights() {
  if (predictor_) predictor_->Reset();
  if (memory_) memory_->Clear();
  STRATA_RETURN_IF_ERROR(strata::ResetWeights(run_, model_));
  // That of the base is of other weights than these will be.
  ExitHeads& exits = model_->model->level(0).decoder().exits();
  if (!exits.is_empty()) exits->SetThreshold(kNoExit);
  return absl::OkStatus();
}

absl::Status LanguageTask::SaveWeights(const std::string& path) const {
  return SaveModelWeights(model_->model, path);
}

absl::Status LanguageTask::LoadWeights(const std::string& path) {
  return LoadModelWeights(path, &model_->model);
}

std::string LanguageTask::config_json() const {
  return ModelConfigToJson(model_->config);
}

std::string LanguageTask::template_json() const {
  return TemplateToJson(model_->kind);
}

}  // namespace strata
