// The changes that ModelRegistry makes: load, unload, alias, publish.
#include <algorithm>
#include <filesystem>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/base/log.h"
#include "model/base/status_macros.h"
#include "model/file_io.h"
#include "model/presets.h"
#include "model/version_dir.h"
#include "server/registry/registry.h"
#include "server/registry/repository.h"
#include "server/registry/smoke_test.h"

namespace strata {

absl::StatusOr<ModelRegistry::Opened> ModelRegistry::Open(
    const std::string& version_dir) const {
  Opened opened;
  STRATA_ASSIGN_OR_RETURN(opened.template_kind, ReadTemplate(version_dir));
  // What cannot be read is for the loader to report.
  const auto config = ReadFile(absl::StrCat(version_dir, "/config.json"));
  const bool classifies = config.ok() && IsDocumentConfig(*config);
  if (!classifies) {
    STRATA_ASSIGN_OR_RETURN(opened.weights, loader_(version_dir));
    STRATA_ASSIGN_OR_RETURN(
        opened.tokenizer,
        TokenizerOfVersion(version_dir, opened.weights->config()));
    if (neighbours_loader_ != nullptr) {
      STRATA_ASSIGN_OR_RETURN(
          opened.neighbours,
          neighbours_loader_(version_dir, opened.weights->config()));
    }
    return opened;
  }
  if (classifier_loader_ == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat(version_dir, ": this server serves no classifiers"));
  }
  STRATA_ASSIGN_OR_RETURN(opened.classifier, classifier_loader_(version_dir));
  return opened;
}

std::shared_ptr<const ServedVersion> ModelRegistry::MakeServed(
    const Place& place, const std::string& job, Opened opened) const {
  auto served = std::make_shared<ServedVersion>();
  served->model = place.model;
  served->version = absl::StrCat(place.version);
  served->job = job;
  served->template_kind = opened.template_kind;
  served->tokenizer = std::move(opened.tokenizer);
  served->weights = std::move(opened.weights);
  served->classifier = std::move(opened.classifier);
  served->neighbours = std::move(opened.neighbours);
  return served;
}

absl::Status ModelRegistry::Load(absl::string_view name) {
  for (;;) {
    STRATA_ASSIGN_OR_RETURN(const Place place, LoadPlace(name));
    MutexLock lock(&mu_);
    Version* version = VersionAt(place);
    if (version == nullptr || version->state != VersionState::kReady) continue;
    version->kept = true;
    return absl::OkStatus();
  }
}

absl::StatusOr<ModelRegistry::Place> ModelRegistry::LoadPlace(
    absl::string_view name) {
  const std::string model(name.substr(0, name.find('@')));
  Place place;
  {
    MutexLock lock(&mu_);
    const absl::StatusOr<Place> found = Find(name);
    if (found.ok()) place = *found;
  }
  if (place.version == 0) {
    // It may have been put there since the last scan.
    if (ValidateModelName(model).ok()) Rescan(model);
    MutexLock lock(&mu_);
    STRATA_ASSIGN_OR_RETURN(place, Find(name));
  }
  {
    MutexLock lock(&mu_);
    Version* version = VersionAt(place);
    bool waited = false;
    while (version != nullptr && version->state == VersionState::kLoading) {
      waited = true;
      loaded_.Wait(&mu_);
      version = VersionAt(place);
    }
    if (version == nullptr) return absl::NotFoundError("taken back meanwhile");
    if (version->state == VersionState::kReady) return place;
    // What the other caller's load came to is ours too.
    if (waited && !version->error.ok()) return Unshared(version->error);
    version->state = VersionState::kLoading;
  }
  NotifyListener();
  STRATA_RETURN_IF_ERROR(LoadMarked(place));
  return place;
}

ModelRegistry::Version* ModelRegistry::VersionAt(const Place& place) {
  const auto model = models_.find(place.model);
  if (model == models_.end()) return nullptr;
  const auto version = model->second.versions.find(place.version);
  return version == model->second.versions.end() ? nullptr : &version->second;
}

absl::Status ModelRegistry::LoadMarked(const Place& place) {
  absl::StatusOr<Opened> opened = Open(DirOf(place));
  const absl::Status status = opened.status();
  {
    MutexLock lock(&mu_);
    Version* version = VersionAt(place);
    if (version != nullptr && version->state == VersionState::kLoading) {
      version->error = Unshared(status);
      if (status.ok()) {
        version->served = MakeServed(place, version->job, *std::move(opened));
      }
      version->state =
          status.ok() ? VersionState::kReady : VersionState::kBroken;
    }
    loaded_.SignalAll();
  }
  Log(status.ok() ? Severity::kInfo : Severity::kError,
      status.ok() ? "model loaded" : "model cannot be loaded",
      {{"model", absl::StrCat(place.model, "@", place.version)},
       {"status", status.ToString()}});
  NotifyListener();
  return status;
}

