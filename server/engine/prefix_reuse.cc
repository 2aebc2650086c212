#include "server/engine/prefix_reuse.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace strata {
namespace {

// Others may take what was freed for us; then theirs is the newer snapshot.
constexpr int kReserveTries = 3;

}  // namespace

PrefixReuse::PrefixReuse(EngineCore* core, const LiveRequest* live,
                         Generator* generator)
    : core_(core),
      live_(live),
      generator_(generator),
      on_(core->options().prefix_cache_bytes > 0 &&
          live->request.prefix_cache &&
          live->request.kind == EngineRequest::Kind::kGenerate) {}

absl::StatusOr<std::unique_ptr<Sequence>> PrefixReuse::Begin() {
  if (!on_) return generator_->NewSequence(live_->capacity);
  // The last item is fed in any case: its logits are wanted.
  const PrefixCache::Found found = core_->prefixes().Find(
      live_->request.version, core_->queue().PlaceOf(live_->lease.worker()),
      absl::MakeConstSpan(live_->request.items)
          .first(live_->prompt_items - 1));
  if (found.snapshot != nullptr) cached_ = found.snapshot->sequence->size();
  core_->observer().OnPrefixLookup(cached_);
  kept_ = cached_;
  if (found.shared - kept_ >= kLeastReuse) parting_ = found.shared;
  if (cached_ == 0) return generator_->NewSequence(live_->capacity);
  return generator_->Fork(*found.snapshot->sequence, live_->capacity);
}

int64_t PrefixReuse::UntilKeep(int64_t fed, int64_t items) const {
  return fed < parting_ ? std::min(items, parting_ - fed) : items;
}

void PrefixReuse::Keep(const Sequence& sequence, bool ended) {
  const int64_t size = sequence.size();
  if (!on_ || size - kept_ < kLeastReuse) return;
  if (ended || size == parting_ || size == live_->prompt_items) {
    Store(sequence);
  }
}

void PrefixReuse::Store(const Sequence& sequence) {
  const int64_t size = sequence.size();
  const auto items = absl::MakeConstSpan(live_->request.items).first(size);
  const int place = core_->queue().PlaceOf(live_->lease.worker());
  const auto& version = live_->request.version;
  if (core_->prefixes().Touch(version, place, items)) {
    kept_ = size;
    return;
  }
  auto snapshot = std::make_shared<Snapshot>();
  const int64_t bytes = version->weights->StateBytes(size) +
                        size * static_cast<int64_t>(sizeof(Item)) +
                        kSnapshotOverhead;
  if (!Reserve(bytes, &snapshot->lease)) return;
  auto fork = generator_->Fork(sequence, size);
  if (!fork.ok()) return;  // no memory: the request itself has what it needs
  snapshot->weights = version->weights;
  snapshot->sequence = *std::move(fork);
  core_->queue().Keep(*live_, size, std::move(snapshot));
  kept_ = size;
  core_->PublishLevels();
}

bool PrefixReuse::Reserve(int64_t bytes, SnapshotLease* lease) {
  const int worker = live_->lease.worker();
  std::vector<SnapshotPtr> evicted;
  for (int i = 0; i < kReserveTries; ++i) {
    if (core_->queue().ReserveSnapshot(worker, bytes, lease, &evicted)) {
      return true;
    }
    if (evicted.empty()) return false;
    core_->observer().OnPrefixesEvicted(evicted.size());
    evicted.clear();
  }
  return false;
}

}  // namespace strata
