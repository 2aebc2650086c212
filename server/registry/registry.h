#pragma once
// ModelRegistry: which versions exist in the repository folder, which are in
// memory, and which version a name means.
//
//   MODELS/NAME/VERSION/   a version folder (model/version_dir.h); VERSION is a
//                          positive integer
//   MODELS/NAME/aliases.json   {"live": "3"}; `live` is what plain NAME means;
//                          without the file, the highest version is live.
//                          "@live-chosen-from" is no alias: the highest version
//                          that was there when `live` was moved last
//
// A change is on disk before it is in memory. Temporary files and folders
// (`.tmp-*`) are what a crash left of one; they are ignored, and removed by
// LoadAll.
// A request pins its version with a shared_ptr: unloading or moving an alias
// never touches running streams, and the weights go when the last one ends.
// In memory are the versions that an alias names and those that Load was called
// for. When an alias moves away from the last, the version it named is unloaded,
// or else a server that publishes every night would fill its memory.
// Thread-safe. Loading happens outside the lock, one load per version at a time.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/base/mutex.h"
#include "model/chat_template.h"
#include "model/classifier.h"
#include "model/generator.h"
#include "model/neighbours.h"
#include "model/tokenizer.h"

namespace strata {

// A version in memory. Immutable.
struct ServedVersion {
  std::string model;
  std::string version;
  std::string job;  // that made it; empty if none
  TemplateKind template_kind = TemplateKind::kText;
  std::shared_ptr<const Tokenizer> tokenizer = ByteTokenizer();
  // One of the two: a version generates or classifies; the `architecture` of its
  // config.json decides.
  std::shared_ptr<const LoadedModel> weights;
  std::shared_ptr<const Classifier> classifier;
  // What its datastore knows; null where it has none.
  std::shared_ptr<const Neighbours> neighbours;

  // In memory: weights and datastore.
  int64_t bytes() const;
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
  // `root` is created if absent. The loaders may be called from any thread;
  // without one for classifiers there are none, without one for datastores they are
  // not looked at.
  ModelRegistry(std::string root, ModelLoader loader,
                ClassifierLoader classifier_loader = nullptr,
                NeighboursLoader neighbours_loader = nullptr);
  ~ModelRegistry();

  // Called after every change of a version's state or of an alias, from the
  // thread that made it, with no lock held; it may call the registry. Set it
  // before LoadAll; it is called until the registry is gone.
  void SetListener(std::function<void()> listener);

  // Scans the folder and loads every version that an alias names, the live ones
  // first. A version that fails to load is reported as kBroken; it does not stop
  // the others. `stop` is asked before each load; after a true the rest stays
  // unloaded.
  absl::Status LoadAll(const std::function<bool()>& stop = nullptr);

  // NAME, NAME@VERSION or NAME@ALIAS. NOT_FOUND: no such model or version;
  // UNAVAILABLE: known, loading; FAILED_PRECONDITION: not loaded or broken.
  absl::StatusOr<std::shared_ptr<const ServedVersion>> Resolve(
      absl::string_view name) const;

  std::vector<ModelInfo> List() const;  // sorted by name
  absl::StatusOr<ModelInfo> Get(absl::string_view name) const;

  // NAME@VERSION. Idempotent. It stays until Unload, whatever the aliases do.
  // Errors of the loader pass through.
  absl::Status Load(absl::string_view name);
  // NAME@VERSION. FAILED_PRECONDITION while `live` points at it.
  absl::Status Unload(absl::string_view name);
  // Durable, atomic. The version is loaded first; on error nothing moves.
  absl::Status SetAlias(absl::string_view model, absl::string_view alias,
                        absl::string_view version);

  // Puts a finished version folder into the repository as the next version of
  // `model` and points `live` at it; before anything else it is loaded and has to
  // generate (server/registry/smoke_test.h).
  // Exactly once per `job` (the manifest's attribute "job"): a version that the
  // same job made is found again and returned, also when `version_dir` is gone.
  // Then `live` moves only if nobody moved it since that version is there: who
  // set it back after a publish has the last word.
  // Returns NAME@VERSION. On error the repository is unchanged. `version_dir`
  // stays, for the caller to delete (its files are linked, not copied, where
  // both lie in one file system).
  absl::StatusOr<std::string> Publish(absl::string_view model,
                                      const std::string& version_dir,
                                      absl::string_view job);

