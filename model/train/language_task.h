#pragma once
// LanguageTask: a model that generates, on documents packed into rows
// (model/train/batcher.h). Thread-compatible.

#include <string>
#include <vector>

#include "model/train/batcher.h"
#include "model/train/block_prediction.h"
#include "model/train/evaluate.h"
#include "model/train/model_source.h"
#include "model/train/split.h"
#include "model/train/train_task.h"

namespace strata {

class LanguageTask final : public TrainTask {
 public:
  // REQUIRES: the arguments outlive the task.
  LanguageTask(const TrainRun& run, const DataSplit& data, TrainedModel* model);

  torch::nn::Module& module() override { return *model_->model; }
  int packing_version() const override { return kPackingVersion; }
  bool empty() override { return batcher_.empty(); }
  RowCounts Next(int64_t rows, absl::Span<const DataWindow> skip,
                 DataCursor* cursor) override;
  double items_per_byte() const override;
  TaskLoss Loss(int64_t begin, int64_t end) override;
  bool has_held_out() const override { return !data_.held_out.empty(); }
  absl::StatusOr<TrainEval> Evaluate(
      const std::function<absl::Status()>& poll) override;
  absl::Status CheckResult(const TrainEval& eval,
                           TrainObserver* observer) override;
  absl::Status ResetWeights() override;
  std::vector<NamedParameter> TrainingWeights() override;
  absl::Status SaveWeights(const std::string& path) const override;
  absl::Status LoadWeights(const std::string& path) override;
  std::string config_json() const override;
  std::string template_json() const override;
  std::string tokenizer_file() const override { return model_->tokenizer->file(); }

 private:
  EvalOptions HeldOut() const;
  absl::Status OpenExits(TrainObserver* observer);

  const TrainRun& run_;
  const DataSplit& data_;
  TrainedModel* const model_;
  BlockPredictor predictor_{nullptr};  // where the spec has a block_weight
  Batcher batcher_;
  Batch batch_;  // drawn last
};

}  // namespace strata
