#pragma once
// Where a job's model comes from: new weights of a preset or of a config, drawn
// from the seed, or those of a served version. Thread-compatible.

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/chat_template.h"
#include "model/hierarchy/hierarchical_transformer.h"
#include "model/model_config.h"
#include "model/tokenizer.h"
#include "model/train/adamw.h"
#include "model/trainer.h"

namespace strata {

struct TrainedModel {
  ModelConfig config;  // of the result: its dropout is the base's own
  TemplateKind kind = TemplateKind::kText;
  std::shared_ptr<const Tokenizer> tokenizer = ByteTokenizer();
  HierarchicalTransformer model{nullptr};
};

// The template of a model of kind `base` that is trained on data of kind `data`:
// a text model takes the data's; completion and chat models take both kinds and
// what answers both is chat. INVALID_ARGUMENT for text onto a model that
// answers: it would unlearn its template.
absl::StatusOr<TemplateKind> TrainedTemplate(TemplateKind base,
                                             TemplateKind data);

// Config, template and tokeniser of the run's base, without weights; `tokenizer` is
// that of new ones (model/train/job_tokenizer.h). INVALID_ARGUMENT when the spec does
// not fit the base, DATA_LOSS when the base cannot be read.
absl::StatusOr<TrainedModel> DescribeModel(
    const TrainRun& run, TemplateKind data,
    std::shared_ptr<const Tokenizer> tokenizer = ByteTokenizer());

// Fills the weights with those that the run starts from, at step 0.
absl::Status ResetWeights(const TrainRun& run, TrainedModel* model);

// The weights by their names in a file, sharing memory with the model.
std::vector<NamedParameter> Weights(const torch::nn::Module& module);

}  // namespace strata
