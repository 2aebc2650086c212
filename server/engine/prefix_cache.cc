#include "server/engine/prefix_cache.h"

#include <algorithm>
#include <utility>

namespace strata {

// Owners are compared, as in GeneratorCache.
bool PrefixCache::Tree::IsOf(const VersionPtr& other) const {
  return !version.owner_before(other) && !other.owner_before(version);
}

PrefixCache::Tree* PrefixCache::Get(const VersionPtr& version, int place) {
  for (const auto& tree : trees_) {
    if (tree->place == place && tree->IsOf(version)) return tree.get();
  }
  return nullptr;
}

int PrefixCache::PlaceOfLongest(const VersionPtr& version,
                                absl::Span<const Item> items) {
  MutexLock lock(&mu_);
  int place = -1;
  int64_t longest = 0;
  for (const auto& tree : trees_) {
    if (!tree->IsOf(version)) continue;
    const PrefixTree::Node* const node = tree->prefixes.Find(items).longest;
    if (node == nullptr) continue;
    const int64_t size = node->snapshot->sequence->size();
    if (size > longest) {
      longest = size;
      place = tree->place;
    }
  }
  return place;
}

void PrefixCache::Use(PrefixTree::Node* node) {
  recent_.splice(recent_.begin(), recent_, node->recent);
}

PrefixCache::Found PrefixCache::Find(const VersionPtr& version, int place,
                                     absl::Span<const Item> items) {
  MutexLock lock(&mu_);
  Found found;
  Tree* const tree = Get(version, place);
  if (tree == nullptr) return found;
  const PrefixTree::Match match = tree->prefixes.Find(items);
  found.shared = match.shared;
  if (match.longest != nullptr) {
    Use(match.longest);
    found.snapshot = match.longest->snapshot;
  }
  return found;
}

bool PrefixCache::Touch(const VersionPtr& version, int place,
                        absl::Span<const Item> items) {
  const SnapshotPtr found = Find(version, place, items).snapshot;
  return found != nullptr &&
         found->sequence->size() == static_cast<int64_t>(items.size());
}

SnapshotPtr PrefixCache::Insert(const VersionPtr& version,
                                absl::Span<const Item> items,
                                SnapshotPtr snapshot) {
  MutexLock lock(&mu_);
  const int place = snapshot->lease.place();
  Tree* tree = Get(version, place);
  if (tree == nullptr) {
    trees_.push_back(std::make_unique<Tree>());
    tree = trees_.back().get();
    tree->version = version;
    tree->place = place;
  }
  PrefixTree::Node* const node = tree->prefixes.Insert(items);
  if (node->snapshot != nullptr) return snapshot;
  bytes_[place] += snapshot->lease.bytes();
  node->snapshot = std::move(snapshot);
  recent_.push_front(node);
  node->recent = recent_.begin();
  return nullptr;
}

void PrefixCache::Forget(PrefixTree::Node* node) {
  const SnapshotLease& lease = node->snapshot->lease;
  bytes_[lease.place()] -= lease.bytes();
  recent_.erase(node->recent);
}

std::vector<SnapshotPtr> PrefixCache::Evict(int place, int64_t bytes) {
  MutexLock lock(&mu_);
  std::vector<SnapshotPtr> evicted;
  auto at = recent_.end();
  while (bytes > 0 && at != recent_.begin()) {
    PrefixTree::Node* const node = *--at;
    if (node->snapshot->lease.place() != place) continue;
    ++at;  // what lies behind stays valid
    bytes -= node->snapshot->lease.bytes();
    Forget(node);
    evicted.push_back(PrefixTree::Remove(node));
  }
  return evicted;
}

std::vector<SnapshotPtr> PrefixCache::DropUnused() {
  MutexLock lock(&mu_);
  std::vector<SnapshotPtr> dropped;
  for (size_t i = trees_.size(); i-- > 0;) {
    if (!trees_[i]->version.expired()) continue;
    trees_[i]->prefixes.ForEach([&](PrefixTree::Node* node) {
      Forget(node);
      dropped.push_back(std::move(node->snapshot));
    });
    std::swap(trees_[i], trees_.back());
    trees_.pop_back();
  }
  return dropped;
}

int64_t PrefixCache::bytes(int place) const {
  MutexLock lock(&mu_);
  const auto it = bytes_.find(place);
  return it == bytes_.end() ? 0 : it->second;
}

}  // namespace strata
