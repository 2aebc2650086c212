#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "model/base/status_macros.h"
#include "model/tokenizer_training.h"
#include "server/jobs/event_payload.h"
#include "server/rpc/convert.h"
#include "server/rpc/status.h"

namespace strata {
namespace {

using nlohmann::json;

constexpr char kDatasetPrefix[] = "datasets/";
constexpr char kTokenizerPrefix[] = "tokenizers/";
constexpr char kJobPrefix[] = "jobs/";

std::string Text(const json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}

v1::TrainProgress ToProto(const TrainProgress& in) {
  v1::TrainProgress out;
  out.set_step(in.step);
  out.set_total_steps(in.total_steps);
  out.set_loss(in.loss);
  out.set_bits_per_byte(in.bits_per_byte);
  out.set_learning_rate(in.learning_rate);
  out.set_grad_norm(in.grad_norm);
  out.set_tokens_per_second(in.items_per_second);
  out.set_tokens_total(in.items_total);
  out.set_skipped_steps(in.skipped_steps);
  out.set_padding_fraction(in.padding_fraction);
  out.set_eta_seconds(in.eta_seconds);
  return out;
}

v1::EvalResult ToProto(const TrainEval& in) {
  v1::EvalResult out;
  out.set_step(in.step);
  out.set_loss(in.loss);
  out.set_bits_per_byte(in.bits_per_byte);
  out.set_tokens(in.items);
  if (in.accuracy.has_value()) out.set_accuracy(*in.accuracy);
  if (in.macro_f1.has_value()) out.set_macro_f1(*in.macro_f1);
  for (const double loss : in.ngram_losses) out.add_ngram_losses(loss);
  return out;
}

// A payload that cannot be read is left out: the event's own text remains.
void SetPayload(const JobEvent& in, v1::JobEvent* out) {
  if (in.type == kEventMetrics) {
    const auto progress = ParseProgress(in.payload_json);
    if (progress.ok()) *out->mutable_progress() = ToProto(*progress);
  } else if (in.type == kEventEval) {
    const auto eval = ParseEval(in.payload_json);
    if (eval.ok()) *out->mutable_eval() = ToProto(*eval);
  } else if (in.type == kEventCheckpoint) {
    const auto checkpoint = ParseCheckpoint(in.payload_json);
    if (!checkpoint.ok()) return;
    out->mutable_checkpoint()->set_step(checkpoint->step);
    out->mutable_checkpoint()->set_bytes(checkpoint->bytes);
  } else if (in.type != kEventStarted) {
    const json payload = json::parse(in.payload_json, nullptr, false);
    if (!payload.is_object()) return;
    if (payload.contains("published")) out->set_published(Text(payload, "published"));
    if (!payload.contains("code")) return;
    out->mutable_error()->set_code(Text(payload, "code"));
    out->mutable_error()->set_message(Text(payload, "message"));
  }
}

// Fields whose absent value is a sentinel: a sentinel sent is an error.
absl::Status AtLeast(absl::string_view field, bool present, double value, double low) {
  if (!present || value >= low) return absl::OkStatus();
  const std::string path = absl::StrCat("spec.", field);
  return FieldError(path, absl::StrFormat("%s is %g; must be at least %g", path, value, low));
}

absl::Status CheckSentinels(const v1::TrainSpec& in) {
  absl::Status status;
  status.Update(AtLeast("steps", !in.has_datastore(), in.steps(), 1));
  status.Update(AtLeast("micro_batch", in.has_micro_batch(), in.micro_batch(), 1));
  status.Update(AtLeast("sequence", in.has_sequence(), in.sequence(), 2));
  status.Update(AtLeast("warmup_steps", in.has_warmup_steps(), in.warmup_steps(), 0));
  status.Update(AtLeast("dropout", in.has_dropout(), in.dropout(), 0));
  status.Update(AtLeast("ngram_weight", in.has_ngram_weight(), in.ngram_weight(), 0));
  status.Update(AtLeast("eval_every_steps", in.has_eval_every_steps(), in.eval_every_steps(), 1));
  status.Update(AtLeast("threads", in.has_threads(), in.threads(), 1));
  return status;
}

absl::Status ReadTokenizer(const v1::TokenizerSpec& in, TrainSpec* out) {
  absl::string_view file = in.file();
  switch (in.source_case()) {
    case v1::TokenizerSpec::kTrain:
      out->tokenizer = in.train();
      out->pieces = in.has_pieces() ? in.pieces() : kDefaultPieces;
      if (!out->tokenizer.empty()) return absl::OkStatus();
      break;
    case v1::TokenizerSpec::kFile:
      if (in.has_pieces()) {
        return FieldError("spec.pieces", "spec.pieces must be absent where the "
                                         "tokeniser is a file");
      }
      if (!absl::ConsumePrefix(&file, kTokenizerPrefix) || file.size() != 64) {
        return FieldError("spec.tokenizer",
                          absl::StrCat("spec.tokenizer is \"", in.file(),
                                       "\"; must be tokenizers/SHA256"));
      }
      out->tokenizer_sha256 = std::string(file);
      return absl::OkStatus();
    case v1::TokenizerSpec::SOURCE_NOT_SET:
      break;
  }
  return FieldError("spec.tokenizer", "spec.tokenizer must be bpe or unigram, or name a "
                                      "file");
}

DatastoreSpec FromProto(const v1::DatastoreSpec& in) {
  DatastoreSpec out;
  out.entries = in.has_entries() ? in.entries() : kDefaultDatastoreEntries;
  out.neighbours = in.has_neighbours() ? in.neighbours() : kDefaultNeighbours;
  out.index = in.index().empty() ? kIndexAuto : in.index();
  return out;
}

void FillDatastore(const TrainSpec& in, v1::TrainSpec* out) {
  if (!BuildsDatastore(in)) return;
  v1::DatastoreSpec* datastore = out->mutable_datastore();
  datastore->set_entries(in.datastore.entries);
  datastore->set_neighbours(in.datastore.neighbours);
  datastore->set_index(in.datastore.index);
}

void FillTokenizer(const TrainSpec& in, v1::TrainSpec* out) {
  if (!HasTokenizer(in)) return;
  v1::TokenizerSpec* tokenizer = out->mutable_tokenizer();
  if (in.tokenizer.empty()) {
    tokenizer->set_file(absl::StrCat(kTokenizerPrefix, in.tokenizer_sha256));
    return;
  }
  tokenizer->set_train(in.tokenizer);
  tokenizer->set_pieces(static_cast<int32_t>(in.pieces));
}

}  // namespace

absl::StatusOr<TrainSpec> FromProto(const v1::TrainSpec& in) {
  TrainSpec out;
  const absl::Status status = CheckSentinels(in);
  if (!status.ok()) return status;
  absl::string_view dataset = in.dataset();
  if (!absl::ConsumePrefix(&dataset, kDatasetPrefix) || dataset.size() != 64) {
    return FieldError("spec.dataset", absl::StrCat(
        "spec.dataset is \"", in.dataset(), "\"; must be datasets/SHA256"));
  }
  out.base = in.base();
  out.config = in.config();
  out.dataset_sha256 = std::string(dataset);
  out.model = in.model();
  if (in.has_tokenizer()) {
    STRATA_RETURN_IF_ERROR(ReadTokenizer(in.tokenizer(), &out));
  }
  if (in.has_datastore()) out.datastore = FromProto(in.datastore());
  out.steps = in.steps();
  if (in.has_batch()) out.batch = in.batch();
  if (in.has_micro_batch()) out.micro_batch = in.micro_batch();
  if (in.has_sequence()) out.sequence = in.sequence();
  if (in.has_learning_rate()) out.learning_rate = in.learning_rate();
  if (in.has_warmup_steps()) out.warmup_steps = in.warmup_steps();
  if (in.has_min_learning_rate_ratio()) out.min_lr_ratio = in.min_learning_rate_ratio();
  if (in.has_weight_decay()) out.weight_decay = in.weight_decay();
  if (in.has_clip_norm()) out.clip_norm = in.clip_norm();
  if (in.has_dropout()) out.dropout = in.dropout();
  if (in.has_ngram_weight()) out.ngram_weight = in.ngram_weight();
  if (in.has_block_weight()) out.block_weight = in.block_weight();
  if (in.has_span_weight()) out.span_weight = in.span_weight();
  out.bf16 = in.bf16();
  if (in.has_seed()) out.seed = in.seed();
  if (in.has_eval_fraction()) out.eval_fraction = in.eval_fraction();
  if (in.has_eval_every_steps()) out.eval_every_steps = in.eval_every_steps();
  if (in.has_checkpoint_every_steps()) out.checkpoint_every_steps = in.checkpoint_every_steps();
  if (in.has_checkpoint_every_seconds()) {
    out.checkpoint_every_seconds = in.checkpoint_every_seconds();
  }
  if (in.has_threads()) out.threads = in.threads();
  return out;
}

v1::TrainSpec ToProto(const TrainSpec& in) {
  v1::TrainSpec out;
  out.set_base(in.base);
  out.set_config(in.config);
  out.set_dataset(absl::StrCat(kDatasetPrefix, in.dataset_sha256));
  out.set_model(in.model);
  FillTokenizer(in, &out);
  FillDatastore(in, &out);
  out.set_steps(in.steps);
  out.set_batch(in.batch);
  out.set_micro_batch(in.micro_batch);
  out.set_sequence(in.sequence);
  out.set_learning_rate(in.learning_rate);
  out.set_warmup_steps(in.warmup_steps);
  out.set_min_learning_rate_ratio(in.min_lr_ratio);
  out.set_weight_decay(in.weight_decay);
  out.set_clip_norm(in.clip_norm);
  out.set_dropout(in.dropout);
  out.set_ngram_weight(in.ngram_weight);
  out.set_block_weight(in.block_weight);
  out.set_span_weight(in.span_weight);
  out.set_bf16(in.bf16);
  out.set_seed(in.seed);
  out.set_eval_fraction(in.eval_fraction);
  out.set_eval_every_steps(in.eval_every_steps);
  out.set_checkpoint_every_steps(in.checkpoint_every_steps);
  out.set_checkpoint_every_seconds(in.checkpoint_every_seconds);
  out.set_threads(in.threads);
  return out;
}

v1::JobState ToProto(JobState state) {
  v1::JobState out = v1::JOB_STATE_UNSPECIFIED;
  v1::JobState_Parse(std::string(JobStateName(state)), &out);
  return out;
}

v1::Job ToProto(const JobRecord& in) {
  v1::Job out;
  out.set_name(absl::StrCat(kJobPrefix, in.id));
  out.set_state(ToProto(in.state));
  out.set_phase(in.phase);
  *out.mutable_spec() = ToProto(in.spec);
  out.set_idempotency_key(in.idempotency_key);
  out.set_attempt(in.attempt);
  *out.mutable_progress() = ToProto(in.progress);
  if (in.has_eval) *out.mutable_last_eval() = ToProto(in.last_eval);
  if (!in.error.code.empty()) {
    out.mutable_error()->set_code(in.error.code);
    out.mutable_error()->set_message(in.error.message);
  }
  out.set_published(in.published);
  out.set_create_time_ms(in.created_ms);
  out.set_start_time_ms(in.started_ms);
  out.set_finish_time_ms(in.finished_ms);
  out.set_last_sequence(in.last_sequence);
  return out;
}

v1::JobEvent ToProto(const JobEvent& in) {
  v1::JobEvent out;
  out.set_sequence(in.sequence);
  out.set_time_ms(in.time_ms);
  out.set_attempt(in.attempt);
  out.set_type(in.type);
  out.set_message(in.message);
  out.set_state(ToProto(in.state));
  SetPayload(in, &out);
  return out;
}

v1::Tokenizer ToProto(const StoredTokenizer& stored, const Tokenizer& tokenizer) {
  v1::Tokenizer out;
  out.set_name(absl::StrCat(kTokenizerPrefix, stored.sha256));
  out.set_kind(std::string(tokenizer.kind()));
  out.set_vocabulary(tokenizer.vocab());
  return out;
}

v1::Dataset ToProto(const StoredDataset& in) {
  v1::Dataset out;
  out.set_name(absl::StrCat(kDatasetPrefix, in.sha256));
  switch (in.report.kind) {
    case TemplateKind::kText: out.set_format(v1::DATASET_FORMAT_TEXT); break;
    case TemplateKind::kCompletion: out.set_format(v1::DATASET_FORMAT_COMPLETION); break;
    case TemplateKind::kChat: out.set_format(v1::DATASET_FORMAT_CHAT); break;
    case TemplateKind::kLabel: out.set_format(v1::DATASET_FORMAT_LABEL); break;
  }
  out.set_bytes(in.report.bytes);
  out.set_lines(in.report.lines);
  out.set_documents(in.report.documents);
  out.set_tokens(in.report.items);
  out.set_trained_tokens(in.report.trained_items);
  for (const std::string& label : in.report.labels) out.add_labels(label);
  return out;
}

absl::Status DatasetRefused(const absl::Status& status, const DatasetReport& report) {
  absl::Status out = status;
  for (const DatasetError& error : report.errors) {
    const std::string place =
        error.column > 0 ? absl::StrFormat("line %d, column %d", error.line, error.column)
                         : absl::StrFormat("line %d", error.line);
    AddFieldViolation("data", absl::StrCat(place, ": ", error.message), error.code, &out);
  }
  return out;
}

absl::Status ValidateIdempotencyKey(absl::string_view key) {
  bool printable = true;
  for (const char c : key) printable = printable && c >= 0x20 && c <= 0x7e;
  if (key.size() <= 128 && printable) return absl::OkStatus();
  return FieldError("idempotency_key",
                    "idempotency_key must be at most 128 bytes of printable ASCII");
}

absl::StatusOr<std::string> JobId(absl::string_view name) {
  absl::string_view id = name;
  if (!absl::ConsumePrefix(&id, kJobPrefix) || id.empty()) {
    return FieldError("name", absl::StrCat("name is \"", name, "\"; must be jobs/ID"));
  }
  return std::string(id);
}

}  // namespace strata
