#pragma once
// TrainSpec: everything that decides the result of a training job, with every
// "auto" resolved before the job is stored, so that a rerun of the stored spec
// is exact. JSON, strict, stable field order (its SHA-256 is the spec's hash).

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace strata {

struct TrainSpec {
  std::string base;            // preset name, or NAME@VERSION of a served model
  std::string dataset_sha256;  // 64 hex digits
  std::string model;           // name of the model that gets the new version

  int64_t steps = 0;                 // optimizer steps; [1, 10^7]
  int64_t batch = 8;                 // rows per optimizer step
  int64_t micro_batch = 0;           // rows per forward; 0 = batch; divides batch
  int64_t sequence = 512;            // items per row, a multiple of S_top
  double learning_rate = 5e-4;       // peak
  int64_t warmup_steps = -1;         // -1 = min(100, 3 % of steps)
  double min_lr_ratio = 0.1;         // cosine ends here
  double weight_decay = 0.1;         // matrices only
  double beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8;
  double clip_norm = 1.0;
  double dropout = -1.0;             // -1 = the config's
  uint64_t seed = 1;
  double eval_fraction = 0.02;       // of documents (text: of the tail); [0, 0.5]
  int64_t eval_every_steps = 0;      // 0 = max(10, steps / 10)
  int64_t eval_max_items = 65536;
  int64_t checkpoint_every_steps = 200;
  double checkpoint_every_seconds = 300;
  int keep_checkpoints = 2;
  int threads = 0;                   // 0 = the server's --trainer-threads
};

// Ranges; INVALID_ARGUMENT "spec.batch: …". `block_bytes` = S_top of the base.
absl::Status ValidateTrainSpec(const TrainSpec& spec);
// Fills the "auto" fields: micro_batch, warmup, dropout, eval_every, threads.
TrainSpec ResolveTrainSpec(TrainSpec spec, int default_threads,
                           double config_dropout);
std::string TrainSpecToJson(const TrainSpec& spec);
absl::StatusOr<TrainSpec> ParseTrainSpec(absl::string_view json);

}  // namespace strata
