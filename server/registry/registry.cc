#include "server/registry/registry.h"

#include <filesystem>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/base/log.h"
#include "model/base/status_macros.h"
#include "model/version_dir.h"
#include "server/registry/repository.h"

namespace strata {
namespace {

absl::Status NoModel(absl::string_view name) {
  return absl::NotFoundError(absl::StrCat("no model \"", name, "\""));
}

absl::string_view ModelOf(absl::string_view name) {
  return name.substr(0, name.find('@'));
}

}  // namespace

ModelRegistry::ModelRegistry(std::string root, ModelLoader loader,
                             ClassifierLoader classifier_loader,
                             NeighboursLoader neighbours_loader)
    : root_(std::move(root)),
      loader_(std::move(loader)),
      classifier_loader_(std::move(classifier_loader)),
      neighbours_loader_(std::move(neighbours_loader)) {}

ModelRegistry::~ModelRegistry() = default;

int64_t ServedVersion::bytes() const {
  if (classifier != nullptr) return classifier->weight_bytes();
  return weights->weight_bytes() + (neighbours == nullptr ? 0 : neighbours->bytes());
}

void ModelRegistry::SetListener(std::function<void()> listener) {
  MutexLock lock(&mu_);
  listener_ = std::move(listener);
}

void ModelRegistry::NotifyListener() {
  std::function<void()> listener;
  {
    MutexLock lock(&mu_);
    listener = listener_;
  }
  if (listener) listener();
}

std::string ModelRegistry::ModelDir(absl::string_view model) const {
  return absl::StrCat(root_, "/", model);
}

std::string ModelRegistry::DirOf(const Place& place) const {
  return absl::StrCat(ModelDir(place.model), "/", place.version);
}

absl::Status ModelRegistry::LoadAll(const std::function<bool()>& stop) {
  std::error_code error;
  std::filesystem::create_directories(root_, error);
  {
    MutexLock lock(&mu_);
    scanning_ = true;
  }
  const auto models = ListModelDirs(root_);
  if (models.ok()) {
    MutexLock disk(&disk_mu_);  // what somebody writes now is not swept away
    RemoveTemporaries(root_);
    for (const std::string& model : *models) {
      RemoveTemporaries(ModelDir(model));
      Rescan(model);
    }
  }
  const std::vector<Place> marked = MarkAliased();
  STRATA_RETURN_IF_ERROR(models.status());
  NotifyListener();
  for (const Place& place : marked) {
    if (stop != nullptr && stop()) {
      MutexLock lock(&mu_);
      VersionAt(place)->state = VersionState::kUnloaded;
      loaded_.SignalAll();
      continue;
    }
    LoadMarked(place).IgnoreError();  // reported as kBroken
  }
  return absl::OkStatus();
}

// All are marked before the first is loaded: a known model is never NOT_FOUND.
std::vector<ModelRegistry::Place> ModelRegistry::MarkAliased() {
  std::vector<Place> live, others;
  MutexLock lock(&mu_);
  scanning_ = false;
  for (auto& [name, model] : models_) {
    for (const auto& [alias, number] : model.aliases) {
      const std::optional<int64_t> parsed = ParseVersionNumber(number);
      const auto version = model.versions.find(parsed.value_or(0));
      if (version == model.versions.end()) continue;
      if (version->second.state == VersionState::kUnloaded) {
        version->second.state = VersionState::kLoading;
        (alias == kLiveAlias ? live : others).push_back({name, *parsed});
      }
    }
  }
  live.insert(live.end(), others.begin(), others.end());
  return live;
}

void ModelRegistry::Rescan(const std::string& model) {
  const std::vector<VersionOnDisk> found = ListVersions(ModelDir(model));
  if (found.empty()) return;
  const absl::StatusOr<AliasFile> file = ReadAliases(ModelDir(model), found);
  MutexLock lock(&mu_);
  const auto [it, fresh] = models_.try_emplace(model);
  for (const VersionOnDisk& disk : found) {
    Version& version = it->second.versions[disk.number];
    if (version.state == VersionState::kReady ||
        version.state == VersionState::kLoading) {
      continue;
    }
    version.job = disk.job;
    version.error = Unshared(disk.status);
    version.state =
        disk.status.ok() ? VersionState::kUnloaded : VersionState::kBroken;
  }
  if (!fresh) return;  // aliases in memory are newer than what was read
  if (file.ok()) {
    it->second.aliases = file->aliases;
    it->second.live_chosen_from = file->live_chosen_from;
  }
  it->second.alias_error = Unshared(file.status());
}

absl::StatusOr<ModelRegistry::Place> ModelRegistry::Find(
    absl::string_view name) const {
  const std::string model_name(ModelOf(name));
  const auto model = models_.find(model_name);
  if (model == models_.end()) {
    if (scanning_) return absl::UnavailableError("models are being loaded");
    return NoModel(model_name);
  }
  const bool plain = name.size() == model_name.size();
  std::string selector =
      plain ? kLiveAlias : std::string(name.substr(model_name.size() + 1));
  const auto alias = model->second.aliases.find(selector);
  if (alias != model->second.aliases.end()) {
    selector = alias->second;
  } else if (plain) {
    const absl::Status& why = model->second.alias_error;
    return absl::FailedPreconditionError(absl::StrCat(
        "model \"", model_name, "\" has no live version",
        why.ok() ? "; set its alias \"live\"" : ": ", why.message()));
  }
  const std::optional<int64_t> version = ParseVersionNumber(selector);
  if (!version.has_value() || model->second.versions.count(*version) == 0) {
    return absl::NotFoundError(absl::StrCat("model \"", model_name,
                                            "\" has no version or alias \"",
                                            selector, "\""));
  }
  return Place{model_name, *version};
}

absl::StatusOr<std::shared_ptr<const ServedVersion>> ModelRegistry::Resolve(
    absl::string_view name) const {
  MutexLock lock(&mu_);
  STRATA_ASSIGN_OR_RETURN(const Place place, Find(name));
  const Version& version = models_.at(place.model).versions.at(place.version);
  const std::string full = absl::StrCat(place.model, "@", place.version);
  switch (version.state) {
    case VersionState::kReady:
      return version.served;
    case VersionState::kLoading:
      return absl::UnavailableError(
          absl::StrCat("model \"", full, "\" is being loaded"));
    case VersionState::kUnloaded:
      return absl::FailedPreconditionError(
          absl::StrCat("model \"", full, "\" is not loaded"));
    case VersionState::kBroken:
      break;
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "model \"", full, "\" cannot be loaded: ", version.error.message()));
}

std::vector<ModelInfo> ModelRegistry::List() const {
  MutexLock lock(&mu_);
  std::vector<ModelInfo> infos;
  for (const auto& [name, model] : models_) {
    ModelInfo info{name, {}, model.aliases};
    for (const auto& [number, version] : model.versions) {
      info.versions.push_back({absl::StrCat(number), version.state,
                               std::string(version.error.message()),
                               version.job, version.served});
    }
    infos.push_back(std::move(info));
  }
  return infos;
}

absl::StatusOr<ModelInfo> ModelRegistry::Get(absl::string_view name) const {
  for (ModelInfo& info : List()) {
    if (info.name == name) return std::move(info);
  }
  return NoModel(name);
}

absl::StatusOr<std::string> ModelRegistry::VersionDir(
    absl::string_view name) const {
  MutexLock lock(&mu_);
  STRATA_ASSIGN_OR_RETURN(const Place place, Find(name));
  return DirOf(place);
}

}  // namespace strata
