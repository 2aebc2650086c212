#include "model/train_spec.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/presets.h"
#include "model/tokenizer_training.h"
#include "model/version_dir.h"

namespace strata {
namespace {

absl::Status Bad(absl::string_view field, absl::string_view message) {
  return absl::InvalidArgumentError(
      absl::StrCat("spec.", field, ": ", message));
}

absl::Status Whole(absl::string_view field, int64_t value, int64_t low,
                   int64_t high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return Bad(field, absl::StrCat("is ", value, "; must be in [", low, ", ",
                                 high, "]"));
}

// NaN fails every comparison, so it is out of any range.
absl::Status Real(absl::string_view field, double value, bool ok,
                  absl::string_view range) {
  if (ok) return absl::OkStatus();
  return Bad(field, absl::StrCat("is ", value, "; must be in ", range));
}

// What a job that builds a datastore needs, and what it has no use for.
absl::Status ValidateDatastore(const TrainSpec& spec) {
  if (!BuildsDatastore(spec)) return absl::OkStatus();
  const absl::Status own = ValidateDatastoreSpec(spec.datastore);
  if (!own.ok()) return absl::InvalidArgumentError(absl::StrCat("spec.", own.message()));
  if (spec.base.empty()) {
    return Bad("base", "is missing; a datastore is built of a served model");
  }
  if (HasTokenizer(spec)) {
    return Bad("tokenizer", "must be absent for a datastore, whose base has its own");
  }
  return Real("eval_fraction", spec.eval_fraction, spec.eval_fraction > 0,
              "(0, 0.5] for a datastore, whose weight is chosen on what is held out");
}

absl::Status ValidateSizes(const TrainSpec& spec) {
  const bool builds = BuildsDatastore(spec);
  STRATA_RETURN_IF_ERROR(
      Whole("steps", spec.steps, builds ? 0 : 1, builds ? 0 : 10'000'000));
  STRATA_RETURN_IF_ERROR(Whole("batch", spec.batch, 1, 65536));
  STRATA_RETURN_IF_ERROR(Whole("micro_batch", spec.micro_batch, 0, spec.batch));
  if (spec.micro_batch > 0 && spec.batch % spec.micro_batch != 0) {
    return Bad("micro_batch",
               absl::StrCat("is ", spec.micro_batch,
                            "; must divide spec.batch = ", spec.batch));
  }
  if (spec.sequence != 0) {
    STRATA_RETURN_IF_ERROR(Whole("sequence", spec.sequence, 2, 1 << 20));
  }
  STRATA_RETURN_IF_ERROR(
      Whole("warmup_steps", spec.warmup_steps, -1, 10'000'000));
  STRATA_RETURN_IF_ERROR(
      Whole("eval_every_steps", spec.eval_every_steps, 0, 10'000'000));
  STRATA_RETURN_IF_ERROR(
      Whole("eval_max_items", spec.eval_max_items, 1, int64_t{1} << 32));
  STRATA_RETURN_IF_ERROR(Whole("checkpoint_every_steps",
                               spec.checkpoint_every_steps, 1, 10'000'000));
  STRATA_RETURN_IF_ERROR(
      Whole("keep_checkpoints", spec.keep_checkpoints, 1, 1000));
  return Whole("threads", spec.threads, 0, 1024);
}

absl::Status ValidateOptimizer(const TrainSpec& s) {
  STRATA_RETURN_IF_ERROR(Real("learning_rate", s.learning_rate,
                              s.learning_rate > 0 && s.learning_rate <= 10,
                              "(0, 10]"));
  STRATA_RETURN_IF_ERROR(Real("min_lr_ratio", s.min_lr_ratio,
                              s.min_lr_ratio >= 0 && s.min_lr_ratio <= 1,
                              "[0, 1]"));
  STRATA_RETURN_IF_ERROR(Real("weight_decay", s.weight_decay,
                              s.weight_decay >= 0 && s.weight_decay <= 10,
                              "[0, 10]"));
  STRATA_RETURN_IF_ERROR(
      Real("beta1", s.beta1, s.beta1 >= 0 && s.beta1 < 1, "[0, 1)"));
  STRATA_RETURN_IF_ERROR(
      Real("beta2", s.beta2, s.beta2 >= 0 && s.beta2 < 1, "[0, 1)"));
  STRATA_RETURN_IF_ERROR(Real("epsilon", s.epsilon,
                              s.epsilon > 0 && s.epsilon <= 1, "(0, 1]"));
  STRATA_RETURN_IF_ERROR(Real("clip_norm", s.clip_norm,
                              s.clip_norm > 0 && s.clip_norm <= 1e6,
                              "(0, 1e6]"));
  STRATA_RETURN_IF_ERROR(
      Real("dropout", s.dropout,
           s.dropout == -1 || (s.dropout >= 0 && s.dropout < 1),
           "[0, 1), or -1 for the model's own"));
  STRATA_RETURN_IF_ERROR(
      Real("ngram_weight", s.ngram_weight,
           s.ngram_weight == -1 || (s.ngram_weight >= 0 && s.ngram_weight <= 10),
           "[0, 10], or -1 for the default"));
  STRATA_RETURN_IF_ERROR(Real("block_weight", s.block_weight,
                              s.block_weight >= 0 && s.block_weight <= 10,
                              "[0, 10]"));
  STRATA_RETURN_IF_ERROR(Real("span_weight", s.span_weight,
                              s.span_weight >= 0 && s.span_weight <= 10,
                              "[0, 10]"));
  STRATA_RETURN_IF_ERROR(Real("eval_fraction", s.eval_fraction,
                              s.eval_fraction >= 0 && s.eval_fraction <= 0.5,
                              "[0, 0.5]"));
  return Real(
      "checkpoint_every_seconds", s.checkpoint_every_seconds,
      s.checkpoint_every_seconds > 0 && s.checkpoint_every_seconds <= 1e7,
      "(0, 1e7]");
}

absl::Status ValidateTokenizer(const TrainSpec& spec) {
  if (spec.tokenizer.empty()) {
    STRATA_RETURN_IF_ERROR(Whole("pieces", spec.pieces, 0, 0));
    if (spec.tokenizer_sha256.empty() || IsSha256Hex(spec.tokenizer_sha256)) {
      return absl::OkStatus();
    }
    return Bad("tokenizer_sha256", "must be 64 hexadecimal digits, lower case");
  }
  if (!spec.tokenizer_sha256.empty()) {
    return Bad("tokenizer", "is to be trained, and a file is given; must be one of "
                            "the two");
  }
  const absl::Status status = CheckTokenizerTraining(spec.tokenizer, spec.pieces);
  if (status.ok()) return status;
  return absl::InvalidArgumentError(absl::StrCat("spec.", status.message()));
}

// The most rows of `sequence` that divide the batch and have no more items than
// its rows of kShortSequence.
int64_t RowsOfShortItems(int64_t batch, int64_t sequence) {
  int64_t rows = std::max<int64_t>(1, batch * kShortSequence / sequence);
  rows = std::min(rows, batch);
  while (batch % rows != 0) --rows;
  return rows;
}

}  // namespace

absl::Status ValidateTrainSpec(const TrainSpec& spec) {
  if (!spec.config.empty() && !spec.base.empty()) {
    return Bad("config", "is given, and so is spec.base; must be one of the two");
  }
  const auto config_bytes = static_cast<int64_t>(spec.config.size());
  if (config_bytes > kMaxConfigBytes) {
    return Bad("config", absl::StrCat("has ", config_bytes, " bytes; at most ",
                                      kMaxConfigBytes, " are allowed"));
  }
  if (spec.config.empty() && (spec.base.empty() || spec.base.size() > 256)) {
    return Bad("base", "must be a preset or NAME[@VERSION], 1 to 256 bytes; or "
                       "spec.config must be there");
  }
  if (!IsSha256Hex(spec.dataset_sha256)) {
    return Bad("dataset_sha256", "must be 64 hexadecimal digits, lower case");
  }
  const absl::Status name = ValidateModelName(spec.model);
  if (!name.ok()) return Bad("model", name.message());
  STRATA_RETURN_IF_ERROR(ValidateTokenizer(spec));
  STRATA_RETURN_IF_ERROR(ValidateDatastore(spec));
  STRATA_RETURN_IF_ERROR(ValidateSizes(spec));
  return ValidateOptimizer(spec);
}

absl::Status CheckSequence(const TrainSpec& spec, const ModelConfig& config) {
  const int64_t top = DocumentAlignment(config);
  if (spec.sequence % top == 0 && spec.sequence <= config.max_context) {
    return absl::OkStatus();
  }
  return Bad("sequence",
             absl::StrCat("is ", spec.sequence, "; must be a multiple of ", top,
                          " and at most ", config.max_context, " for ",
                          BaseName(spec)));
}

absl::Status CheckLossWeights(const TrainSpec& spec, const ModelConfig& config) {
  if (spec.ngram_weight > 0 && config.ngram_heads == 0) {
    return Bad("ngram_weight",
               absl::StrCat("is ", spec.ngram_weight, "; must be 0 for ",
                            BaseName(spec), ", which has no n-gram heads"));
  }
  if (spec.block_weight > 0 && config.levels.size() < 2) {
    return Bad("block_weight",
               absl::StrCat("is ", spec.block_weight, "; must be 0 for ",
                            BaseName(spec), ", which has one level"));
  }
  const bool spans = std::any_of(
      config.levels.begin(), config.levels.end(),
      [](const LevelConfig& level) { return level.position->adaptive; });
  if (spec.span_weight != kSpanWeight && !spans) {
    return Bad("span_weight",
               absl::StrCat("is ", spec.span_weight, "; must be left out for ",
                            BaseName(spec), ", no head of which learns its span"));
  }
  return absl::OkStatus();
}

int64_t SequenceForData(int64_t fitting_items, int64_t block_bytes,
                        int64_t max_context) {
  const int64_t items =
      std::clamp(fitting_items, kShortSequence, kLongestAutoSequence);
  const int64_t most = std::min(items, max_context);
  return std::max(most / block_bytes, int64_t{1}) * block_bytes;
}

TrainSpec ResolveTrainSpec(TrainSpec spec, int default_threads,
                           double config_dropout, int64_t sequence,
                           int ngram_heads) {
  if (spec.sequence == 0) {
    spec.sequence = sequence;
    if (spec.micro_batch == 0) {
      spec.micro_batch = RowsOfShortItems(spec.batch, sequence);
    }
  }
  if (spec.micro_batch == 0) spec.micro_batch = spec.batch;
  if (spec.warmup_steps < 0) {
    spec.warmup_steps = std::min<int64_t>(100, spec.steps * 3 / 100);
  }
  if (spec.dropout < 0) spec.dropout = config_dropout;
  if (spec.ngram_weight < 0) {
    spec.ngram_weight = ngram_heads > 0 ? kNgramWeight : 0;
  }
  if (spec.eval_every_steps == 0) {
    spec.eval_every_steps = std::max<int64_t>(10, spec.steps / 10);
  }
  if (spec.threads == 0) spec.threads = default_threads;
  return spec;
}

}  // namespace strata
