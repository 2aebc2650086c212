#include "server/jobs/submission.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "model/base/status_macros.h"
#include "model/chat_template.h"
#include "model/document_config.h"
#include "model/model_config.h"
#include "model/presets.h"
#include "model/tokenizer.h"
#include "model/version_dir.h"
#include "server/engine/error_reason.h"

namespace strata {
namespace {

absl::Status AboutField(absl::string_view field, const absl::Status& status) {
  if (status.ok()) return status;
  absl::Status out(status.code(), absl::StrCat(field, ": ", status.message()));
  const std::string reason = ReasonOf(status);
  return reason.empty() ? out : WithReason(out, reason);
}

bool IsNumber(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](char c) { return absl::ascii_isdigit(c); });
}

absl::StatusOr<std::string> VersionOf(const ModelInfo& model,
                                      absl::string_view reference) {
  if (IsNumber(reference)) return std::string(reference);
  const auto it = model.aliases.find(std::string(reference));
  if (it != model.aliases.end()) return it->second;
  return absl::NotFoundError(absl::StrCat("model ", model.name,
                                          " has no version or alias \"",
                                          reference, "\""));
}

// A model that answers in turns cannot go on with plain text; the trainer holds
// the same rule, this says it before the job exists.
absl::Status CheckTemplate(const std::string& dir, TemplateKind data) {
  const auto json = ReadFile(dir + "/template.json");
  if (!json.ok()) return AboutField("spec.base", json.status());
  STRATA_ASSIGN_OR_RETURN(const TemplateKind base, ParseTemplateJson(*json));
  if (base == TemplateKind::kText || data != TemplateKind::kText) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "spec.dataset: is text, but the base answers in the ",
      TemplateKindName(base), " template; must be completion or chat data"));
}

// config.json of a base that is a model; of a preset of a classifier what its
// config would be.
absl::StatusOr<std::string> ConfigJson(const BaseModel& base) {
  if (!base.dir.empty()) {
    auto json = ReadFile(base.dir + "/config.json");
    if (!json.ok()) return AboutField("spec.base", json.status());
    return json;
  }
  const auto document = DocumentPreset(base.pinned);
  if (document.ok()) return DocumentConfigToJson(*document);
  STRATA_ASSIGN_OR_RETURN(const ModelConfig config, PresetConfig(base.pinned));
  return ModelConfigToJson(config);
}

// What a request that does not say gets from its base and its data.
struct Defaults {
  double dropout = 0;
  int64_t sequence = kShortSequence;
  int ngram_heads = 0;
};

// Only new weights get a tokeniser, and a model that generates.
absl::Status CheckTokenizer(const TrainSpec& request, const BaseModel& base,
                            const DatasetStore& datasets) {
  if (!HasTokenizer(request)) return absl::OkStatus();
  if (!base.dir.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "spec.tokenizer: is given, but ", base.pinned, " has the one that it was "
        "trained with; only new weights (a preset or a config) can get another"));
  }
  if (request.tokenizer_sha256.empty()) return absl::OkStatus();
  return AboutField("spec.tokenizer",
                    datasets.GetTokenizer(request.tokenizer_sha256).status());
}

// The vocabulary of a config is that of its tokeniser.
absl::Status CheckVocab(const TrainSpec& request, const BaseModel& base,
                        const ModelConfig& config) {
  if (!base.dir.empty() || HasTokenizer(request) || config.vocab == kVocab) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "spec.config: vocab: is ", config.vocab, "; must be ", kVocab,
      " where spec.tokenizer is absent"));
}

// The three below: the defaults of a base that fits the request.
absl::StatusOr<Defaults> CheckDocumentBase(const TrainSpec& request,
                                         const std::string& json,
                                         const DatasetReport& data) {
  if (data.kind != TemplateKind::kLabel) {
    return absl::InvalidArgumentError(absl::StrCat(
        "spec.dataset: is ", TemplateKindName(data.kind),
        " data, but the base classifies; must be texts with labels"));
  }
  if (HasTokenizer(request)) {
    return absl::InvalidArgumentError(
        "spec.tokenizer: must be absent for a classifier, whose vectors are those of "
        "bytes and of hashed runs of them");
  }
  if (request.span_weight != kSpanWeight) {
    return absl::InvalidArgumentError(
        absl::StrCat("spec.span_weight: is ", request.span_weight,
                     "; must be left out for a classifier"));
  }
  for (const auto& [name, weight] :
       {std::pair("ngram_weight", request.ngram_weight),
        std::pair("block_weight", request.block_weight)}) {
    if (weight <= 0) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "spec.", name, ": is ", weight, "; must be 0 for a classifier"));
  }
  STRATA_ASSIGN_OR_RETURN(const DocumentConfig config,
                          ParseDocumentConfig(json));
  if (!config.labels.empty()) {
    STRATA_RETURN_IF_ERROR(
        AboutField("spec.dataset", CheckKnownLabels(config, data.labels)));
  }
  return Defaults{.dropout = config.dropout};
}

absl::StatusOr<Defaults> CheckLanguageBase(const TrainSpec& request,
                                           const BaseModel& base,
                                           const std::string& json,
                                           const DatasetReport& data) {
  if (data.kind == TemplateKind::kLabel) {
    return absl::InvalidArgumentError(
        "spec.base: generates, but the dataset is texts with labels, which the "
        "preset document or a model made from it learns");
  }
  if (!base.dir.empty()) {
    STRATA_RETURN_IF_ERROR(CheckTemplate(base.dir, data.kind));
  }
  STRATA_ASSIGN_OR_RETURN(const ModelConfig config, ParseModelConfig(json));
  STRATA_RETURN_IF_ERROR(CheckVocab(request, base, config));
  const int64_t sequence = SequenceForData(
      data.fitting_items, DocumentAlignment(config), config.max_context);
  // A context that holds no block has none that suits it.
  TrainSpec filled = request;
  if (filled.sequence == 0) filled.sequence = sequence;
  STRATA_RETURN_IF_ERROR(CheckSequence(filled, config));
  STRATA_RETURN_IF_ERROR(CheckLossWeights(request, config));
  return Defaults{config.dropout, sequence, config.ngram_heads};
}

