#include "model/train/document_task.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/classifier.h"
#include "model/document/document_weights.h"
#include "model/nn/bucket_rule.h"
#include "model/nn/torch_guard.h"
#include "model/nn/upload.h"
#include "model/train/data_warnings.h"
#include "model/train/job_files.h"
#include "model/train/label_score.h"
#include "model/train/model_source.h"
#include "model/train/split.h"
#include "model/train/train_device.h"
#include "model/version_dir.h"

namespace strata {
namespace {

absl::StatusOr<DocumentConfig> ReadBase(const TrainRun& run) {
  STRATA_RETURN_IF_ERROR(ReadManifest(run.base_dir, /*verify=*/true).status());
  STRATA_ASSIGN_OR_RETURN(const std::string json,
                          ReadFile(run.base_dir + "/config.json"));
  STRATA_ASSIGN_OR_RETURN(DocumentConfig config, ParseDocumentConfig(json));
  STRATA_RETURN_IF_ERROR(ValidateDocumentConfig(config, /*labelled=*/true));
  return config;
}

// The caller's own, or the preset.
absl::StatusOr<DocumentConfig> NewConfig(const TrainRun& run) {
  if (!run.spec.config.empty()) return ParseDocumentConfig(run.spec.config);
  absl::StatusOr<DocumentConfig> preset = DocumentPreset(run.spec.base);
  if (preset.ok()) return preset;
  return absl::InvalidArgumentError(
      absl::StrCat("spec.base: ", preset.status().message()));
}

absl::StatusOr<DocumentConfig> ConfigOf(const TrainRun& run,
                                        const Dataset& dataset) {
  absl::StatusOr<DocumentConfig> config;
  if (run.base_dir.empty()) {
    STRATA_ASSIGN_OR_RETURN(config, NewConfig(run));
    if (config->labels.empty()) config->labels = dataset.labels;
    STRATA_RETURN_IF_ERROR(ValidateDocumentConfig(*config, /*labelled=*/true));
  } else {
    config = ReadBase(run);
    if (!config.ok()) return CannotReadBase(run, config.status());
  }
  const absl::Status known = CheckKnownLabels(*config, dataset.labels);
  if (known.ok()) return config;
  return absl::InvalidArgumentError(
      absl::StrCat("spec.dataset: ", known.message()));
}

DocumentConfig Trained(DocumentConfig config, const TrainRun& run) {
  config.dropout = run.spec.dropout;
  return config;
}

int64_t IndexOf(const std::vector<std::string>& labels,
                const std::string& label) {
  return std::lower_bound(labels.begin(), labels.end(), label) -
         labels.begin();
}

}  // namespace

DocumentTask::Examples DocumentTask::ToExamples(
    const DocumentConfig& config, const std::vector<Document>& documents,
    int64_t* cut) {
  Examples examples;
  for (const Document& document : documents) {
    std::string text;
    for (const Item item : document.Items()) text += static_cast<char>(item);
    const size_t fits = FittingText(config, text).size();
    *cut += fits < text.size();
    text.resize(fits);
    examples.push_back(
        {std::move(text), IndexOf(config.labels, document.label)});
  }
  return examples;
}

absl::StatusOr<std::unique_ptr<DocumentTask>> DocumentTask::Create(
    const TrainRun& run, Dataset dataset, TrainObserver* observer) {
  STRATA_ASSIGN_OR_RETURN(DocumentConfig config, ConfigOf(run, dataset));
  const DataSplit split =
      SplitDataset(std::move(dataset), run.spec.eval_fraction);
  int64_t cut = 0;
  Examples train = ToExamples(config, split.train, &cut);
  Examples held_out = ToExamples(config, split.held_out, &cut);
  if (cut > 0) {
    observer->OnWarning(
        "TEXTS_CUT",
        absl::StrCat(cut, " texts are longer than ", config.max_text_bytes,
                     " bytes or ", config.max_sentences,
                     " sentences; only that much of them is read"));
  }
  WarnOfSmallData(static_cast<int64_t>(train.size()), run.spec.batch, "texts",
                  observer);
  STRATA_ASSIGN_OR_RETURN(std::unique_ptr<DocumentTask> task, TorchGuard([&] {
    return std::unique_ptr<DocumentTask>(
        new DocumentTask(run, std::move(config), std::move(train),
                         std::move(held_out)));
  }));
  STRATA_RETURN_IF_ERROR(MoveToTrainDevice(run.device, &task->module()));
  return task;
}

DocumentTask::DocumentTask(const TrainRun& run, DocumentConfig config,
                           Examples train, Examples held_out)
    : run_(run),
      config_(std::move(config)),
      train_(std::move(train)),
      held_out_(std::move(held_out)),
      order_(static_cast<int64_t>(train_.size()), run.spec.seed),
      model_(Trained(config_, run), run.spec.seed) {}

RowCounts DocumentTask::Next(int64_t rows, absl::Span<const DataWindow> skip,
                             DataCursor* cursor) {
  EndBucketStep(*model_, /*applied=*/false);  // of one that was broken off
  drawn_ = order_.Next(rows, skip, cursor);
  RowCounts counts{rows, 0, 0};
  for (const int64_t i : drawn_) {
    const absl::string_view text = train_[i].text;
    const DocumentBatch batch = MakeDocumentBatch(config_, {text});
    counts.items += batch.bytes;
    counts.slots += batch.slots;
  }
  return counts;
}

torch::Tensor DocumentTask::LossSum(const Examples& from,
                                    absl::Span<const int64_t> chosen,
                                    torch::Tensor* logits) {
  std::vector<absl::string_view> texts;
  std::vector<int64_t> labels;
  for (const int64_t i : chosen) {
    texts.push_back(from[i].text);
    labels.push_back(from[i].label);
  }
  *logits = model_->forward(MakeDocumentBatch(config_, texts)).logits;
  return at::cross_entropy_loss(*logits, Upload(labels, logits->device()), {},
                                at::Reduction::Sum);
}

TaskLoss DocumentTask::Loss(int64_t begin, int64_t end) {
  torch::Tensor logits;
  const auto chosen = absl::MakeConstSpan(drawn_).subspan(begin, end - begin);
  const auto loss = LossSum(train_, chosen, &logits) /
                    static_cast<double>(drawn_.size());
  return {loss, loss};
}

void DocumentTask::EndStep(bool applied) { EndBucketStep(*model_, applied); }

absl::StatusOr<TrainEval> DocumentTask::Evaluate(
    const std::function<absl::Status()>& poll) {
  const int64_t count = std::min<int64_t>(
      static_cast<int64_t>(held_out_.size()), run_.spec.eval_max_items);
  LabelScore score(static_cast<int64_t>(config_.labels.size()));
  double nats = 0;
  model_->eval();
  absl::Status status;
  for (int64_t begin = 0; begin < count && status.ok();
       begin += run_.rows_at_once()) {
    status = poll();
    if (!status.ok()) break;
    std::vector<int64_t> chosen;
    const int64_t end = std::min(begin + run_.rows_at_once(), count);
    for (int64_t i = begin; i < end; ++i) chosen.push_back(i);
    status = TorchGuard([&] {
      torch::NoGradGuard no_grad;
      torch::Tensor logits;
      nats += LossSum(held_out_, chosen, &logits).item<double>();
      const auto guesses = logits.argmax(1).cpu().contiguous();
      for (const int64_t i : chosen) {
        score.Add(held_out_[i].label,
                  guesses.const_data_ptr<int64_t>()[i - begin]);
      }
    });
  }
  model_->train();
  STRATA_RETURN_IF_ERROR(status);
  TrainEval eval;
  eval.loss = nats / static_cast<double>(count);
  eval.items = count;
  eval.accuracy = score.Accuracy();
  eval.macro_f1 = score.MacroF1();
  return eval;
}

// The publish gate of the registry asks the rest.
absl::Status DocumentTask::CheckResult(const TrainEval&, TrainObserver*) {
  return absl::OkStatus();
}

absl::Status DocumentTask::ResetWeights() {
  if (run_.base_dir.empty()) {
    return TorchGuard([&] {
      InitDocumentWeights(config_, run_.spec.seed, model_.get());
    });
  }
  const absl::Status loaded = LoadWeights(run_.base_dir + "/model.safetensors");
  return loaded.ok() ? loaded : CannotReadBase(run_, loaded);
}

absl::Status DocumentTask::SaveWeights(const std::string& path) const {
  return SaveDocumentWeights(model_, path);
}

absl::Status DocumentTask::LoadWeights(const std::string& path) {
  return LoadDocumentWeights(path, &model_);
}

std::string DocumentTask::config_json() const {
  return DocumentConfigToJson(config_);
}

std::string DocumentTask::template_json() const {
  return TemplateToJson(TemplateKind::kLabel);
}

}  // namespace strata
