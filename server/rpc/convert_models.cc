#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/rpc/convert.h"
#include "server/rpc/status.h"

namespace strata {
namespace {

v1::VersionState ToProto(VersionState state) {
  switch (state) {
    case VersionState::kUnloaded: return v1::UNLOADED;
    case VersionState::kLoading: return v1::LOADING;
    case VersionState::kReady: return v1::READY;
    case VersionState::kBroken: return v1::BROKEN;
  }
  return v1::VERSION_STATE_UNSPECIFIED;
}

// A classifier keeps no state between calls; its context is one text.
void FillClassifier(const Classifier& classifier, v1::ModelVersion* out) {
  const DocumentConfig& config = classifier.config();
  out->set_parameters(ParameterCount(config));
  out->set_weight_bytes(classifier.weight_bytes());
  out->set_max_context(config.max_text_bytes);
  out->set_executor(classifier.executor());
  out->set_architecture(kDocumentArchitecture);
}

void FillDatastore(const Neighbours& neighbours, v1::Datastore* out) {
  out->set_entries(neighbours.entries());
  out->set_bytes(neighbours.bytes());
  out->set_index(std::string(neighbours.kind()));
  out->set_max_neighbours(neighbours.max_k());
  const NeighbourParams& best = neighbours.defaults();
  out->set_weight(best.weight);
  out->set_neighbours(best.k);
  out->set_temperature(best.temperature);
}

void FillServed(const ServedVersion& served, v1::ModelVersion* out) {
  out->set_template_(std::string(TemplateKindName(served.template_kind)));
  if (served.classifier != nullptr) {
    return FillClassifier(*served.classifier, out);
  }
  const ModelConfig& config = served.weights->config();
  out->set_parameters(ParameterCount(config));
  out->set_weight_bytes(served.bytes());
  out->set_max_context(config.max_context);
  out->set_executor(served.weights->executor());
  out->set_architecture(config.architecture);
  out->set_tokenizer(std::string(served.tokenizer->kind()));
  out->set_vocabulary(config.vocab);
  out->set_max_state_bytes(served.weights->StateBytes(config.max_context));
  if (served.neighbours != nullptr) {
    FillDatastore(*served.neighbours, out->mutable_datastore());
  }
}

}  // namespace

v1::Model ToProto(const ModelInfo& info) {
  v1::Model out;
  out.set_name(info.name);
  for (const VersionInfo& version : info.versions) {
    v1::ModelVersion* to = out.add_versions();
    to->set_version(version.version);
    to->set_state(ToProto(version.state));
    to->set_error(version.error);
    if (!version.job.empty()) to->set_job(absl::StrCat("jobs/", version.job));
    if (version.served != nullptr) FillServed(*version.served, to);
  }
  for (const auto& [alias, version] : info.aliases) {
    (*out.mutable_aliases())[alias] = version;
  }
  return out;
}

absl::Status ValidateVersionName(absl::string_view name) {
  const size_t at = name.find('@');
  if (at == absl::string_view::npos || at == 0 || at + 1 == name.size()) {
    return FieldError("name", absl::StrCat("name is \"", name,
                                           "\"; must be NAME@VERSION"));
  }
  return absl::OkStatus();
}

absl::Status ValidateAlias(absl::string_view alias) {
  bool ok = !alias.empty() && alias.size() <= 63 && alias[0] >= 'a' && alias[0] <= 'z';
  for (const char c : alias) {
    ok = ok && ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-');
  }
  if (ok) return absl::OkStatus();
  return FieldError("alias", absl::StrCat("alias is \"", alias,
                                          "\"; must match [a-z][a-z0-9-]{0,62}"));
}

absl::StatusOr<int> PageSize(int32_t requested) {
  if (requested < 0) {
    return FieldError("page_size", absl::StrFormat(
        "page_size is %d; must not be negative", requested));
  }
  return requested == 0 ? 50 : std::min(requested, 1000);
}

}  // namespace strata
