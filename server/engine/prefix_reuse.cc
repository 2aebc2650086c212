#include "server/engine/prefix_reuse.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace strata {
namespace {

// Others may take what was freed for us; then theirs is the newer snapshot.
constexpr int kReserveTries = 3;

}  // namespace

PrefixReuse::PrefixReuse(EngineCore* core, LiveRequest* live,
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

void PrefixReuse::Follow(const PrefixReuse& other) {
  cached_ = other.cached_;
  kept_ = other.kept_;
}

int64_t PrefixReuse::UntilKeep(int64_t fed, int64_t items) const {
  return fed < parting_ ? std::min(items, parting_ - fed) : items;
}

void PrefixReuse::Keep(const Sequence& sequence) {
  const int64_t size = sequence.size();
  if (size != parting_ && size != live_->prompt_items) return;
  if (Wanted(sequence)) StoreCopy(sequence);
}

void PrefixReuse::KeepLast(std::unique_ptr<Sequence> sequence) {
  if (!Wanted(*sequence)) return;
  const int64_t size = sequence->size();
  const int64_t least = live_->request.version->weights->StateBytes(size);
  if (sequence->bytes() > least + least / kSpareParts) {
    StoreCopy(*sequence);
    return;
  }
  SnapshotLease lease;
  if (!Reserve(sequence->bytes(), size, /*hand_over=*/true, &lease)) return;
  Store(std::move(sequence), std::move(lease));
}

bool PrefixReuse::Wanted(const Sequence& sequence) {
  const int64_t size = sequence.size();
  if (!on_ || size - kept_ < kLeastReuse) return false;
  const bool there = core_->prefixes().Touch(
      live_->request.version, core_->queue().PlaceOf(live_->lease.worker()),
      absl::MakeConstSpan(live_->request.items).first(size));
  if (there) kept_ = size;
  return !there;
}

void PrefixReuse::StoreCopy(const Sequence& sequence) {
  const int64_t size = sequence.size();
  const int64_t bytes = live_->request.version->weights->StateBytes(size);
  SnapshotLease lease;
  if (!Reserve(bytes, size, /*hand_over=*/false, &lease)) return;
  auto fork = generator_->Fork(sequence, size);
  if (!fork.ok()) return;  // no memory: the request itself has what it needs
  Store(*std::move(fork), std::move(lease));
}

void PrefixReuse::Store(std::unique_ptr<const Sequence> sequence,
                        SnapshotLease lease) {
  kept_ = sequence->size();
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->weights = live_->request.version->weights;
  snapshot->lease = std::move(lease);
  snapshot->sequence = std::move(sequence);
  core_->queue().Keep(*live_, kept_, std::move(snapshot));
  core_->PublishLevels();
}

bool PrefixReuse::Reserve(int64_t state_bytes, int64_t items, bool hand_over,
                          SnapshotLease* lease) {
  const int64_t bytes = state_bytes +
                        items * static_cast<int64_t>(sizeof(Item)) +
                        kSnapshotOverhead;
  std::vector<SnapshotPtr> evicted;
  for (int i = 0; i < kReserveTries; ++i) {
    if (core_->queue().ReserveSnapshot(&live_->lease, hand_over, bytes, lease,
                                       &evicted)) {
      return true;
    }
    if (evicted.empty()) return false;
    core_->observer().OnPrefixesEvicted(evicted.size());
    evicted.clear();
  }
  return false;
}

}  // namespace strata