absl::Status ModelRegistry::Unload(absl::string_view name) {
  std::shared_ptr<const ServedVersion> released;  // freed outside the locks
  {
    MutexLock disk(&disk_mu_);  // no alias moves meanwhile
    MutexLock lock(&mu_);
    STRATA_ASSIGN_OR_RETURN(const Place place, Find(name));
    const Model& model = models_.at(place.model);
    const auto live = model.aliases.find(kLiveAlias);
    if (live != model.aliases.end() &&
        live->second == absl::StrCat(place.version)) {
      return absl::FailedPreconditionError(
          absl::StrCat("version ", place.version, " of model \"", place.model,
                       "\" is live; move the alias first"));
    }
    Version& version = models_.at(place.model).versions.at(place.version);
    if (version.state == VersionState::kLoading) {
      return absl::FailedPreconditionError(
          absl::StrCat("model \"", name, "\" is being loaded"));
    }
    if (version.state != VersionState::kReady) return absl::OkStatus();
    released = std::move(version.served);
    version.state = VersionState::kUnloaded;
    version.kept = false;
  }
  released.reset();
  NotifyListener();
  return absl::OkStatus();
}

absl::Status ModelRegistry::SetAlias(absl::string_view model,
                                     absl::string_view alias,
                                     absl::string_view version) {
  STRATA_RETURN_IF_ERROR(ValidateAliasName(alias));
  const std::optional<int64_t> number = ParseVersionNumber(version);
  if (!number.has_value()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "version is \"", version, "\"; must be a positive integer"));
  }
  absl::Status status;
  do {
    STRATA_ASSIGN_OR_RETURN(const Place place,
                            LoadPlace(absl::StrCat(model, "@", version)));
    MutexLock disk(&disk_mu_);
    status = MoveAlias(place, std::string(alias));
  } while (absl::IsAborted(status));
  NotifyListener();
  return status;
}

absl::Status ModelRegistry::MoveAlias(const Place& place,
                                      const std::string& alias) {
  const int64_t newest = NextVersion(place.model) - 1;
  AliasFile file;
  {
    MutexLock lock(&mu_);
    const Version* version = VersionAt(place);
    if (version == nullptr || version->state != VersionState::kReady) {
      return absl::AbortedError(
          absl::StrCat("version ", place.version, " of model \"", place.model,
                       "\" was unloaded meanwhile"));
    }
    const Model& model = models_.at(place.model);
    file = {model.aliases, model.live_chosen_from};
  }
  file.aliases[alias] = absl::StrCat(place.version);
  if (alias == kLiveAlias) file.live_chosen_from = newest;
  STRATA_RETURN_IF_ERROR(WriteAliases(ModelDir(place.model), file));
  std::shared_ptr<const ServedVersion> released;
  {
    MutexLock lock(&mu_);
    Model& model = models_.at(place.model);
    const std::string left = model.aliases[alias];
    model.aliases = std::move(file.aliases);
    model.live_chosen_from = file.live_chosen_from;
    model.alias_error = absl::OkStatus();
    released = Release(&model, left);
  }
  if (released != nullptr) {
    Log(Severity::kInfo, "model unloaded: no alias names it",
        {{"model", released->name()}});
  }
  return absl::OkStatus();
}

std::shared_ptr<const ServedVersion> ModelRegistry::Release(
    Model* model, const std::string& version) {
  for (const auto& [alias, named] : model->aliases) {
    if (named == version) return nullptr;
  }
  const auto left =
      model->versions.find(ParseVersionNumber(version).value_or(0));
  if (left == model->versions.end() || left->second.kept ||
      left->second.state != VersionState::kReady) {
    return nullptr;
  }
  left->second.state = VersionState::kUnloaded;
  return std::move(left->second.served);
}

bool ModelRegistry::FindJob(const std::string& model, absl::string_view job,
                            Place* place) const {
  MutexLock lock(&mu_);
  const auto it = models_.find(model);
  if (it == models_.end() || job.empty()) return false;
  for (const auto& [number, version] : it->second.versions) {
    if (version.job != job) continue;
    *place = {model, number};
    return true;
  }
  return false;
}

