#pragma once
// ModelRegistry: which versions exist in the repository folder, which are in
// memory, and which version a name means.
//
//   MODELS/NAME/VERSION/   a version folder (model/version_dir.h); VERSION is a
//                          positive integer
//   MODELS/NAME/aliases.json   {"live": "3"}; `live` is what plain NAME means
//
// A request pins its version with a shared_ptr: unloading or moving an alias
// never touches running streams, and the weights go when the last one ends.
// Thread-safe. Loading happens outside the lock, one load per version at a time.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/base/mutex.h"
#include "model/chat_template.h"
#include "model/generator.h"

namespace strata {

// A version in memory. Immutable.
struct ServedVersion {
  std::string model;
  std::string version;
  std::string job;  // that made it; empty if none
  TemplateKind template_kind = TemplateKind::kText;
  std::shared_ptr<const LoadedModel> weights;

  std::string name() const { return model + "@" + version; }
};

enum class VersionState { kUnloaded, kLoading, kReady, kBroken };

struct VersionInfo {
  std::string version;
  VersionState state = VersionState::kUnloaded;
  std::string error;
  std::string job;
  std::shared_ptr<const ServedVersion> served;  // null unless kReady
};

struct ModelInfo {
  std::string name;
  std::vector<VersionInfo> versions;           // ascending
  std::map<std::string, std::string> aliases;  // alias -> version
};

inline constexpr char kLiveAlias[] = "live";

class ModelRegistry {
 public:
  // `root` is created if absent. `loader` may be called from any thread.
  ModelRegistry(std::string root, ModelLoader loader);

  // Scans the folder and loads the live version of every model. A model that
  // fails to load is reported as kBroken; it does not stop the others.
  absl::Status LoadAll();

  // NAME, NAME@VERSION or NAME@ALIAS. NOT_FOUND: no such model or version;
  // UNAVAILABLE: known, loading; FAILED_PRECONDITION: not loaded or broken.
  absl::StatusOr<std::shared_ptr<const ServedVersion>> Resolve(
      absl::string_view name) const;

  std::vector<ModelInfo> List() const;  // sorted by name
  absl::StatusOr<ModelInfo> Get(absl::string_view name) const;

  // NAME@VERSION. Idempotent. Errors of the loader pass through.
  absl::Status Load(absl::string_view name);
  // NAME@VERSION. FAILED_PRECONDITION while `live` points at it.
  absl::Status Unload(absl::string_view name);
  // Durable, atomic. The version is loaded first; on error nothing moves.
  absl::Status SetAlias(absl::string_view model, absl::string_view alias,
                        absl::string_view version);

  // Moves a finished version folder into the repository as the next version of
  // `model`, loads it, and points `live` at it. Exactly once per `job`: a
  // version that the same job made is found again and returned. Returns
  // NAME@VERSION. On error the repository is unchanged.
  absl::StatusOr<std::string> Publish(absl::string_view model,
                                      const std::string& version_dir,
                                      absl::string_view job);

  const std::string& root() const { return root_; }
  // Folder of NAME@VERSION (also of an unloaded one). NOT_FOUND.
  absl::StatusOr<std::string> VersionDir(absl::string_view name) const;

 private:
  struct Model;
  const std::string root_;
  const ModelLoader loader_;
  mutable Mutex mu_;
  CondVar loaded_;
  std::map<std::string, Model> models_ STRATA_GUARDED_BY(mu_);
  Mutex publish_mu_;  // one publish at a time; never held with mu_ while loading
};

// [a-z0-9][a-z0-9._-]{0,62}, not a preset. INVALID_ARGUMENT says why not.
absl::Status ValidateModelName(absl::string_view name);

}  // namespace strata
