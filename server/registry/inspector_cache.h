#pragma once
// InspectorCache: the weights that are in memory for Inspect, beside those that
// serve: opened from a version's folder when the first call asks, and kept until
// another version needs the room (those that were not used for longest go first), or
// until a call comes when nobody serves the version any more.
//
// Never more than `max_bytes` of weights: what must go goes before what comes is
// opened, and calls take turns, so that no weights are in use that the cache no
// longer counts. Thread-safe.

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/base/mutex.h"
#include "model/inspector.h"
#include "server/registry/registry.h"

namespace strata {

class InspectorCache {
 public:
  // `registry` outlives it.
  InspectorCache(const ModelRegistry* registry, InspectorLoader loader,
                 int64_t max_bytes)
      : registry_(registry), loader_(std::move(loader)), max_bytes_(max_bytes) {}

  // FAILED_PRECONDITION where the weights of the version alone are more than the
  // bound. REQUIRES: a version that generates; so do the others.
  absl::Status CheckFits(const ServedVersion& version) const;

  // Runs `use` on the version's inspector and returns what it returns. Errors of
  // CheckFits and of the loader pass through.
  absl::Status Use(const std::shared_ptr<const ServedVersion>& version,
                   const std::function<absl::Status(const Inspector&)>& use);

  int64_t bytes();

 private:
  struct Entry {
    std::weak_ptr<const ServedVersion> version;
    int64_t bytes = 0;
    std::shared_ptr<const Inspector> inspector;
  };

  // Moves the version's entry to the front, opening it if need be.
  absl::Status BringToFront(const std::shared_ptr<const ServedVersion>& version)
      STRATA_REQUIRES(mu_);
  void DropUnserved() STRATA_REQUIRES(mu_);

  const ModelRegistry* const registry_;
  const InspectorLoader loader_;
  const int64_t max_bytes_;
  Mutex mu_;  // also while an inspector is opened and used
  std::list<Entry> entries_ STRATA_GUARDED_BY(mu_);  // used last first
  int64_t bytes_ STRATA_GUARDED_BY(mu_) = 0;
};

}  // namespace strata
