#pragma once
// DocumentTask: a document classifier on texts with labels. A row is a text; the
// loss is the cross-entropy of its label, the mean over the texts of a step. Texts
// beyond the limits of the config are cut, with a warning. Thread-compatible.

#include <memory>
#include <string>
#include <vector>

#include "model/dataset.h"
#include "model/document/document_classifier.h"
#include "model/train/text_order.h"
#include "model/train/train_task.h"

namespace strata {

class DocumentTask final : public TrainTask {
 public:
  // Config and labels of the run's base (a preset takes the data's labels), the
  // split, no weights yet. INVALID_ARGUMENT when spec, data and base do not fit,
  // DATA_LOSS when the base cannot be read. REQUIRES: `run` outlives the task.
  static absl::StatusOr<std::unique_ptr<DocumentTask>> Create(
      const TrainRun& run, Dataset dataset, TrainObserver* observer);

  torch::nn::Module& module() override { return *model_; }
  int packing_version() const override { return kTextOrderVersion; }
  bool empty() override { return order_.empty(); }
  RowCounts Next(int64_t rows, absl::Span<const DataWindow> skip,
                 DataCursor* cursor) override;
  double items_per_byte() const override { return 0; }
  TaskLoss Loss(int64_t begin, int64_t end) override;
  void EndStep(bool applied) override;
  bool has_held_out() const override { return !held_out_.empty(); }
  absl::StatusOr<TrainEval> Evaluate(
      const std::function<absl::Status()>& poll) override;
  absl::Status CheckResult(const TrainEval&, TrainObserver*) override;
  absl::Status ResetWeights() override;
  absl::Status SaveWeights(const std::string& path) const override;
  absl::Status LoadWeights(const std::string& path) override;
  std::string config_json() const override;
  std::string template_json() const override;

 private:
  struct Example {
    std::string text;
    int64_t label = 0;
  };
  using Examples = std::vector<Example>;

  DocumentTask(const TrainRun& run, DocumentConfig config, Examples train,
               Examples held_out);
  static Examples ToExamples(const DocumentConfig& config,
                             const std::vector<Document>& documents,
                             int64_t* cut);
  // Sums over the examples chosen[begin..end): loss, and logits.
  torch::Tensor LossSum(const Examples& from, absl::Span<const int64_t> chosen,
                        torch::Tensor* logits);

  const TrainRun& run_;
  const DocumentConfig config_;  // of the result
  const Examples train_;
  const Examples held_out_;
  TextOrder order_;
  DocumentClassifier model_;
  std::vector<int64_t> drawn_;  // of train_
};

}  // namespace strata
