#pragma once
// LanguageTask: a model that generates, on documents packed into rows
// (model/train/batcher.h) or, where it carries a memory, laid in lanes
// (model/train/lane_batcher.h). Thread-compatible.

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/hierarchy/segment_memory.h"
#include "model/train/block_prediction.h"
#include "model/train/evaluate.h"
#include "model/train/model_source.h"
#include "model/train/row_source.h"
#include "model/train/split.h"
#include "model/train/train_task.h"

namespace strata {

class LanguageTask final : public TrainTask {
 public:
  // REQUIRES: the arguments outlive the task.
  LanguageTask(const TrainRun& run, const DataSplit& data, TrainedModel* model);

  torch::nn::Module& module() override { return *model_->model; }
  int packing_version() const override { return source_->version(); }
  bool empty() override { return source_->empty(); }
  RowCounts Next(int64_t rows, absl::Span<const DataWindow> skip,
                 DataCursor* cursor) override;
  double items_per_byte() const override;
  TaskLoss Loss(int64_t begin, int64_t end) override;
  void EndStep(bool applied) override;
  std::vector<NamedParameter> CarriedTensors() override;
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
  std::unique_ptr<RowSource> source_;
  Batch batch_;  // drawn last
  // Where the model carries one: what the rows bring to the next batch, and what the
  // micro-batches of the one drawn last have left, by their first rows.
  std::optional<SegmentMemory> memory_;
  std::vector<std::pair<int64_t, SegmentMemory>> left_;
};

}  // namespace strata
