#include <nlohmann/json.hpp>

#include "model/base/status_macros.h"
#include "model/json_object.h"
#include "model/train_spec.h"

namespace strata {
namespace {


// The one list of members, in the order of the text; reading and writing both
// walk it, so that they cannot drift apart.
template <typename Spec, typename Visitor>
void VisitFields(Spec& spec, Visitor&& visit) {
  visit("base", spec.base);
  visit("config", spec.config);
  visit("dataset_sha256", spec.dataset_sha256);
  visit("model", spec.model);
  visit("tokenizer", spec.tokenizer);
  visit("pieces", spec.pieces);
  visit("tokenizer_sha256", spec.tokenizer_sha256);
  visit("datastore_entries", spec.datastore.entries);
  visit("datastore_neighbours", spec.datastore.neighbours);
  visit("datastore_index", spec.datastore.index);
  visit("steps", spec.steps);
  visit("batch", spec.batch);
  visit("micro_batch", spec.micro_batch);
  visit("sequence", spec.sequence);
  visit("learning_rate", spec.learning_rate);
  visit("warmup_steps", spec.warmup_steps);
  visit("min_lr_ratio", spec.min_lr_ratio);
  visit("weight_decay", spec.weight_decay);
  visit("beta1", spec.beta1);
  visit("beta2", spec.beta2);
  visit("epsilon", spec.epsilon);
  visit("clip_norm", spec.clip_norm);
  visit("dropout", spec.dropout);
  visit("ngram_weight", spec.ngram_weight);
  visit("block_weight", spec.block_weight);
  visit("span_weight", spec.span_weight);
  visit("bf16", spec.bf16);
  visit("seed", spec.seed);
  visit("eval_fraction", spec.eval_fraction);
  visit("eval_every_steps", spec.eval_every_steps);
  visit("eval_max_items", spec.eval_max_items);
  visit("checkpoint_every_steps", spec.checkpoint_every_steps);
  visit("checkpoint_every_seconds", spec.checkpoint_every_seconds);
  visit("keep_checkpoints", spec.keep_checkpoints);
  visit("threads", spec.threads);
}

// Specs that were stored before there was such a field lack it, and their text, with
// its hash, must stay what it was.
bool LeftOut(absl::string_view name, const TrainSpec& spec) {
  return (name == "config" && spec.config.empty()) ||
         (name == "tokenizer" && spec.tokenizer.empty()) ||
         (name == "pieces" && spec.pieces == 0) ||
         (name == "tokenizer_sha256" && spec.tokenizer_sha256.empty()) ||
         (name == "datastore_entries" && spec.datastore.entries == 0) ||
         (name == "datastore_neighbours" && spec.datastore.neighbours == 0) ||
         (name == "datastore_index" && spec.datastore.index.empty()) ||
         (name == "ngram_weight" && spec.ngram_weight == 0) ||
         (name == "block_weight" && spec.block_weight == 0) ||
         (name == "span_weight" && spec.span_weight == kSpanWeight) ||
         (name == "bf16" && !spec.bf16);
}

}  // namespace

std::string TrainSpecToJson(const TrainSpec& spec) {
  using Json = nlohmann::ordered_json;
  Json json;
  VisitFields(spec, [&](const char* name, const auto& value) {
    if (LeftOut(name, spec)) return;
    json[name] = value;  // doubles print as the shortest text that reads back
  });
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

absl::StatusOr<TrainSpec> ParseTrainSpec(absl::string_view json) {
  STRATA_ASSIGN_OR_RETURN(JsonObject object, JsonObject::Parse(json, "spec"));
  TrainSpec spec;
  spec.ngram_weight = 0;
  VisitFields(spec, [&](const char* name, auto& value) {
    if (LeftOut(name, spec) && !object.Has(name)) return;
    object.Get(name, &value);
  });
  STRATA_RETURN_IF_ERROR(object.Finish());
  return spec;
}

}  // namespace strata
