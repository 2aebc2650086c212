#pragma once
// TrainSpec: everything that decides the result of a training job, with every
// "auto" resolved before the job is stored, so that a rerun of the stored spec
// is exact. JSON, strict, stable field order (its SHA-256 is the spec's hash).

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/datastore_spec.h"
#include "model/model_config.h"

namespace strata {

// The rows that a spec which does not say gets: of text, and the longest.
inline constexpr int64_t kShortSequence = 512;
inline constexpr int64_t kLongestAutoSequence = 2048;

// Of n-gram heads where the spec does not say.
inline constexpr double kNgramWeight = 0.2;
// Of learned spans; the paper's of its small models.
inline constexpr double kSpanWeight = 2e-6;

// Of a config of the caller's own.
inline constexpr int64_t kMaxConfigBytes = 64 << 10;

struct TrainSpec {
  // One of the two, the other is empty:
  std::string base;            // preset name, or NAME@VERSION of a served model
  std::string config;          // config.json of a model that generates: new weights
  std::string dataset_sha256;  // 64 hex digits
  std::string model;           // name of the model that gets the new version

  // Of new weights: "bpe" or "unigram", of `pieces` pieces, trained on the data before
  // the model is (model/train/job_tokenizer.h); or the file whose SHA-256 this is.
  // With neither, bytes. A served model as base has its own.
  std::string tokenizer;
  int64_t pieces = 0;            // 0 without `tokenizer`
  std::string tokenizer_sha256;  // 64 hex digits

  // With entries the job trains nothing: it adds a datastore to a copy of its base, a
  // served model (model/train/datastore_job.h). Of the members below, `sequence`, those
  // of evaluation and of checkpoints, and `threads` say how; a step is one piece of text
  // of `sequence` items.
  DatastoreSpec datastore;

  int64_t steps = 0;                 // optimizer steps; [1, 10^7]; with a datastore 0
  int64_t batch = 8;                 // rows per optimizer step
  int64_t micro_batch = 0;           // rows per forward; divides batch; 0 = batch,
                                     // or as ResolveTrainSpec says
  int64_t sequence = 0;              // items per row, a multiple of S_top;
                                     // 0 = by the data: SequenceForData
  double learning_rate = 5e-4;       // peak
  int64_t warmup_steps = -1;         // -1 = min(100, 3 % of steps)
  double min_lr_ratio = 0.1;         // cosine ends here
  double weight_decay = 0.1;         // matrices only
  double beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8;
  double clip_norm = 1.0;
  double dropout = -1.0;             // -1 = the config's
  // Of each n-gram head's loss beside the ordinary one (weight 1). -1 = auto:
  // kNgramWeight where the model has such heads, else 0, the only one allowed there.
  double ngram_weight = -1.0;
  // Of next-block prediction (model/train/block_prediction.h); 0 = none.
  double block_weight = 0;
  // Of the mean span of heads that learn one, in nats an item of span
  // (model/nn/adaptive_span.h); another than the default needs such heads.
  double span_weight = kSpanWeight;
  // Matrix products of training in bfloat16 (model/nn/matrix_precision.h).
  bool bf16 = false;
  uint64_t seed = 1;
  double eval_fraction = 0.02;       // of documents (text: of the tail); [0, 0.5]
  int64_t eval_every_steps = 0;      // 0 = max(10, steps / 10)
  int64_t eval_max_items = 65536;
  int64_t checkpoint_every_steps = 200;
  double checkpoint_every_seconds = 300;
  int keep_checkpoints = 2;
  int threads = 0;                   // 0 = the server's --trainer-threads
};

// What messages call the base.
inline std::string BaseName(const TrainSpec& spec) {
  return spec.config.empty() ? spec.base : "the config";
}

inline bool BuildsDatastore(const TrainSpec& spec) {
  return spec.datastore != DatastoreSpec();
}

// Whether the spec brings a tokeniser.
inline bool HasTokenizer(const TrainSpec& spec) {
  return !spec.tokenizer.empty() || !spec.tokenizer_sha256.empty();
}

// Ranges; INVALID_ARGUMENT "spec.batch: …". `block_bytes` = S_top of the base.
absl::Status ValidateTrainSpec(const TrainSpec& spec);
// Whether `sequence`, which is set, suits the model: INVALID_ARGUMENT.
absl::Status CheckSequence(const TrainSpec& spec, const ModelConfig& config);
// Whether the model has what the weights of `spec` are of: INVALID_ARGUMENT.
absl::Status CheckLossWeights(const TrainSpec& spec, const ModelConfig& config);
// Items a row that suit the data: 512, 1024 or 2048, the shortest that holds 19 of
// 20 conversations or pairs (`fitting_items` of the DatasetReport), else 2048; of
// text 512. Never beyond the model's context; a multiple of `block_bytes`.
int64_t SequenceForData(int64_t fitting_items, int64_t block_bytes,
                        int64_t max_context);
// Fills the "auto" fields: sequence, micro_batch, warmup, dropout, ngram_weight,
// eval_every, threads. Where `sequence` is filled with more than 512, so is micro_batch with
// as many rows fewer as keep a forward pass at the items of `batch` rows of 512
// (one row at least): memory does not grow with the rows.
TrainSpec ResolveTrainSpec(TrainSpec spec, int default_threads,
                           double config_dropout,
                           int64_t sequence = kShortSequence,
                           int ngram_heads = 0);
std::string TrainSpecToJson(const TrainSpec& spec);
absl::StatusOr<TrainSpec> ParseTrainSpec(absl::string_view json);

}  // namespace strata