// Of a job that builds a datastore: its base is there, and generates; its data is of
// the base's kind; and a server like this one could hold what comes out.
absl::Status CheckDatastore(const TrainSpec& request, const BaseModel& base,
                            const DatasetReport& data, int64_t memory) {
  if (!BuildsDatastore(request)) return absl::OkStatus();
  if (base.dir.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "spec.base: is ", BaseName(request),
        "; must be NAME[@VERSION] of a served model, whose datastore it is to be"));
  }
  STRATA_ASSIGN_OR_RETURN(const std::string json, ConfigJson(base));
  if (IsDocumentConfig(json)) {
    return absl::InvalidArgumentError(
        "spec.base: classifies; a datastore is of a model that generates");
  }
  STRATA_ASSIGN_OR_RETURN(const ModelConfig config, ParseModelConfig(json));
  const auto text = ReadFile(base.dir + "/template.json");
  if (!text.ok()) return AboutField("spec.base", text.status());
  STRATA_ASSIGN_OR_RETURN(const TemplateKind kind, ParseTemplateJson(*text));
  STRATA_RETURN_IF_ERROR(CheckDatastoreData(kind, data.kind));
  const int64_t bytes = DatastoreBytes(request.datastore.entries, config);
  if (bytes <= memory) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "spec.datastore.entries: is ", request.datastore.entries, ", which takes up to ",
      bytes, " bytes of memory with ", base.pinned,
      "; the server's --datastore-memory allows ", memory));
}

// A config of the caller's own: it may leak, be blind, or be no config at all.
absl::Status CheckConfig(const std::string& json) {
  if (IsDocumentConfig(json)) {
    STRATA_ASSIGN_OR_RETURN(const DocumentConfig config, ParseDocumentConfig(json));
    return ValidateDocumentConfig(config, /*labelled=*/false);
  }
  STRATA_ASSIGN_OR_RETURN(ModelConfig config, ParseModelConfig(json));
  // Of a tokeniser to come nothing is known yet.
  if (config.vocab >= kVocab) AdoptTokenizer(*ByteTokenizer(), &config);
  return ValidateModelConfig(config);
}

absl::StatusOr<Defaults> CheckBase(const TrainSpec& request,
                                   const BaseModel& base,
                                   const DatasetReport& data) {
  if (!request.config.empty()) {
    STRATA_RETURN_IF_ERROR(
        AboutField("spec.config", CheckConfig(request.config)));
  }
  std::string json = request.config;
  if (json.empty()) {
    STRATA_ASSIGN_OR_RETURN(json, ConfigJson(base));
  }
  return IsDocumentConfig(json)
             ? CheckDocumentBase(request, json, data)
             : CheckLanguageBase(request, base, json, data);
}

}  // namespace

absl::StatusOr<BaseModel> FindBase(const TrainSpec& spec,
                                   const ModelRegistry& registry) {
  if (!spec.config.empty()) return BaseModel();
  const absl::string_view base = spec.base;
  if (IsPresetName(base)) return BaseModel{std::string(base), ""};
  const size_t at = base.find('@');
  const absl::string_view name = base.substr(0, at);
  const absl::string_view reference =
      at == absl::string_view::npos ? kLiveAlias : base.substr(at + 1);
  auto model = registry.Get(name);
  if (absl::IsNotFound(model.status())) {
    return absl::NotFoundError(
        absl::StrCat("spec.base: no model \"", name, "\", and no preset; presets are ",
                     absl::StrJoin(PresetNames(), ", "), ", ",
                     kDocumentArchitecture));
  }
  if (!model.ok()) return AboutField("spec.base", model.status());
  auto version = VersionOf(*model, reference);
  if (!version.ok()) return AboutField("spec.base", version.status());
  BaseModel found;
  found.pinned = absl::StrCat(name, "@", *version);
  auto dir = registry.VersionDir(found.pinned);
  if (!dir.ok()) return AboutField("spec.base", dir.status());
  found.dir = *std::move(dir);
  return found;
}

absl::StatusOr<TrainSpec> CheckSubmission(const TrainSpec& request,
                                          int default_threads,
                                          const DatasetStore& datasets,
                                          const ModelRegistry& registry,
                                          int64_t datastore_memory) {
  STRATA_RETURN_IF_ERROR(ValidateTrainSpec(request));
  STRATA_ASSIGN_OR_RETURN(const BaseModel base,
                          FindBase(request, registry));
  auto dataset = datasets.Get(request.dataset_sha256);
  if (!dataset.ok()) return AboutField("spec.dataset", dataset.status());
  STRATA_RETURN_IF_ERROR(CheckTokenizer(request, base, datasets));
  STRATA_RETURN_IF_ERROR(
      CheckDatastore(request, base, dataset->report, datastore_memory));
  STRATA_ASSIGN_OR_RETURN(const Defaults defaults,
                          CheckBase(request, base, dataset->report));
  TrainSpec spec = ResolveTrainSpec(request, default_threads, defaults.dropout,
                                    defaults.sequence, defaults.ngram_heads);
  spec.base = base.pinned;
  STRATA_RETURN_IF_ERROR(ValidateTrainSpec(spec));
  return spec;
}

}  // namespace strata