  const std::string& root() const { return root_; }
  // Folder of NAME@VERSION (also of an unloaded one). NOT_FOUND.
  absl::StatusOr<std::string> VersionDir(absl::string_view name) const;

 private:
  struct Version {
    VersionState state = VersionState::kUnloaded;
    absl::Status error;  // of the last load, or of the manifest
    std::string job;
    std::shared_ptr<const ServedVersion> served;  // null unless kReady
    bool kept = false;  // Load was called for it
  };
  struct Model {
    std::map<int64_t, Version> versions;
    std::map<std::string, std::string> aliases;
    int64_t live_chosen_from = 0;  // see AliasFile in repository.h
    absl::Status alias_error;
  };
  struct Place {  // of a version
    std::string model;
    int64_t version = 0;
  };

  // What an unlocked load or publish brings.
  struct Opened {
    TemplateKind template_kind = TemplateKind::kText;
    std::shared_ptr<const Tokenizer> tokenizer = ByteTokenizer();
    std::shared_ptr<const LoadedModel> weights;
    std::shared_ptr<const Classifier> classifier;
    std::shared_ptr<const Neighbours> neighbours;
  };

  // What `name` means. NOT_FOUND, UNAVAILABLE (still scanning),
  // FAILED_PRECONDITION (no live version).
  absl::StatusOr<Place> Find(absl::string_view name) const STRATA_REQUIRES(mu_);
  Version* VersionAt(const Place& place) STRATA_REQUIRES(mu_);  // or null
  // Looks at the model's folder and adds what is new.
  void Rescan(const std::string& model);
  // Load for a while: until an alias names it, or does no more.
  absl::StatusOr<Place> LoadPlace(absl::string_view name);
  // Marks what LoadAll loads, in its order.
  std::vector<Place> MarkAliased();
  // Takes a version that nobody names any more out of memory; its weights, to be
  // freed outside mu_.
  std::shared_ptr<const ServedVersion> Release(Model* model,
                                               const std::string& version)
      STRATA_REQUIRES(mu_);
  absl::StatusOr<Opened> Open(const std::string& version_dir) const;
  // REQUIRES: this thread set kLoading.
  absl::Status LoadMarked(const Place& place);
  std::shared_ptr<const ServedVersion> MakeServed(const Place& place,
                                                  const std::string& job,
                                                  Opened opened) const;
  bool FindJob(const std::string& model, absl::string_view job,
               Place* place) const;
  absl::StatusOr<std::string> PublishAgain(const Place& place);
  bool LiveWasChosenSince(const Place& place) const;
  absl::StatusOr<Place> Install(const std::string& model,
                                const std::string& version_dir,
                                absl::string_view job, Opened opened)
      STRATA_REQUIRES(disk_mu_);
  // ABORTED: `place` was unloaded meanwhile.
  absl::Status MoveAlias(const Place& place, const std::string& alias)
      STRATA_REQUIRES(disk_mu_);
  int64_t NextVersion(const std::string& model) const STRATA_REQUIRES(disk_mu_);
  std::string DirOf(const Place& place) const;
  std::string ModelDir(absl::string_view model) const;
  void NotifyListener();

  const std::string root_;
  const ModelLoader loader_;
  const ClassifierLoader classifier_loader_;
  const NeighboursLoader neighbours_loader_;
  // Serialises changes of the folder. Never held while a version is loaded;
  // mu_ may be taken inside it.
  Mutex disk_mu_;
  mutable Mutex mu_;
  CondVar loaded_;
  std::map<std::string, Model> models_ STRATA_GUARDED_BY(mu_);
  bool scanning_ STRATA_GUARDED_BY(mu_) = false;
  std::function<void()> listener_ STRATA_GUARDED_BY(mu_);
};

}  // namespace strata
