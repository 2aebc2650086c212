#pragma once
// PrefixCache: the snapshots that are kept, by model version and items, in
// order of use. It holds no more than it is given: what it may take is decided
// by AdmissionQueue, which evicts the least recently used when the memory is
// wanted. It does not pin a version: DropUnused lets go of those that nobody
// references any more, as GeneratorCache does. Thread-safe; its lock is a leaf,
// taken also inside the queue's. What it lets go of is returned, for the caller
// to destroy without a lock.

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <vector>

#include "absl/types/span.h"
#include "model/base/mutex.h"
#include "server/engine/prefix_tree.h"
#include "server/engine/snapshot.h"
#include "server/registry/registry.h"

namespace strata {

class PrefixCache {
 public:
  using VersionPtr = std::shared_ptr<const ServedVersion>;

  struct Found {
    SnapshotPtr snapshot;  // of the longest kept prefix of the items, or null
    int64_t shared = 0;    // items in common with anything kept
  };
  // Counts as a use of the snapshot. `place`: see AdmissionQueue::PlaceOf.
  Found Find(const VersionPtr& version, int place,
             absl::Span<const Item> items);

  // The place that keeps the longest prefix of the items; -1: none does. No
  // use.
  int PlaceOfLongest(const VersionPtr& version, absl::Span<const Item> items);

  // Whether exactly these items are kept; counts as a use if so.
  bool Touch(const VersionPtr& version, int place,
             absl::Span<const Item> items);

  // Keeps `snapshot` as the most recently used. Returns it if these items are
  // kept already.
  SnapshotPtr Insert(const VersionPtr& version, absl::Span<const Item> items,
                     SnapshotPtr snapshot);

  // The least recently used of `place`, of `bytes` or more together; or all.
  std::vector<SnapshotPtr> Evict(int place, int64_t bytes);

  // Those whose version nobody references any more.
  std::vector<SnapshotPtr> DropUnused();

  int64_t bytes(int place) const;

 private:
  struct Tree {
    std::weak_ptr<const ServedVersion> version;
    int place = 0;
    PrefixTree prefixes;

    bool IsOf(const VersionPtr& other) const;
  };
  Tree* Get(const VersionPtr& version, int place) STRATA_REQUIRES(mu_);
  void Use(PrefixTree::Node* node) STRATA_REQUIRES(mu_);
  // Uncounts a node that is about to lose its snapshot.
  void Forget(PrefixTree::Node* node) STRATA_REQUIRES(mu_);

  mutable Mutex mu_;
  std::vector<std::unique_ptr<Tree>> trees_ STRATA_GUARDED_BY(mu_);
  std::list<PrefixTree::Node*> recent_ STRATA_GUARDED_BY(mu_);  // newest first
  std::map<int, int64_t> bytes_ STRATA_GUARDED_BY(mu_);  // by place
};

}  // namespace strata