absl::StatusOr<std::string> ModelRegistry::Publish(
    absl::string_view model, const std::string& version_dir,
    absl::string_view job) {
  STRATA_RETURN_IF_ERROR(ValidateModelName(model));
  const std::string name(model);
  Place place;
  Rescan(name);
  if (FindJob(name, job, &place)) return PublishAgain(place);
  STRATA_ASSIGN_OR_RETURN(Opened opened, Open(version_dir));
  STRATA_RETURN_IF_ERROR(
      opened.classifier != nullptr
          ? SmokeTest(*opened.classifier)
          : SmokeTest(*opened.weights, *opened.tokenizer, opened.template_kind,
                      opened.neighbours.get()));
  bool raced = false;
  {
    MutexLock disk(&disk_mu_);
    raced = FindJob(name, job, &place);
    if (!raced) {
      STRATA_ASSIGN_OR_RETURN(
          place, Install(name, version_dir, job, std::move(opened)));
    }
  }
  if (raced) return PublishAgain(place);
  Log(Severity::kInfo, "model published",
      {{"model", absl::StrCat(name, "@", place.version)}, {"job", job}});
  NotifyListener();
  return absl::StrCat(name, "@", place.version);
}

// The job's version is there: a crash came between its rename and the end of the
// publish, or the caller asks twice. An alias that went on to a later version
// stays; so does one that somebody moved while this version was there.
absl::StatusOr<std::string> ModelRegistry::PublishAgain(const Place& place) {
  const std::string name = absl::StrCat(place.model, "@", place.version);
  if (LiveWasChosenSince(place)) return name;
  absl::Status status;
  do {
    STRATA_RETURN_IF_ERROR(LoadPlace(name).status());
    MutexLock disk(&disk_mu_);
    if (LiveWasChosenSince(place)) break;
    status = MoveAlias(place, kLiveAlias);
  } while (absl::IsAborted(status));
  NotifyListener();
  STRATA_RETURN_IF_ERROR(status);
  return name;
}

bool ModelRegistry::LiveWasChosenSince(const Place& place) const {
  MutexLock lock(&mu_);
  const Model& model = models_.at(place.model);
  const auto live = model.aliases.find(kLiveAlias);
  const bool later =
      live != model.aliases.end() &&
      ParseVersionNumber(live->second).value_or(0) >= place.version;
  return later || model.live_chosen_from >= place.version;
}

int64_t ModelRegistry::NextVersion(const std::string& model) const {
  int64_t highest = 0;
  for (const VersionOnDisk& disk : ListVersions(ModelDir(model))) {
    highest = std::max(highest, disk.number);
  }
  MutexLock lock(&mu_);
  const auto it = models_.find(model);
  if (it != models_.end() && !it->second.versions.empty()) {
    highest = std::max(highest, it->second.versions.rbegin()->first);
  }
  return highest + 1;
}

absl::StatusOr<ModelRegistry::Place> ModelRegistry::Install(
    const std::string& model, const std::string& version_dir,
    absl::string_view job, Opened opened) {
  const Place place{model, NextVersion(model)};
  std::error_code error;
  const bool fresh =
      std::filesystem::create_directories(ModelDir(model), error);
  if (error) return ErrnoStatus(error.value(), "create", ModelDir(model));
  absl::Status status = fresh ? SyncPath(root_) : absl::OkStatus();
  if (status.ok()) status = InstallVersion(version_dir, DirOf(place), job);
  if (status.ok()) {
    Version version{VersionState::kReady, absl::OkStatus(), std::string(job)};
    version.served = MakeServed(place, version.job, std::move(opened));
    {
      MutexLock lock(&mu_);
      models_[model].versions[place.version] = std::move(version);
    }
    status = MoveAlias(place, kLiveAlias);
    if (status.ok()) return place;
    MutexLock lock(&mu_);
    models_.at(model).versions.erase(place.version);
    if (fresh) models_.erase(model);
  }
  // What exists already is somebody else's.
  if (!absl::IsAlreadyExists(status)) {
    const absl::Status removed = RemoveFolder(DirOf(place));
    if (!removed.ok()) {
      Log(Severity::kWarning, "version cannot be removed",
          {{"folder", DirOf(place)}, {"error", removed.message()}});
    }
  }
  if (fresh) std::filesystem::remove(ModelDir(model), error);  // if empty
  return status;
}

}  // namespace strata
